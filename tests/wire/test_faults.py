"""What a client does when the other side of the wire fails, at each place where it can."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from fabric_protos.common import common_pb2 as common
from fabric_protos.gateway import gateway_pb2 as gateway

from chaincode import client
from chaincode.blocks import Envelope
from chaincode.errors import (
    Code,
    Conflict,
    ContractError,
    Misbehaved,
    OutcomeUnknown,
    Refused,
    Unavailable,
)
from chaincode.fabric import transactions
from chaincode.identity import Identity
from chaincode.ledgers import calls
from chaincode.signatures import ORDER
from tests.contracts.authority import Authority
from tests.wire.conftest import Wire
from tests.wire.proxy import Proxy, after, before, failed, said, swallowed

numbers = itertools.count()


def deposit(**changes: Any) -> tuple[str, str, dict[str, Any]]:
    return "monetary", "deposit", {"op": f"op-{next(numbers)}", "account": "dora", "amount": 5, **changes}


def balance(wire: Wire) -> int:
    free: int = wire.controller.evaluate("monetary", "balance", {"account": "dora"})["free"]
    return free


def dead() -> str:
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"localhost:{taken.getsockname()[1]}"


class TestContractsNo:
    def test_is_never_tried_again(self, wire: Wire) -> None:
        for ask, method in ((wire.controller.evaluate, "Evaluate"), (wire.controller.endorse, "Endorse")):
            with pytest.raises(ContractError) as caught:
                ask(*deposit(amount=-1))

            assert (caught.value.code, caught.value.fault, caught.value.retry) == (
                Code.BAD_ARGUMENT,
                "caller",
                False,
            )
            assert wire.proxy.calls[method] == 1


class TestHostileGateway:
    def test_envelope_of_another_call_is_not_signed(self, wire: Wire, platform: Authority) -> None:
        other = wire.controller.endorse(*deposit(account="eve"))
        prepared = common.Envelope(payload=common.Envelope.FromString(other.data).payload)
        answer = gateway.EndorseResponse(prepared_transaction=prepared)
        wire.proxy.faults["Endorse"] = [said(answer.SerializeToString())]

        with pytest.raises(Misbehaved):
            wire.controller.transact(*deposit())

        assert wire.proxy.calls["Submit"] == 0

    @pytest.mark.parametrize("garbage", [b"", b"hello", b"\xff" * 100])
    def test_garbage_is_not_signed(self, wire: Wire, garbage: bytes) -> None:
        answer = gateway.EndorseResponse(prepared_transaction=common.Envelope(payload=garbage))
        wire.proxy.faults["Endorse"] = [said(answer.SerializeToString())]

        with pytest.raises(Misbehaved):
            wire.controller.endorse(*deposit())

    def test_changed_result_is_not_signed(self, wire: Wire) -> None:
        """The endorsement is over what the contract answered."""
        wire.proxy.faults["Endorse"] = [lambda request, on: on(request).replace(b'"free":5', b'"free":9')]

        with pytest.raises(Misbehaved):
            wire.controller.endorse(*deposit())

    @pytest.mark.parametrize("method", ["Evaluate", "Endorse"])
    def test_answer_that_is_no_message_is_a_ledgers_failure(self, wire: Wire, method: str) -> None:
        wire.proxy.always[method] = said(b"\xff\xff\xff")

        with pytest.raises(Misbehaved) as caught:
            getattr(wire.controller, method.lower())(*deposit())

        assert caught.value.fault == "platform"
        assert wire.proxy.calls[method] == 1

    def test_endorsers_that_disagree_are_a_conflict(self, wire: Wire) -> None:
        words = "failed to assemble transaction: ProposalResponsePayloads do not match (base64): x vs y"
        wire.proxy.faults["Endorse"] = [failed(grpc.StatusCode.ABORTED, words)]

        with pytest.raises(Conflict):
            wire.controller.endorse(*deposit())
        wire.proxy.faults["Endorse"] = [failed(grpc.StatusCode.ABORTED, words)]
        wire.controller.transact(*deposit())
        assert balance(wire) == 5

    def test_neighbours_of_a_dead_peer_are_waited_for(self, wire: Wire) -> None:
        words = "no combination of peers can be derived which satisfy the endorsement policy"
        wire.proxy.faults["Endorse"] = [failed(grpc.StatusCode.FAILED_PRECONDITION, words)] * 3

        wire.controller.transact(*deposit())

        assert wire.proxy.calls["Endorse"] == 4


class TestUnknownOutcome:
    @pytest.mark.parametrize("fault", [before, after, swallowed], ids=lambda fault: str(fault.__name__))
    def test_submit_that_fails_is_looked_up_and_repeated(self, wire: Wire, fault: Any) -> None:
        """Committed or not, the same envelope goes there again: one transaction, once."""
        envelope = wire.controller.endorse(*deposit())
        height = wire.controller.height()
        wire.proxy.faults["Submit"] = [fault]

        commit = wire.controller.submit(envelope)

        assert commit == wire.controller.status(envelope.tx_id)
        assert (balance(wire), wire.controller.height()) == (5, height + 1)
        assert wire.proxy.calls["Endorse"] == 1

    @pytest.mark.parametrize("fault", [before, after], ids=lambda fault: str(fault.__name__))
    def test_status_that_fails_is_looked_up(self, wire: Wire, fault: Any) -> None:
        wire.proxy.faults["CommitStatus"] = [fault]

        _, commit = wire.controller.transact(*deposit())

        assert commit == wire.controller.status(commit.tx_id)
        assert wire.proxy.calls["Submit"] == 1
        assert balance(wire) == 5

    def test_conflict_is_learned_when_looking_up(self, wire: Wire) -> None:
        fast, slow = (wire.controller.endorse(*deposit()) for _ in range(2))
        wire.controller.submit(fast)
        wire.proxy.faults["Submit"] = [after]

        with pytest.raises(Conflict):
            wire.controller.submit(slow)

    def test_what_stays_unknown_says_so_and_may_be_submitted_again(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chaincode.ledgers.gateway.ledger.SETTLE_S", 0.2)
        monkeypatch.setattr("chaincode.ledgers.gateway.connection.PATIENCE_S", 0.2)
        stored = wire.controller.endorse(*deposit()).dump()
        wire.proxy.always = {"Submit": after, "Evaluate": before}

        with pytest.raises(OutcomeUnknown) as caught:
            wire.controller.submit(Envelope.load(stored))
        wire.proxy.always = {}
        wire.controller.submit(Envelope.load(stored))

        assert (caught.value.fault, caught.value.retry) == ("platform", False)
        assert balance(wire) == 5

    def test_gateway_may_die_between_endorsing_and_submitting(self, wire: Wire, platform: Authority) -> None:
        envelope = wire.controller.endorse(*deposit())
        port = wire.proxy.port
        wire.proxy.stop()
        back: list[Proxy] = []
        returning = threading.Timer(1.0, lambda: back.append(Proxy(wire.server.address, platform, port)))
        returning.start()

        commit = wire.controller.submit(envelope)

        assert commit == wire.controller.status(envelope.tx_id)
        back[0].stop()


class TestFailover:
    def test_dead_address_is_passed_over(self, wire: Wire, platform: Authority) -> None:
        identity = platform.enrol("controller", chainfaas_role="controller")
        view = wire.connect(identity, dead(), wire.host)
        began = time.monotonic()

        view.transact(*deposit())

        assert view.evaluate("monetary", "balance", {"account": "dora"})["free"] == 5
        assert time.monotonic() - began < 3

    def test_address_that_dies_in_the_middle_is_left(self, wire: Wire, platform: Authority) -> None:
        identity = platform.enrol("controller", chainfaas_role="controller")
        view = wire.connect(identity, wire.proxy.host, wire.host)
        view.transact(*deposit())
        envelope = view.endorse(*deposit())
        wire.proxy.stop()

        view.submit(envelope)

        assert view.evaluate("monetary", "balance", {"account": "dora"})["free"] == 10
        assert len(view.blocks(0, 10)) == view.height()

    def test_where_nobody_listens_the_ledger_is_away(
        self, wire: Wire, platform: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chaincode.ledgers.gateway.connection.PATIENCE_S", 0.3)
        view = wire.connect(platform.enrol("controller"), dead())

        for ask in (view.height, lambda: view.blocks(0, 1), lambda: view.evaluate(*deposit())):
            with pytest.raises(Unavailable) as caught:
                ask()
            assert caught.value.retry

    def test_closed_ledger_is_away_at_once(self, wire: Wire) -> None:
        wire.controller.close()

        with pytest.raises(Unavailable):
            wire.controller.height()


class TestWhoIsThere:
    def test_server_of_another_root_is_not_spoken_to(
        self, wire: Wire, platform: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chaincode.ledgers.gateway.connection.PATIENCE_S", 0.3)
        root = tmp_path / "other.pem"
        root.write_text(Authority.make("PlatformMSP").pem)
        url = f"fabric://{wire.host}/chainfaas?tls_root={root}"

        with client.connect(url, platform.enrol("x")) as view, pytest.raises(Unavailable):
            view.height()

    def test_server_may_have_another_name(self, wire: Wire, platform: Authority, tmp_path: Path) -> None:
        url = f"fabric://{wire.server.address}/chainfaas?tls_root={tmp_path}/tls.pem&server_name=localhost"

        with client.connect(url, platform.enrol("x", chainfaas_role="peer")) as view:
            assert view.height() == 2

    @pytest.mark.parametrize("method", ["evaluate", "endorse"])
    def test_high_s_is_refused(self, wire: Wire, platform: Authority, method: str) -> None:
        view = wire.connect(high_s(platform.enrol("controller", chainfaas_role="controller")))

        with pytest.raises(Refused) as caught:
            getattr(view, method)(*deposit())

        assert (caught.value.fault, caught.value.retry) == ("caller", False)

    def test_envelope_with_high_s_is_refused(self, wire: Wire) -> None:
        envelope = wire.controller.endorse(*deposit())
        found = common.Envelope.FromString(envelope.data)
        found.signature = raised(found.signature)

        with pytest.raises(Refused):
            wire.controller.submit(Envelope(envelope.tx_id, None, found.SerializeToString()))
        assert wire.controller.status(envelope.tx_id) is None

    def test_envelope_that_nobody_endorsed_is_refused(self, wire: Wire, platform: Authority) -> None:
        """The controller cannot make up what the contract wrote."""
        identity = platform.enrol("controller", chainfaas_role="controller")
        call = calls.call("chainfaas", *deposit(), by=identity)
        forged = forge(call, identity)

        with pytest.raises(Refused):
            wire.controller.submit(Envelope(call.tx_id, None, forged))
        assert balance(wire) == 0

    def test_stranger_gets_no_blocks(self, wire: Wire) -> None:
        view = wire.connect(Authority.make("PlatformMSP").enrol("controller"))

        with pytest.raises(Refused):
            view.blocks(0, 1)
        with pytest.raises(Refused):
            view.height()


class TestLargeMessages:
    def test_large_document_is_refused_before_it_travels(self, wire: Wire) -> None:
        with pytest.raises(ContractError) as caught:
            wire.controller.evaluate(*deposit(op="x" * calls.LARGEST_DOCUMENT))

        assert caught.value.code == Code.BAD_ARGUMENT
        assert not wire.proxy.calls

    def test_larger_than_a_server_takes_is_refused(
        self, wire: Wire, platform: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(calls, "LARGEST_DOCUMENT", 2**25)
        view = wire.connect(platform.enrol("controller", chainfaas_role="controller"), wire.host)

        with pytest.raises(Refused):
            view.evaluate(*deposit(op="x" * 11 * 2**20))
        assert view.height() == 2


class HighS(Identity):
    def sign(self, message: bytes) -> bytes:
        return raised(super().sign(message))


def high_s(identity: Identity) -> Identity:
    return HighS(identity.msp_id, identity.certificate, identity.key)


def raised(signature: bytes) -> bytes:
    """The other signature of the same message and key."""
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, ORDER - s)


def forge(call: Any, identity: Identity) -> bytes:
    """A transaction that its own creator endorsed."""
    from chaincode.fabric import proposals

    proposal = proposals.build(call)
    answer = transactions.answer(
        proposal,
        b"{}",
        read_set={"keys": [], "ranges": []},
        write_set=[["monetary", "acct/dora", '{"free":1000000,"held":0}']],
    )
    endorsement = transactions.endorse(answer, identity)
    return transactions.sign(transactions.prepare(proposal, answer, [endorsement]), identity)
