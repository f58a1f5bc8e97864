"""A peer by hand: it says to a chaincode server what a test tells it to, in whatever order."""

from __future__ import annotations

import queue
from typing import Any

import grpc
from fabric_protos.peer import chaincode_pb2 as chaincodes
from fabric_protos.peer import chaincode_shim_pb2 as shim
from fabric_protos.peer import proposal_pb2 as peer
from fabric_protos.peer.proposal_response_pb2 import Response

from chaincode import canonical
from chaincode.fabric import proposals
from chaincode.fabric.encoding import encoded
from chaincode.identity import Identity
from chaincode.ledgers import calls
from chaincode.stream import KIND, MESSAGE_BYTES
from tests.contracts.world import CHANNEL

PATIENCE_S = 15
"""No stream of a test lasts longer."""


class Peer:
    def __init__(self, address: str, caller: Identity, *, register: bool = True) -> None:
        self._caller = caller
        self._outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._channel = grpc.insecure_channel(address, [("grpc.max_receive_message_length", MESSAGE_BYTES)])
        # Bytes go out as they are, so that they need not be a message.
        connect = self._channel.stream_stream(
            "/protos.Chaincode/Connect", response_deserializer=shim.ChaincodeMessage.FromString
        )
        self._incoming = connect(iter(self._outgoing.get, None), timeout=PATIENCE_S)
        if register:
            assert self.hear().type == KIND.REGISTER
            self.say(KIND.REGISTERED)
            self.say(KIND.READY)

    def say(self, kind: int, payload: bytes = b"", tx_id: str = "", **fields: Any) -> None:
        fields.setdefault("channel_id", CHANNEL if tx_id else "")
        self.send(encoded(shim.ChaincodeMessage(type=kind, payload=payload, txid=tx_id, **fields)))

    def send(self, data: bytes) -> None:
        self._outgoing.put(data)

    def hear(self) -> Any:
        return next(self._incoming)

    def begin(self, *arguments: bytes, contract: str = "monitoring", **transient: bytes) -> str:
        """Start a transaction whose proposal names this contract; its id."""
        invocation = calls.invocation(CHANNEL, contract, arguments, by=self._caller)
        proposal = peer.Proposal.FromString(proposals.build(invocation))
        payload = peer.ChaincodeProposalPayload.FromString(proposal.payload)
        payload.TransientMap.update(transient)
        proposal.payload = encoded(payload)
        self.repeat(invocation.tx_id, encoded(proposal), arguments)
        return invocation.tx_id

    def repeat(self, tx_id: str, proposal: bytes, arguments: tuple[bytes, ...] = ()) -> None:
        call = encoded(chaincodes.ChaincodeInput(args=arguments))
        signed = peer.SignedProposal(proposal_bytes=proposal, signature=self._caller.sign(proposal))
        self.say(KIND.TRANSACTION, call, tx_id, proposal=signed)

    def answer(self, tx_id: str, payload: bytes = b"") -> Any:
        """Hear what the chaincode asks for, and answer it."""
        asked = self.hear()
        assert asked.txid == tx_id
        self.say(KIND.RESPONSE, payload, tx_id)
        return asked

    def answer_error(self, why: bytes = b"the disk is gone") -> Any:
        asked = self.hear()
        self.say(KIND.ERROR, why, asked.txid)
        return asked

    def result(self, tx_id: str) -> Any:
        """What the transaction came to, in JSON."""
        last = self.hear()
        assert (last.type, last.txid, last.channel_id) == (KIND.COMPLETED, tx_id, CHANNEL), last
        response = Response.FromString(last.payload)
        assert response.status == 200, response
        return canonical.parse(response.payload)

    def failure(self, tx_id: str) -> str:
        last = self.hear()
        assert (last.type, last.txid) == (KIND.ERROR, tx_id), last
        return str(last.payload.decode())

    def end(self) -> grpc.StatusCode:
        """How the stream ends, whatever still comes before. DEADLINE_EXCEEDED means that it hung."""
        try:
            for _ in self._incoming:
                pass
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    def close(self) -> None:
        self._outgoing.put(None)
        self._channel.close()
