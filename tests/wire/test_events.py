"""Blocks and contracts' events, told as they are committed."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from queue import Queue
from typing import Any

import grpc
import pytest

from chaincode.errors import ContractError, Refused
from chaincode.ledgers.gateway.events import Event
from tests.contracts.authority import Authority
from tests.wire.conftest import Wire
from tests.wire.proxy import before, failed, passed_on

numbers = itertools.count()


def deposit(wire: Wire) -> str:
    document = {"op": f"op-{next(numbers)}", "account": "dora", "amount": 5}
    return wire.controller.transact("monetary", "deposit", document)[1].tx_id


class Listener(threading.Thread):
    """Hears what an iterator tells, from another thread."""

    def __init__(self, told: Iterator[Any]) -> None:
        super().__init__(daemon=True)
        self._told = told
        self.heard: Queue[Any] = Queue()
        self.start()

    def run(self) -> None:
        for one in self._told:
            self.heard.put(one)

    def next(self) -> Any:
        return self.heard.get(timeout=10)


def test_contract_tells_what_it_did(wire: Wire) -> None:
    first = deposit(wire)

    told = next(wire.controller.events("monetary", start=0))

    assert isinstance(told, Event)
    assert (told.contract, told.name, told.tx_id, told.block) == ("monetary", "deposit", first, 2)
    assert told.payload["account"] == "dora"


def test_told_is_what_comes(wire: Wire) -> None:
    deposit(wire)
    height = wire.controller.height()
    events = Listener(wire.controller.events("monetary", start=height))
    blocks = Listener(wire.controller.block_events(start=height))

    second = deposit(wire)

    assert events.next().tx_id == second
    assert blocks.next().transactions[0].id == second


def test_listener_goes_on_after_what_it_has_heard(wire: Wire) -> None:
    first, second = deposit(wire), deposit(wire)

    told = wire.controller.events("monetary", start=2, after=first)

    assert next(told).tx_id == second


@pytest.mark.parametrize("times", [1, 3])
def test_broken_stream_leaves_nothing_out_and_tells_nothing_twice(wire: Wire, times: int) -> None:
    sent = [deposit(wire) for _ in range(4)]
    wire.proxy.faults["ChaincodeEvents"] = [passed_on, before] * times
    wire.proxy.faults["Deliver"] = [passed_on, before] * times

    events = [event.tx_id for event in itertools.islice(wire.controller.events("monetary", start=0), 4)]
    blocks = list(itertools.islice(wire.controller.block_events(start=0), 6))

    assert events == sent
    assert [block.number for block in blocks] == list(range(6))


def test_close_ends_the_telling(wire: Wire) -> None:
    blocks, events = (
        Listener(wire.controller.block_events(start=0)),
        Listener(wire.controller.events("monetary")),
    )
    blocks.next()

    wire.controller.close()

    for listener in (blocks, events):
        listener.join(timeout=5)
        assert not listener.is_alive()


def test_stranger_is_told_nothing(wire: Wire) -> None:
    view = wire.connect(Authority.make("PlatformMSP").enrol("eve"))

    with pytest.raises(Refused):
        next(view.events("monetary", start=0))
    with pytest.raises(Refused):
        next(view.block_events(start=0))


def test_conflict_tells_nothing(wire: Wire) -> None:
    document = {"account": "dora", "amount": 5}
    fast, slow = (
        wire.controller.endorse("monetary", "deposit", {**document, "op": op}) for op in ("fast", "slow")
    )
    wire.controller.submit(fast)
    with pytest.raises(Exception, match="changed"):
        wire.controller.submit(slow)
    last = deposit(wire)

    told = [event.tx_id for event in itertools.islice(wire.controller.events("monetary", start=0), 2)]

    assert told == [fast.tx_id, last]


def test_other_failures_are_raised(wire: Wire) -> None:
    wire.proxy.faults["ChaincodeEvents"] = [failed(grpc.StatusCode.PERMISSION_DENIED, "no")]
    deposit(wire)

    with pytest.raises(Refused):
        next(wire.controller.events("monetary", start=0))
    with pytest.raises(ContractError):
        wire.controller.transaction("0" * 64)
