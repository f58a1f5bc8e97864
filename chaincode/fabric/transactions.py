"""An endorsed call: what it answered, read and wrote, who endorsed that, and its creator's signature.

The formats are those of peer/proposal_response.proto and peer/transaction.proto; a transaction travels and
is stored as a signed `common.Envelope`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fabric_protos.common import common_pb2 as common
from fabric_protos.peer import chaincode_event_pb2 as events
from fabric_protos.peer import chaincode_pb2 as chaincodes
from fabric_protos.peer import proposal_pb2 as peer
from fabric_protos.peer import proposal_response_pb2 as answers
from fabric_protos.peer import transaction_pb2 as endorsed

from chaincode import canonical
from chaincode.blocks import VALID, Creator, Transaction
from chaincode.errors import Refused
from chaincode.fabric import encoding, proposals, responses, rwsets
from chaincode.fabric.encoding import encoded
from chaincode.fabric.proposals import Invocation

if TYPE_CHECKING:
    from chaincode.identity import Identity

CODES = endorsed.TxValidationCode
"""Why a transaction counts or not: VALID 0, MVCC_READ_CONFLICT 11, PHANTOM_READ_CONFLICT 12, …"""


# What an endorser makes.


def answer(
    proposal: bytes,
    result: bytes,
    *,
    read_set: rwsets.ReadSet,
    write_set: rwsets.WriteSet,
    event: dict[str, Any] | None = None,
) -> bytes:
    """`protos.ProposalResponsePayload`: what the call did, for endorsers to sign. `result` is JSON."""
    found = encoding.message(peer.Proposal, proposal)
    header = encoding.message(common.Header, found.header)
    call = proposals.invocation_of(header, found.payload)
    action = peer.ChaincodeAction(
        results=rwsets.build(read_set, write_set),
        events=_event(call, event),
        response=responses.success(result),
        chaincode_id=chaincodes.ChaincodeID(name=call.contract),
    )
    digest = proposals.digest(header, found.payload)
    return encoded(answers.ProposalResponsePayload(proposal_hash=digest, extension=encoded(action)))


def endorse(payload: bytes, endorser: Identity) -> Any:
    """`protos.Endorsement`: the signature is over the payload and the endorser's own identity."""
    serialized = encoding.identity(Creator(endorser.msp_id, endorser.certificate))
    return answers.Endorsement(endorser=serialized, signature=endorser.sign(payload + serialized))


def prepare(proposal: bytes, payload: bytes, endorsements: Sequence[Any]) -> bytes:
    """`common.Payload` of the transaction, for its creator to sign (protoutil, CreateTx)."""
    found = encoding.message(peer.Proposal, proposal)
    header = encoding.message(common.Header, found.header)
    action = endorsed.ChaincodeActionPayload(
        chaincode_proposal_payload=proposals.without_transient(found.payload),
        action=endorsed.ChaincodeEndorsedAction(proposal_response_payload=payload, endorsements=endorsements),
    )
    actions = [endorsed.TransactionAction(header=header.signature_header, payload=encoded(action))]
    return encoded(common.Payload(header=header, data=encoded(endorsed.Transaction(actions=actions))))


def sign(payload: bytes, creator: Identity) -> bytes:
    """`common.Envelope`, ready to submit."""
    return encoded(common.Envelope(payload=payload, signature=creator.sign(payload)))


# What is read.


@dataclass(frozen=True)
class Endorsement:
    endorser: Creator
    signature: bytes
    message: bytes  #: that the signature is over


@dataclass(frozen=True)
class Endorsed:
    """The contents of an envelope. All of it fits together; signatures are checked by who asks for it."""

    payload: bytes
    signature: bytes  #: the creator's; b"" before it signed
    invocation: Invocation
    endorsements: tuple[Endorsement, ...]
    read_set: dict[str, Any]
    write_set: list[list[Any]]
    event: dict[str, Any] | None
    result: Any

    def check_creator(self) -> None:
        """Raises Refused unless the creator's own key signed it."""
        proposals.check_signature(self.invocation.creator, self.payload, self.signature)

    def check_endorsements(self) -> None:
        """Raises Refused unless there is an endorsement and each is signed by whom it names."""
        if not self.endorsements:
            raise Refused("nobody has endorsed this transaction")
        for found in self.endorsements:
            proposals.check_signature(found.endorser, found.message, found.signature)

    def transaction(self, code: int = CODES.VALID) -> Transaction:
        """As people and programs see it."""
        shown = self.invocation.shown()
        return Transaction(
            id=self.invocation.tx_id,
            signature=base64.b64encode(self.signature).decode("ascii"),
            read_set=self.read_set,
            write_set=self.write_set,
            event=self.event,
            result=self.result,
            validation_code=code_name(code),
            **vars(shown),
        )


@encoding.reader("a transaction's envelope")
def parse(envelope: bytes) -> Endorsed:
    """Raises Refused unless it is one whole endorsed call, and what was endorsed belongs to this call."""
    found = encoding.message(common.Envelope, envelope)
    payload = encoding.message(common.Payload, found.payload)
    [action] = encoding.message(endorsed.Transaction, payload.data).actions
    body = encoding.message(endorsed.ChaincodeActionPayload, action.payload)
    response = encoding.message(answers.ProposalResponsePayload, body.action.proposal_response_payload)
    if action.header != payload.header.signature_header:
        raise Refused("the transaction's two headers differ")
    if response.proposal_hash != proposals.digest(payload.header, body.chaincode_proposal_payload):
        raise Refused("another proposal was endorsed")
    invocation = proposals.invocation_of(payload.header, body.chaincode_proposal_payload)
    acted = encoding.message(peer.ChaincodeAction, response.extension)
    read_set, write_set = rwsets.parse(acted.results)
    return Endorsed(
        payload=found.payload,
        signature=found.signature,
        invocation=invocation,
        endorsements=tuple(_endorsements(body.action)),
        read_set=read_set,
        write_set=write_set,
        event=_shown_event(acted.events),
        result=_result(acted.response.payload),
    )


def check_prepared(proposal: bytes, envelope: bytes) -> Endorsed:
    """What a gateway gives to be signed, which has to be the transaction of this very proposal: who signs
    whatever it is given can be made to sign anything. Raises Refused."""
    prepared, asked = parse(envelope), encoding.message(peer.Proposal, proposal)
    header = encoding.message(common.Header, asked.header)
    found = encoding.message(common.Payload, prepared.payload).header
    if (found.channel_header, found.signature_header) != (header.channel_header, header.signature_header):
        raise Refused("the gateway answered with another transaction than the one that was proposed")
    if prepared.invocation != proposals.parse(proposal):
        raise Refused("the gateway changed what was called")
    prepared.check_endorsements()
    return prepared


def code_name(code: int) -> str:
    """ "VALID", or Fabric's own name of why it does not count."""
    return str(CODES.Name(code)) if code in CODES.values() else f"CODE_{code}"


def code_of(name: str) -> int:
    return int(CODES.Value(name))


def is_valid(transaction: Transaction) -> bool:
    return transaction.validation_code == VALID


def _endorsements(action: Any) -> Iterable[Endorsement]:
    for found in action.endorsements:
        message = action.proposal_response_payload + found.endorser
        yield Endorsement(encoding.creator(found.endorser), found.signature, message)


def _event(call: Invocation, event: dict[str, Any] | None) -> bytes:
    if event is None:
        return b""
    named = events.ChaincodeEvent(chaincode_id=call.contract, tx_id=call.tx_id, event_name=event["name"])
    named.payload = canonical.data(event["payload"])
    return encoded(named)


def _shown_event(data: bytes) -> dict[str, Any] | None:
    if not data:
        return None
    found = encoding.message(events.ChaincodeEvent, data)
    return {"name": found.event_name, "payload": _result(found.payload)}


def _result(payload: bytes) -> Any:
    """JSON, as our contracts answer. Another chaincode's bytes are shown as text."""
    try:
        return canonical.parse(payload) if payload else None
    except ValueError:
        return payload.decode("utf-8", "replace")
