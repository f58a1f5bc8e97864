"""A client that knows nothing of ours: the official protos, gRPC, and a certificate.

It is the proof that a served ledger speaks Fabric's protocol and not a dialect of it. Nothing of `chaincode`
may be imported here, not even for the server, which is a fixture's business.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from fabric_protos.common import common_pb2, ledger_pb2
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from fabric_protos.msp import identities_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import chaincode_pb2, events_pb2_grpc, proposal_pb2, transaction_pb2
from google.protobuf.timestamp_pb2 import Timestamp

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
CHANNEL = "chainfaas"


class Stranger:
    """Sixty lines of Gateway client."""

    def __init__(self, host: str, roots: bytes, msp_id: str, certificate: str, key: Any) -> None:
        self._key = key
        self.creator = identities_pb2.SerializedIdentity(
            mspid=msp_id, id_bytes=certificate.encode()
        ).SerializeToString()
        self.channel = grpc.secure_channel(host, grpc.ssl_channel_credentials(roots))
        self.gateway = gateway_pb2_grpc.GatewayStub(self.channel)
        self.deliver = events_pb2_grpc.DeliverStub(self.channel)

    def sign(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256())))
        return encode_dss_signature(r, min(s, ORDER - s))

    def propose(self, chaincode: str, *args: bytes) -> tuple[str, Any]:
        nonce = os.urandom(24)
        tx_id = hashlib.sha256(nonce + self.creator).hexdigest()
        name = chaincode_pb2.ChaincodeID(name=chaincode)
        header = self.header(
            common_pb2.ENDORSER_TRANSACTION,
            nonce,
            tx_id=tx_id,
            extension=proposal_pb2.ChaincodeHeaderExtension(chaincode_id=name).SerializeToString(),
        )
        spec = chaincode_pb2.ChaincodeSpec(
            type=chaincode_pb2.ChaincodeSpec.NODE,
            chaincode_id=name,
            input=chaincode_pb2.ChaincodeInput(args=args),
        )
        invocation = chaincode_pb2.ChaincodeInvocationSpec(chaincode_spec=spec).SerializeToString()
        payload = proposal_pb2.ChaincodeProposalPayload(input=invocation).SerializeToString()
        proposal = proposal_pb2.Proposal(header=header.SerializeToString(), payload=payload)
        data = proposal.SerializeToString()
        return tx_id, proposal_pb2.SignedProposal(proposal_bytes=data, signature=self.sign(data))

    def header(self, kind: int, nonce: bytes, **fields: Any) -> Any:
        now = Timestamp()
        now.GetCurrentTime()
        channel = common_pb2.ChannelHeader(type=kind, channel_id=CHANNEL, timestamp=now, **fields)
        signature = common_pb2.SignatureHeader(creator=self.creator, nonce=nonce)
        return common_pb2.Header(
            channel_header=channel.SerializeToString(), signature_header=signature.SerializeToString()
        )

    def evaluate(self, chaincode: str, *args: bytes) -> bytes:
        tx_id, signed = self.propose(chaincode, *args)
        request = gateway_pb2.EvaluateRequest(
            transaction_id=tx_id, channel_id=CHANNEL, proposed_transaction=signed
        )
        return bytes(self.gateway.Evaluate(request, timeout=10).result.payload)

    def endorse(self, chaincode: str, *args: bytes) -> tuple[str, Any]:
        tx_id, signed = self.propose(chaincode, *args)
        request = gateway_pb2.EndorseRequest(
            transaction_id=tx_id, channel_id=CHANNEL, proposed_transaction=signed
        )
        prepared = self.gateway.Endorse(request, timeout=10).prepared_transaction
        prepared.signature = self.sign(prepared.payload)
        return tx_id, prepared

    def submit(self, tx_id: str, prepared: Any) -> Any:
        request = gateway_pb2.SubmitRequest(
            transaction_id=tx_id, channel_id=CHANNEL, prepared_transaction=prepared
        )
        self.gateway.Submit(request, timeout=10)
        asked = gateway_pb2.CommitStatusRequest(
            transaction_id=tx_id, channel_id=CHANNEL, identity=self.creator
        ).SerializeToString()
        signed = gateway_pb2.SignedCommitStatusRequest(request=asked, signature=self.sign(asked))
        return self.gateway.CommitStatus(signed, timeout=10)

    def blocks(self, first: int, last: int) -> list[Any]:
        def position(number: int) -> Any:
            return ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=number))

        info = ab_pb2.SeekInfo(start=position(first), stop=position(last))
        header = self.header(common_pb2.DELIVER_SEEK_INFO, os.urandom(24))
        payload = common_pb2.Payload(header=header, data=info.SerializeToString()).SerializeToString()
        envelope = common_pb2.Envelope(payload=payload, signature=self.sign(payload))
        answers = list(self.deliver.Deliver(iter([envelope]), timeout=10))
        assert answers[-1].status == common_pb2.SUCCESS
        return [answer.block for answer in answers[:-1]]


@pytest.fixture
def stranger(wire: Any, platform: Any, tmp_path: Path) -> Iterator[Stranger]:
    """With the rights of a controller, which is what its certificate says."""
    identity = platform.enrol("stranger", chainfaas_role="controller")
    roots = (tmp_path / "tls.pem").read_bytes()
    made = Stranger(wire.host, roots, identity.msp_id, identity.certificate, identity.key)
    with made.channel:
        yield made


@pytest.fixture
def deposit() -> Callable[[str], tuple[str, bytes, bytes]]:
    def spelled(op: str) -> tuple[str, bytes, bytes]:
        return "monetary", b"deposit", json.dumps({"op": op, "account": "dora", "amount": 5}).encode()

    return spelled


BALANCE = ("monetary", b"balance", b'{"account": "dora"}')


def test_evaluates_and_submits(stranger: Stranger, deposit: Any) -> None:
    status = stranger.submit(*stranger.endorse(*deposit("a")))

    assert status.result == transaction_pb2.VALID
    assert json.loads(stranger.evaluate(*BALANCE))["free"] == 5


def test_learns_of_a_conflict_by_its_code(stranger: Stranger, deposit: Any) -> None:
    fast, slow = stranger.endorse(*deposit("fast")), stranger.endorse(*deposit("slow"))

    assert stranger.submit(*fast).result == transaction_pb2.VALID
    assert stranger.submit(*slow).result == transaction_pb2.MVCC_READ_CONFLICT


def test_same_envelope_again_counts_once(stranger: Stranger, deposit: Any) -> None:
    endorsed = stranger.endorse(*deposit("a"))

    first, again = stranger.submit(*endorsed), stranger.submit(*endorsed)

    assert (again.result, again.block_number) == (first.result, first.block_number)
    assert json.loads(stranger.evaluate(*BALANCE))["free"] == 5


def test_contracts_no_comes_as_fabric_puts_it(stranger: Stranger) -> None:
    bad = ("monetary", b"deposit", b'{"op": "x", "account": "dora", "amount": -1}')

    with pytest.raises(grpc.RpcError) as evaluated:
        stranger.evaluate(*bad)
    with pytest.raises(grpc.RpcError) as endorsed:
        stranger.endorse(*bad)

    assert evaluated.value.code() == grpc.StatusCode.UNKNOWN
    assert "chaincode response 400" in evaluated.value.details()
    assert endorsed.value.code() == grpc.StatusCode.ABORTED
    [packed] = [
        value for key, value in endorsed.value.trailing_metadata() if key == "grpc-status-details-bin"
    ]
    assert b"chaincode response 400" in packed
    assert b"type.googleapis.com/gateway.ErrorDetail" in packed


def test_asks_the_peers_own_chaincode_for_the_chain(stranger: Stranger, deposit: Any) -> None:
    tx_id, prepared = stranger.endorse(*deposit("a"))
    number = stranger.submit(tx_id, prepared).block_number

    info = ledger_pb2.BlockchainInfo.FromString(stranger.evaluate("qscc", b"GetChainInfo", CHANNEL.encode()))
    found = transaction_pb2.ProcessedTransaction.FromString(
        stranger.evaluate("qscc", b"GetTransactionByID", CHANNEL.encode(), tx_id.encode())
    )

    assert info.height == number + 1
    assert found.validationCode == transaction_pb2.VALID
    assert found.transactionEnvelope == prepared
    with pytest.raises(grpc.RpcError, match="no such transaction ID"):
        stranger.evaluate("qscc", b"GetTransactionByID", CHANNEL.encode(), b"0" * 64)


def test_reads_the_chain_and_follows_its_hashes(stranger: Stranger, deposit: Any) -> None:
    stranger.submit(*stranger.endorse(*deposit("a")))

    blocks = stranger.blocks(0, 2)

    assert [block.header.number for block in blocks] == [0, 1, 2]
    assert blocks[0].header.previous_hash == b""
    for block in blocks:
        assert block.header.data_hash == hashlib.sha256(b"".join(block.data.data)).digest()
    for before, after in itertools.pairwise(blocks):
        assert after.header.previous_hash == hashlib.sha256(der(before.header)).digest()
    assert list(blocks[2].metadata.metadata[common_pb2.TRANSACTIONS_FILTER]) == [transaction_pb2.VALID]


def test_is_told_events(stranger: Stranger, deposit: Any) -> None:
    tx_id, prepared = stranger.endorse(*deposit("a"))
    stranger.submit(tx_id, prepared)
    start = ab_pb2.SeekPosition(oldest=ab_pb2.SeekOldest())
    asked = gateway_pb2.ChaincodeEventsRequest(
        channel_id=CHANNEL, chaincode_id="monetary", identity=stranger.creator, start_position=start
    ).SerializeToString()
    signed = gateway_pb2.SignedChaincodeEventsRequest(request=asked, signature=stranger.sign(asked))

    told = next(stranger.gateway.ChaincodeEvents(signed, timeout=10))

    assert [(event.event_name, event.tx_id) for event in told.events] == [("deposit", tx_id)]


def der(header: Any) -> bytes:
    """Of the short headers here: every length and the number fit one byte."""
    parts = ((2, bytes([header.number])), (4, header.previous_hash), (4, header.data_hash))
    body = b"".join(bytes([tag, len(value)]) + value for tag, value in parts)
    return bytes([0x30, len(body)]) + body
