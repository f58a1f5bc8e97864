"""`verify` over the wire finds a ledger that lies to its client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fabric_protos.common import common_pb2 as common
from fabric_protos.peer import events_pb2 as events

from chaincode import client
from chaincode.blocks import NetworkConfig, Verification
from chaincode.errors import Conflict, Refused, Unavailable
from chaincode.fabric import blocks, transactions
from tests.contracts.authority import Authority
from tests.contracts.world import World
from tests.wire.conftest import Wire
from tests.wire.proxy import before


@pytest.fixture
def lived(wire: Wire, platform: Authority, providers: Authority) -> Wire:
    """Jobs, payments, and a transaction that does not count."""
    world = World(lambda identity: wire.connect(identity, wire.host), platform, providers)
    world.deposit(world.dora)
    world.finish(world.finished(world.created()))
    world.created()
    document = {"account": world.dora, "amount": 5}
    fast, slow = (world.controller.endorse("monetary", "deposit", {**document, "op": op}) for op in "ab")
    world.controller.submit(fast)
    with pytest.raises(Conflict):
        world.controller.submit(slow)
    return wire


def lie(wire: Wire, number: int, change: Callable[[Any], object]) -> None:
    """Give this one block changed."""

    def changed(answer: bytes, on: Callable[[bytes], bytes]) -> bytes:
        found = events.DeliverResponse.FromString(answer)
        if found.WhichOneof("Type") == "block" and found.block.header.number == number:
            change(found.block)
        return bytes(found.SerializeToString())

    wire.proxy.always["Deliver"] = changed


def rehash(block: Any) -> None:
    block.header.data_hash = blocks.data_hash(block.data.data)


def fault(wire: Wire) -> str:
    found = wire.controller.verify()
    assert not found.verified
    return found.fault or ""


def test_honest_ledger_verifies(lived: Wire) -> None:
    assert lived.controller.verify() == Verification(True, lived.controller.height())


def test_whoever_may_read_less_can_verify_too(lived: Wire, providers: Authority) -> None:
    """It is refused the same things by the contracts here and there."""
    machine = lived.connect(providers.enrol("m", chainfaas_role="machine", chainfaas_user="pete"))

    assert machine.verify().verified


def test_ledger_that_cannot_be_asked_has_no_verdict(lived: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaincode.ledgers.gateway.connection.PATIENCE_S", 0.2)
    lived.proxy.always["Evaluate"] = before

    with pytest.raises(Unavailable):
        lived.controller.verify()


@pytest.mark.parametrize("field", ["previous_hash", "data_hash", "number"])
@pytest.mark.parametrize("number", [0, 2, 5])
def test_changed_header_is_found(lived: Wire, field: str, number: int) -> None:
    def change(block: Any) -> None:
        setattr(block.header, field, 9 if field == "number" else b"x" * 32)

    lie(lived, number, change)

    assert f"block {number}" in fault(lived)


def test_transaction_left_out_is_found_by_the_orderers_signature(lived: Wire) -> None:
    def change(block: Any) -> None:
        del block.data.data[0]
        rehash(block)

    lie(lived, 3, change)

    assert "block 3" in fault(lived)


def test_block_that_nobody_signed_is_found(lived: Wire) -> None:
    lie(lived, 3, lambda block: block.metadata.metadata.__setitem__(0, b""))

    assert "nobody signed" in fault(lived)


def test_block_that_a_stranger_signed_is_found(lived: Wire, platform: Authority) -> None:
    """A member's certificate is no orderer's."""

    def change(block: Any) -> None:
        made = blocks.cut(
            3, block.header.previous_hash, list(block.data.data), [0], orderer=platform.enrol("o"), at=""
        )
        block.metadata.metadata[0] = made.metadata.metadata[0]

    lie(lived, 3, change)

    assert "not of a certificate of" in fault(lived)


@pytest.mark.parametrize(("number", "code"), [(3, transactions.CODES.MVCC_READ_CONFLICT), (-1, 0)])
def test_flipped_decision_is_found_both_ways(lived: Wire, number: int, code: int) -> None:
    """Validation codes are outside of hash and signature, so the replay has to judge."""
    number %= lived.controller.height()
    lie(lived, number, lambda block: block.metadata.metadata.__setitem__(blocks.CODES, bytes([code])))

    assert "judged" in fault(lived)


def test_transaction_that_is_said_not_to_count_is_found_by_the_answers(lived: Wire) -> None:
    """For another reason than a conflict, which a client cannot judge: then the state shows it."""
    code = transactions.CODES.ENDORSEMENT_POLICY_FAILURE
    last_deposit = lived.controller.height() - 2
    lie(lived, last_deposit, lambda block: block.metadata.metadata.__setitem__(blocks.CODES, bytes([code])))

    assert fault(lived)


def test_withheld_blocks_are_found(lived: Wire) -> None:
    done = events.DeliverResponse(status=common.NOT_FOUND).SerializeToString()

    def withheld(answer: bytes, on: Callable[[bytes], bytes]) -> bytes:
        found = events.DeliverResponse.FromString(answer)
        return done if found.block.header.number >= 4 else answer

    lived.proxy.always["Deliver"] = withheld

    assert "block 4 is not given" in fault(lived)


def test_answer_that_does_not_follow_from_the_blocks_is_found(lived: Wire) -> None:
    """The blocks are right, the state is not."""
    lived.proxy.always["Evaluate"] = lambda request, on: on(request).replace(b'"held"', b'"hold"')

    assert "not what follows from the blocks" in fault(lived)


def test_another_network_is_found(lived: Wire, platform: Authority, tmp_path: Any) -> None:
    other = NetworkConfig("chainfaas", {"PlatformMSP": platform.pem})
    url = f"fabric://{lived.host}/chainfaas?tls_root={tmp_path}/tls.pem"
    identity = platform.enrol("staff", chainfaas_role="staff")

    with client.connect(url, identity, config=other) as view:
        assert "not the genesis block of this network" in (view.verify().fault or "")
    with client.connect(url, identity) as view:
        assert view.verify().verified
    with pytest.raises(Refused):
        client.connect(url, identity, config=NetworkConfig("another", other.msps))


def test_ledger_may_grow_meanwhile(lived: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deposit between each question and its answer, for a while."""
    calls = iter(range(3))

    def grow(request: bytes, on: Callable[[bytes], bytes]) -> bytes:
        for number in calls:
            document = {"op": f"grow-{number}", "account": "dora", "amount": 1}
            direct.transact("monetary", "deposit", document)
            break
        return on(request)

    direct = lived.connect(lived.controller._identity, lived.host)
    lived.proxy.always["Evaluate"] = grow

    assert lived.controller.verify().verified
