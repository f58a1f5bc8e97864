"""Rules of the monetary contract that its one caller, the monitoring contract, never breaks."""

from __future__ import annotations

from typing import Any

import pytest

from chaincode.contracts.monetary import Monetary
from chaincode.errors import Code, ContractError
from chaincode.identity import Caller
from chaincode.stub import composite_key, composite_range, split_composite_key


class PaperStub:
    """Called by monitoring; reads nothing, and keeps what is written."""

    channel, tx_id, time, called = "chainfaas", "ab" * 32, "", "monitoring"
    caller = Caller("PlatformMSP", "controller", {"chainfaas.role": "controller"})

    def __init__(self) -> None:
        self.written: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        return None

    def put(self, key: str, value: str) -> None:
        self.written[key] = value

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} is not for paying")


@pytest.fixture
def stub() -> Any:
    return PaperStub()


def movement(account: str, free: int, held: int) -> dict[str, Any]:
    return {"account": account, "free": free, "held": held}


@pytest.mark.parametrize("free", [9, 11])
def test_payment_that_makes_or_loses_money_is_refused(stub: Any, free: int) -> None:
    movements = [movement("pete", free, 0), movement("dora", 0, -10)]

    with pytest.raises(ContractError) as caught:
        Monetary(stub).call("pay", {"movements": movements})

    assert caught.value.code == Code.BAD_ARGUMENT
    assert stub.written == {}


@pytest.mark.parametrize("bad", [movement("a", -1, 0), movement("a", 0, 1)])
def test_payment_neither_takes_free_money_nor_holds(stub: Any, bad: dict[str, Any]) -> None:
    with pytest.raises(ContractError) as caught:
        Monetary(stub).call("pay", {"movements": [bad]})
    assert caught.value.code == Code.BAD_ARGUMENT


def test_movements_of_one_account_are_one_credit_and_empty_ones_none(stub: Any) -> None:
    movements = [
        movement("dora", 4, -10),
        movement("pete", 6, 0),
        movement("dora", 0, 0),
        movement("x", 0, 0),
    ]

    Monetary(stub).call("pay", {"movements": movements})

    assert stub.written == {
        composite_key("cr", ("dora", stub.tx_id)): '{"free":4,"held":-10}',
        composite_key("cr", ("pete", stub.tx_id)): '{"free":6,"held":0}',
    }


def test_composite_keys_are_fabrics_and_found_by_their_beginning() -> None:
    key = composite_key("cr", ("dora", "tx"))
    start, end = composite_range("cr", ("dora",))

    assert key == "\x00cr\x00dora\x00tx\x00"
    assert split_composite_key(key) == ("cr", ["dora", "tx"])
    assert start <= key < end
    assert not start <= composite_key("cr", ("dora2", "tx")) < end
