"""The gateway's and the peer's methods, and the signed requests that go there."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from fabric_protos.common import common_pb2 as common
from fabric_protos.gateway import gateway_pb2 as gateway
from fabric_protos.orderer import ab_pb2 as orderer
from fabric_protos.peer import events_pb2 as events

from chaincode.blocks import Creator
from chaincode.fabric import encoding, proposals
from chaincode.fabric.encoding import encoded
from chaincode.fabric.proposals import Invocation
from chaincode.identity import Identity
from chaincode.ledgers.gateway.connection import Method

EVALUATE = Method("/gateway.Gateway/Evaluate", gateway.EvaluateRequest, gateway.EvaluateResponse, 10)
ENDORSE = Method("/gateway.Gateway/Endorse", gateway.EndorseRequest, gateway.EndorseResponse, 15)
SUBMIT = Method("/gateway.Gateway/Submit", gateway.SubmitRequest, gateway.SubmitResponse, 10)
COMMIT_STATUS = Method(
    "/gateway.Gateway/CommitStatus", gateway.SignedCommitStatusRequest, gateway.CommitStatusResponse, 10
)
CHAINCODE_EVENTS = Method(
    "/gateway.Gateway/ChaincodeEvents",
    gateway.SignedChaincodeEventsRequest,
    gateway.ChaincodeEventsResponse,
    60,
)
DELIVER = Method("/protos.Deliver/Deliver", common.Envelope, events.DeliverResponse, 60)

LAST = 2**64 - 1
"""The last block that there can ever be: where to stop, for who does not want to."""


def evaluate(invocation: Invocation, by: Identity) -> Any:
    signed = proposals.sign(proposals.build(invocation), by)
    return gateway.EvaluateRequest(
        transaction_id=invocation.tx_id, channel_id=invocation.channel, proposed_transaction=signed
    )


def endorse(invocation: Invocation, by: Identity) -> Any:
    signed = proposals.sign(proposals.build(invocation), by)
    return gateway.EndorseRequest(
        transaction_id=invocation.tx_id, channel_id=invocation.channel, proposed_transaction=signed
    )


def submit(channel: str, tx_id: str, envelope: bytes) -> Any:
    prepared = common.Envelope.FromString(envelope)
    return gateway.SubmitRequest(transaction_id=tx_id, channel_id=channel, prepared_transaction=prepared)


def commit_status(channel: str, tx_id: str, by: Identity) -> Any:
    request = encoded(
        gateway.CommitStatusRequest(transaction_id=tx_id, channel_id=channel, identity=_name(by))
    )
    return gateway.SignedCommitStatusRequest(request=request, signature=by.sign(request))


def chaincode_events(channel: str, chaincode: str, start: int, after: str, by: Identity) -> Any:
    """From a block on; of that block, after a transaction."""
    request = encoded(
        gateway.ChaincodeEventsRequest(
            channel_id=channel,
            chaincode_id=chaincode,
            identity=_name(by),
            start_position=_block(start),
            after_transaction_id=after,
        )
    )
    return gateway.SignedChaincodeEventsRequest(request=request, signature=by.sign(request))


def seek(channel: str, start: int, stop: int, by: Identity, *, wait: bool = False) -> Any:
    """`common.Envelope` of a `SeekInfo`: these blocks, both ends included; those that there are, or waiting
    for each until it is there."""
    behavior = orderer.SeekInfo.BLOCK_UNTIL_READY if wait else orderer.SeekInfo.FAIL_IF_NOT_READY
    info = orderer.SeekInfo(start=_block(start), stop=_block(stop), behavior=behavior)
    now = encoding.timestamp(datetime.now(UTC).isoformat())
    channel_header = common.ChannelHeader(type=common.DELIVER_SEEK_INFO, channel_id=channel, timestamp=now)
    signature_header = common.SignatureHeader(creator=_name(by), nonce=secrets.token_bytes(24))
    header = common.Header(channel_header=encoded(channel_header), signature_header=encoded(signature_header))
    payload = encoded(common.Payload(header=header, data=encoded(info)))
    return common.Envelope(payload=payload, signature=by.sign(payload))


def _block(number: int) -> Any:
    return orderer.SeekPosition(specified=orderer.SeekSpecified(number=number))


def _name(by: Identity) -> bytes:
    return encoding.identity(Creator(by.msp_id, by.certificate))
