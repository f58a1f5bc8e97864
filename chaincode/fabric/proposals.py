"""A call, as its caller proposes it: `protos.Proposal` and `protos.SignedProposal` (peer/proposal.proto).

The transaction's id is SHA-256 over the nonce and the serialized creator
(fabric/protoutil/proputils.go, ComputeTxID).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fabric_protos.common import common_pb2 as common
from fabric_protos.peer import chaincode_pb2 as chaincodes
from fabric_protos.peer import proposal_pb2 as peer

from chaincode import canonical, certificates, signatures
from chaincode.blocks import Creator, Proposal
from chaincode.errors import Code, ContractError, Refused
from chaincode.fabric import encoding
from chaincode.fabric.encoding import encoded

if TYPE_CHECKING:
    from chaincode.identity import Identity


@dataclass(frozen=True)
class Invocation:
    """A chaincode and the arguments of one call, as they travel."""

    channel: str
    contract: str
    args: tuple[bytes, ...]
    nonce: bytes
    time: str  #: the caller's clock, ISO 8601 UTC
    creator: Creator

    @classmethod
    def of(cls, call: Proposal) -> Invocation:
        """A call of our contracts: the function's name and one canonical document."""
        args = (call.function.encode(), canonical.data(call.document))
        nonce = bytes.fromhex(call.nonce)
        return cls(call.channel, call.contract, args, nonce, call.time, call.creator)

    @property
    def tx_id(self) -> str:
        return transaction_id(self.nonce, encoding.identity(self.creator))

    def call(self) -> Proposal:
        """Read as a call of our contracts. Raises ContractError, as a contract would, if it is none."""
        try:
            function, text = self.args
            document = canonical.parse(text)
            if not isinstance(document, dict):
                raise TypeError("the document is not an object")
            return self._proposal(function.decode(), document)
        except (ValueError, TypeError, RecursionError) as error:
            raise ContractError(
                Code.BAD_ARGUMENT, "a call is a function's name and one JSON object"
            ) from error

    def shown(self) -> Proposal:
        """For people: also a call that is none of our contracts', with its arguments as they are."""
        try:
            return self.call()
        except ContractError:
            function, *rest = [arg.decode("utf-8", "replace") for arg in self.args] or [""]
            return self._proposal(function, {"args": rest})

    def _proposal(self, function: str, document: dict[str, Any]) -> Proposal:
        return Proposal(
            self.channel, self.contract, function, document, self.nonce.hex(), self.time, self.creator
        )


def transaction_id(nonce: bytes, creator: bytes) -> str:
    return hashlib.sha256(nonce + creator).hexdigest()


def build(invocation: Invocation) -> bytes:
    """`protos.Proposal`, to be signed as it is."""
    creator = encoding.identity(invocation.creator)
    name = chaincodes.ChaincodeID(name=invocation.contract)
    channel_header = common.ChannelHeader(
        type=common.ENDORSER_TRANSACTION,
        timestamp=encoding.timestamp(invocation.time),
        channel_id=invocation.channel,
        tx_id=transaction_id(invocation.nonce, creator),
        extension=encoded(peer.ChaincodeHeaderExtension(chaincode_id=name)),
    )
    header = common.Header(
        channel_header=encoded(channel_header),
        signature_header=encoded(common.SignatureHeader(creator=creator, nonce=invocation.nonce)),
    )
    spec = chaincodes.ChaincodeSpec(chaincode_id=name, input=chaincodes.ChaincodeInput(args=invocation.args))
    payload = peer.ChaincodeProposalPayload(
        input=encoded(chaincodes.ChaincodeInvocationSpec(chaincode_spec=spec))
    )
    return encoded(peer.Proposal(header=encoded(header), payload=encoded(payload)))


def sign(proposal: bytes, identity: Identity) -> Any:
    """`protos.SignedProposal`."""
    return peer.SignedProposal(proposal_bytes=proposal, signature=identity.sign(proposal))


@encoding.reader("a proposal")
def parse(proposal: bytes) -> Invocation:
    """The call that it asks for. Its id, type and name have been checked; who signed it has not."""
    found = encoding.message(peer.Proposal, proposal)
    return invocation_of(encoding.message(common.Header, found.header), found.payload)


@encoding.reader("a call of a chaincode")
def invocation_of(header: Any, payload: bytes) -> Invocation:
    """From a `common.Header` and the `protos.ChaincodeProposalPayload` beside it, in proposals and in
    transactions."""
    channel = encoding.message(common.ChannelHeader, header.channel_header)
    signed = encoding.message(common.SignatureHeader, header.signature_header)
    proposed = encoding.message(peer.ChaincodeProposalPayload, payload)
    spec = encoding.message(chaincodes.ChaincodeInvocationSpec, proposed.input).chaincode_spec
    extension = encoding.message(peer.ChaincodeHeaderExtension, channel.extension)
    if channel.type != common.ENDORSER_TRANSACTION or channel.epoch:
        raise Refused("the header is not of a chaincode's call")
    if channel.tx_id != transaction_id(signed.nonce, signed.creator) or not signed.nonce:
        raise Refused("the transaction's id does not follow from its nonce and creator")
    if not spec.chaincode_id.name or extension.chaincode_id.name != spec.chaincode_id.name:
        raise Refused("the header and the call name different chaincodes")
    creator = encoding.creator(signed.creator)
    if encoding.identity(creator) != signed.creator:
        # Else one transaction's id could be told in two ways.
        raise Refused("the creator is not spelled canonically")
    return Invocation(
        channel.channel_id,
        spec.chaincode_id.name,
        tuple(spec.input.args),
        signed.nonce,
        encoding.iso(channel.timestamp),
        creator,
    )


@encoding.reader("a signed message")
def check_signature(creator: Creator, message: bytes, signature: bytes) -> None:
    """Raises Refused unless the key of this certificate signed it, with the low s. Whose certificate it is
    has to be asked elsewhere."""
    if not signatures.verify(certificates.public_key(creator.certificate), message, signature):
        raise Refused("the signature is not of the certificate's key")


def digest(header: Any, payload: bytes) -> bytes:
    """What an endorser signs about a proposal (fabric/protoutil, GetProposalHash1): its headers and payload,
    without the transient field."""
    visible = without_transient(payload)
    return hashlib.sha256(header.channel_header + header.signature_header + visible).digest()


def without_transient(payload: bytes) -> bytes:
    """The payload as it goes into a transaction (GetBytesProposalPayloadForTx)."""
    found = encoding.message(peer.ChaincodeProposalPayload, payload)
    return encoded(peer.ChaincodeProposalPayload(input=found.input))
