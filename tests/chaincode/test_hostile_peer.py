"""Whatever a peer sends: an answer that is an error, or the end of its stream, and never silence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import pytest
from fabric_protos.peer.proposal_response_pb2 import Response

from chaincode.fabric import proposals
from chaincode.identity import Identity
from chaincode.ledgers import calls
from chaincode.shim import Run
from chaincode.stream import KIND, MESSAGE_BYTES
from chaincode.stub import Stub
from tests.chaincode.conftest import Meet
from tests.chaincode.peer import Peer
from tests.contracts.world import CHANNEL


def get(stub: Stub, contract: str, arguments: Sequence[bytes]) -> bytes:
    return (stub.get("k") or "null").encode()


@pytest.fixture
def unharmed(serve: Callable[[Run | None], str], dora: Identity) -> Callable[[], None]:
    """Says whether another peer of the same server is still served."""
    address = serve(get)

    def check() -> None:
        peer = Peer(address, dora)
        tx_id = peer.begin()
        peer.answer(tx_id, b"1")
        assert peer.result(tx_id) == 1
        peer.close()

    check.address = address  # type: ignore[attr-defined]
    return check


@pytest.fixture
def peer(unharmed: Callable[[], None], dora: Identity) -> Peer:
    address: str = unharmed.address  # type: ignore[attr-defined]
    return Peer(address, dora)


class TestGarbage:
    @pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\x08\x63", b"", b"hello"])
    def test_what_is_no_message_ends_the_stream(
        self, peer: Peer, data: bytes, unharmed: Callable[[], None]
    ) -> None:
        peer.send(data)

        assert peer.end().name in ("INTERNAL", "FAILED_PRECONDITION")
        unharmed()

    @pytest.mark.parametrize("kind", ["REGISTER", "REGISTERED", "READY", "COMPLETED", "GET_STATE"])
    def test_what_no_peer_says_ends_the_stream(
        self, peer: Peer, kind: str, unharmed: Callable[[], None]
    ) -> None:
        tx_id = peer.begin()
        peer.say(KIND.Value(kind), b"", tx_id)

        assert peer.end().name == "FAILED_PRECONDITION"
        unharmed()

    @pytest.mark.parametrize("proposal", [b"", b"\xff\xff", b"hello"])
    def test_transaction_without_a_proposal_is_answered(self, peer: Peer, proposal: bytes) -> None:
        peer.repeat("a" * 64, proposal)

        assert "is not" in peer.failure("a" * 64)

    def test_transaction_with_nothing_at_all_is_answered(self, peer: Peer) -> None:
        peer.say(KIND.TRANSACTION)

        assert peer.failure("")

    def test_proposal_of_another_transaction_is_answered(self, peer: Peer, dora: Identity) -> None:
        invocation = calls.invocation(CHANNEL, "monitoring", (), by=dora)
        peer.repeat("a" * 64, proposals.build(invocation))

        assert peer.failure("a" * 64) == "the signed proposal is of another transaction"

    def test_arguments_that_are_none_are_answered(self, meet: Meet) -> None:
        peer = meet()

        for arguments in ((), (b"read",), (b"read", b"\xff"), (b"\xff", b"{}"), (b"read", b"[" * 100_000)):
            tx_id = peer.begin(*arguments)
            last = peer.hear()
            assert last.txid == tx_id
            assert "BAD_ARGUMENT" in Response.FromString(last.payload).message

    def test_init_is_answered(self, peer: Peer) -> None:
        peer.say(KIND.INIT, b"", "a" * 64)

        assert "no Init" in peer.failure("a" * 64)

    def test_message_that_is_too_large_ends_the_stream(
        self, monkeypatch: pytest.MonkeyPatch, meet: Meet
    ) -> None:
        monkeypatch.setattr("chaincode.server.MESSAGE_BYTES", 10_000)
        peer = meet(get)

        tx_id = peer.begin()
        peer.hear()
        peer.say(KIND.RESPONSE, b"1" * 20_000, tx_id)

        assert peer.end().name == "RESOURCE_EXHAUSTED"

    def test_large_message_is_none_that_is_too_large(self, peer: Peer) -> None:
        tx_id = peer.begin()
        peer.answer(tx_id, b'"' + b"1" * (MESSAGE_BYTES // 10) + b'"')

        assert len(peer.result(tx_id)) == MESSAGE_BYTES // 10


class TestOrder:
    def test_transaction_before_the_registration_ends_the_stream(self, meet: Meet) -> None:
        peer = meet(get, register=False)
        peer.begin()

        assert peer.end().name == "FAILED_PRECONDITION"

    def test_ready_before_registered_ends_the_stream(self, meet: Meet) -> None:
        peer = meet(get, register=False)
        peer.say(KIND.READY)

        assert peer.end().name == "FAILED_PRECONDITION"

    def test_peer_that_says_nothing_is_sent_away(self, monkeypatch: pytest.MonkeyPatch, meet: Meet) -> None:
        monkeypatch.setattr("chaincode.server.PATIENCE_S", 0.1)
        peer = meet(get, register=False)

        assert peer.end().name == "FAILED_PRECONDITION"

    @pytest.mark.parametrize("answers", [1, 2])
    def test_answer_before_its_question_is_no_questions(self, meet: Meet, answers: int) -> None:
        go_on = threading.Event()

        def ask(stub: Stub, contract: str, arguments: Sequence[bytes]) -> bytes:
            found = [stub.get("a") for _ in range(answers - 1)]
            go_on.wait(5)
            return f"{found} {stub.get('b')}".encode()

        peer = meet(ask)
        tx_id = peer.begin()
        peer.say(KIND.KEEPALIVE)
        heard = {peer.hear().type for _ in range(answers)}
        for _ in range(answers):
            peer.say(KIND.RESPONSE, b"1", tx_id)
        status = peer.end()
        go_on.set()

        assert KIND.KEEPALIVE in heard  # so that the transaction is known
        assert status.name == "FAILED_PRECONDITION"

    @pytest.mark.parametrize("kind", [KIND.RESPONSE, KIND.ERROR])
    def test_answer_for_nobody_changes_nothing(self, peer: Peer, kind: int) -> None:
        tx_id = peer.begin()
        peer.say(kind, b"2", "f" * 64)
        peer.say(kind, b"2", tx_id, channel_id="another")
        peer.say(kind, b"2")
        peer.answer(tx_id, b"1")

        assert peer.result(tx_id) == 1

    def test_transaction_that_is_under_way_cannot_begin_again(self, peer: Peer, dora: Identity) -> None:
        invocation = calls.invocation(CHANNEL, "monitoring", (), by=dora)
        for _ in range(2):
            peer.repeat(invocation.tx_id, proposals.build(invocation))
        kinds = {peer.hear().type, peer.hear().type}
        peer.say(KIND.RESPONSE, b"1", invocation.tx_id)

        assert kinds == {KIND.GET_STATE, KIND.ERROR}
        assert peer.result(invocation.tx_id) == 1

    def test_transaction_that_is_over_may_begin_again(self, peer: Peer, dora: Identity) -> None:
        invocation = calls.invocation(CHANNEL, "monitoring", (), by=dora)
        for _ in range(100):
            peer.repeat(invocation.tx_id, proposals.build(invocation))
            peer.answer(invocation.tx_id, b"1")
            assert peer.result(invocation.tx_id) == 1

    def test_keepalive_is_answered(self, peer: Peer) -> None:
        peer.say(KIND.KEEPALIVE)

        assert peer.hear().type == KIND.KEEPALIVE


class TestSilence:
    def test_peer_that_does_not_answer_hears_that_it_took_too_long(
        self, monkeypatch: pytest.MonkeyPatch, peer: Peer
    ) -> None:
        monkeypatch.setattr("chaincode.shim.ANSWER_S", 0.1)

        tx_id = peer.begin()
        peer.hear()

        assert "timeout expired" in peer.failure(tx_id)
        peer.say(KIND.RESPONSE, b"1", tx_id)  # too late for anybody
        tx_id = peer.begin()
        peer.answer(tx_id, b"2")
        assert peer.result(tx_id) == 2

    def test_silent_peer_keeps_nobody_waiting(self, peer: Peer, unharmed: Callable[[], None]) -> None:
        for _ in range(100):
            peer.begin()

        unharmed()

    def test_peer_with_too_many_transactions_is_told(
        self, monkeypatch: pytest.MonkeyPatch, peer: Peer
    ) -> None:
        monkeypatch.setattr("chaincode.stream.MOST_TALKS", 2)
        tx_ids = [peer.begin() for _ in range(3)]
        heard = {message.txid: message.type for message in (peer.hear() for _ in range(3))}

        assert [heard[tx_id] for tx_id in tx_ids] == [KIND.GET_STATE, KIND.GET_STATE, KIND.ERROR]

    def test_peer_that_does_not_read_is_sent_away(
        self, monkeypatch: pytest.MonkeyPatch, peer: Peer, unharmed: Callable[[], None]
    ) -> None:
        monkeypatch.setattr("chaincode.stream.LONGEST_QUEUE", 100)
        tx_ids = [peer.begin() for _ in range(200)]
        for tx_id in tx_ids:
            peer.say(KIND.ERROR, b"e" * 1_000_000, tx_id)  # comes back as the transaction's end

        unharmed()
        assert peer.end().name == "FAILED_PRECONDITION"

    def test_peer_that_is_gone_leaves_no_transaction_behind(self, peer: Peer) -> None:
        before = _transactions()
        for _ in range(10):
            peer.begin()
        for _ in range(10):
            peer.hear()
        assert _transactions() > before

        peer.close()

        deadline = time.monotonic() + 5
        while _transactions() > before and time.monotonic() < deadline:
            time.sleep(0.02)
        assert _transactions() <= before


def _transactions() -> int:
    return sum(thread.name.startswith("transaction") for thread in threading.enumerate())
