"""Envelopes taken apart, changed and put together again, as a hostile client or operator would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fabric_protos.common import common_pb2 as common
from fabric_protos.peer import chaincode_pb2 as chaincodes
from fabric_protos.peer import proposal_pb2 as peer
from fabric_protos.peer import proposal_response_pb2 as answers
from fabric_protos.peer import transaction_pb2 as endorsed

from chaincode.blocks import Creator
from chaincode.fabric import encoding, proposals, rwsets, transactions
from chaincode.identity import Identity


@dataclass
class Opened:
    """A transaction's parts, to be changed at will; `seal` spells and signs what they then say."""

    channel: Any  #: common.ChannelHeader
    signed: Any  #: common.SignatureHeader
    call: Any  #: protos.ChaincodeInvocationSpec
    action: Any  #: protos.ChaincodeAction
    endorsements: list[Any]

    @classmethod
    def of(cls, envelope: bytes) -> Opened:
        payload = common.Payload.FromString(common.Envelope.FromString(envelope).payload)
        [action] = endorsed.Transaction.FromString(payload.data).actions
        body = endorsed.ChaincodeActionPayload.FromString(action.payload)
        answer = answers.ProposalResponsePayload.FromString(body.action.proposal_response_payload)
        proposed = peer.ChaincodeProposalPayload.FromString(body.chaincode_proposal_payload)
        return cls(
            common.ChannelHeader.FromString(payload.header.channel_header),
            common.SignatureHeader.FromString(payload.header.signature_header),
            chaincodes.ChaincodeInvocationSpec.FromString(proposed.input),
            peer.ChaincodeAction.FromString(answer.extension),
            list(body.action.endorsements),
        )

    def writes(self, *write_set: list[Any]) -> Opened:
        read_set, _ = rwsets.parse(self.action.results)
        self.action.results = rwsets.build(read_set, write_set)
        return self

    def reads_nothing(self) -> Opened:
        _, write_set = rwsets.parse(self.action.results)
        self.action.results = rwsets.build({"keys": [], "ranges": []}, write_set)
        return self

    def created_by(self, identity: Identity) -> Opened:
        """With the id that follows from it."""
        self.signed.creator = encoding.identity(Creator(identity.msp_id, identity.certificate))
        self.channel.tx_id = proposals.transaction_id(self.signed.nonce, self.signed.creator)
        return self

    def seal(self, creator: Identity, endorser: Identity | None = None) -> bytes:
        """`common.Envelope`; endorsed anew, or with the endorsements that it had."""
        header = common.Header(
            channel_header=encoding.encoded(self.channel), signature_header=encoding.encoded(self.signed)
        )
        proposed = encoding.encoded(peer.ChaincodeProposalPayload(input=encoding.encoded(self.call)))
        answer = encoding.encoded(
            answers.ProposalResponsePayload(
                proposal_hash=proposals.digest(header, proposed), extension=encoding.encoded(self.action)
            )
        )
        endorsements = [transactions.endorse(answer, endorser)] if endorser else self.endorsements
        body = endorsed.ChaincodeActionPayload(
            chaincode_proposal_payload=proposed,
            action=endorsed.ChaincodeEndorsedAction(
                proposal_response_payload=answer, endorsements=endorsements
            ),
        )
        action = endorsed.TransactionAction(header=header.signature_header, payload=encoding.encoded(body))
        data = encoding.encoded(endorsed.Transaction(actions=[action]))
        return transactions.sign(encoding.encoded(common.Payload(header=header, data=data)), creator)


def resigned(envelope: bytes, signature: bytes) -> bytes:
    """The same payload under another signature."""
    payload = common.Envelope.FromString(envelope).payload
    return encoding.encoded(common.Envelope(payload=payload, signature=signature))
