"""`gateway.Gateway` (gateway/gateway.proto): what Fabric's clients call.

Other than a Fabric network this ledger answers Submit when the transaction is on the disk, so that a Submit
which was answered is never lost. Whether it counts is for CommitStatus to say, as there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import grpc
from fabric_protos.common import common_pb2 as common
from fabric_protos.gateway import gateway_pb2 as gateway
from fabric_protos.gateway.gateway_pb2_grpc import GatewayServicer
from fabric_protos.peer import chaincode_pb2 as chaincodes
from fabric_protos.peer import proposal_pb2 as peer
from google.protobuf.message import DecodeError

from chaincode.errors import Conflict, Refused
from chaincode.fabric import encoding, responses, transactions
from chaincode.fabric.encoding import encoded
from chaincode.ledgers.engine import Engine
from chaincode.ledgers.served import events, system
from chaincode.ledgers.served.answers import Answers, Malformed
from chaincode.ledgers.served.limits import Turnstile


class GatewayService(GatewayServicer):  # type: ignore[misc] # generated code has no types
    def __init__(self, engine: Engine, answers: Answers, turnstile: Turnstile) -> None:
        self._engine, self._answers, self._turnstile = engine, answers, turnstile
        self._qscc = system.Qscc(engine)

    def Evaluate(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with self._answers.to(context, self._answers.evaluate):
            return gateway.EvaluateResponse(result=responses.success(self._evaluate(request)))

    def Endorse(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with self._answers.to(context, self._answers.endorse):
            signed = request.proposed_transaction
            _called(signed.proposal_bytes)
            prepared = self._engine.endorse(signed.proposal_bytes, signed.signature)
            return gateway.EndorseResponse(prepared_transaction=common.Envelope(payload=prepared.payload))

    def Submit(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with self._answers.to(context, self._answers.submit):
            if not request.HasField("prepared_transaction"):
                raise Malformed("a prepared transaction is required")
            if not request.prepared_transaction.signature:
                raise Malformed("prepared transaction must be signed")
            with contextlib.suppress(Conflict):  # it is ordered; that it does not count, CommitStatus tells
                self._engine.submit(transactions.parse(encoded(request.prepared_transaction)))
            return gateway.SubmitResponse()

    def CommitStatus(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with self._answers.to(context, self._answers.read):
            asked = _read(gateway.CommitStatusRequest, request.request, "status request")
            who = self._reader(asked, request)
            place = self._engine.find(asked.transaction_id)
            if place is None:
                with self._turnstile.waits(who):
                    place = self._wait_for(asked.transaction_id, context)
            if place is None:  # the client is gone
                return gateway.CommitStatusResponse()
            code = transactions.code_of(place.code)
            return gateway.CommitStatusResponse(result=code, block_number=place.block)

    def ChaincodeEvents(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: N802
        with self._answers.to(context, self._answers.read):
            asked = _read(gateway.ChaincodeEventsRequest, request.request, "chaincode events request")
            with self._turnstile.waits(self._reader(asked, request)):
                yield from events.follow(self._engine, asked, context.is_active)

    def _evaluate(self, request: Any) -> bytes:
        signed = request.proposed_transaction
        if _called(signed.proposal_bytes) == system.NAME:
            return self._qscc.answer(self._engine.admit(signed.proposal_bytes, signed.signature))
        return self._engine.evaluate(signed.proposal_bytes, signed.signature)

    def _reader(self, asked: Any, signed: Any) -> str:
        """Who asks to read. Raises Refused unless it is a member of the channel, and signed what it asks."""
        creator = encoding.creator(asked.identity)
        if asked.channel_id != self._engine.config.channel:
            raise Refused(f"this ledger is the channel {self._engine.config.channel}")
        self._engine.check(creator, signed.request, signed.signature)
        return creator.certificate

    def _wait_for(self, tx_id: str, context: grpc.ServicerContext) -> Any:
        while context.is_active():
            height = self._engine.height()
            place = self._engine.find(tx_id)
            if place:
                return place
            self._engine.await_block(height, events.LOOK_S)
        return None


def _read(kind: type[Any], data: bytes, what: str) -> Any:
    try:
        return encoding.message(kind, data)
    except DecodeError as error:
        raise Malformed(f"invalid {what}: {error}") from error


def _called(proposal: bytes) -> str:
    """The chaincode that a proposal calls. Raises Malformed where a gateway cannot tell
    (evaluate.go, getChannelAndChaincodeFromSignedProposal); everything else is the peer's to check."""
    if not proposal:
        raise Malformed("a signed proposal is required")
    found = _read(peer.Proposal, proposal, "proposal")
    header = _read(common.Header, found.header, "header")
    payload = _read(peer.ChaincodeProposalPayload, found.payload, "payload")
    spec = _read(chaincodes.ChaincodeInvocationSpec, payload.input, "call").chaincode_spec
    if not _read(common.ChannelHeader, header.channel_header, "channel header").channel_id:
        raise Malformed("no channel id provided")
    if not spec.chaincode_id.name:
        raise Malformed("no chaincode name is provided")
    return str(spec.chaincode_id.name)
