"""Many calls, few transactions: each has its own answer, and a bad one harms nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaincode.errors import ContractError
from chainfaas.errors import LedgerAway
from chainfaas.ledger.batches import Batches
from chainfaas.ledger.connection import Contended

Item = tuple[str, int]


class Sent:
    """A ledger that answers each item with ten times its number."""

    def __init__(self, before: Callable[[list[Item]], None] = lambda _: None) -> None:
        self.batches: list[list[Item]] = []
        self.before = before
        self.inside = 0

    def __call__(self, items: list[Item]) -> list[int]:
        self.inside += 1
        assert self.inside == 1, "one transaction at a time"
        try:
            self.batches.append(items)
            self.before(items)
            return [number * 10 for _, number in items]
        finally:
            self.inside -= 1


def batches(send: Callable[[list[Item]], list[int]], size: int = 100) -> Batches[Item, int]:
    return Batches(send, key=lambda item: item[0], size=size, wait_ms=2)


def outcome(step: Callable[[], int]) -> Any:
    try:
        return step()
    except Exception as error:  # noqa: BLE001 - it is what is looked at
        return error


def at_once(line: Batches[Item, int], items: list[Item]) -> list[Any]:
    with ThreadPoolExecutor(max(1, len(items))) as pool:
        return list(pool.map(lambda item: outcome(lambda: line.call(item)), items))


def behind_a_slow_one(
    items: list[Item], before: Callable[[list[Item]], None] = lambda _: None, size: int = 100
) -> tuple[Sent, list[Any]]:
    """All items come while a transaction is in flight, so they share the next."""
    go = threading.Event()

    def slow_at_first(sent: list[Item]) -> None:
        if sent == [("first", 0)]:
            go.wait(5)
        else:
            before(sent)

    send = Sent(slow_at_first)
    line = batches(send, size)
    with ThreadPoolExecutor(len(items) + 1) as pool:
        first = pool.submit(line.call, ("first", 0))
        while not send.batches:
            time.sleep(0.001)
        others = [pool.submit(outcome, lambda item=item: line.call(item)) for item in items]  # type: ignore[misc]
        while len(line._waiting) < len(items):
            time.sleep(0.001)
        go.set()
        assert first.result() == 0
        return send, [other.result(5) for other in others]


def test_a_quiet_ledger_answers_one_at_once() -> None:
    send = Sent()
    begun = time.monotonic()

    assert batches(send).call(("a", 1)) == 10
    assert send.batches == [[("a", 1)]]
    assert time.monotonic() - begun < 1


def test_calls_that_come_meanwhile_share_the_next_transaction() -> None:
    items = [(f"job-{n}", n) for n in range(20)]
    send, answers = behind_a_slow_one(items)

    assert answers == [n * 10 for n in range(20)]
    assert len(send.batches) == 2
    assert sorted(send.batches[1]) == sorted(items)


def test_no_batch_is_larger_than_its_bound() -> None:
    send, answers = behind_a_slow_one([(f"job-{n}", n) for n in range(10)], size=4)

    assert answers == [n * 10 for n in range(10)]
    assert [len(batch) for batch in send.batches] == [1, 4, 4, 2]


def test_the_same_key_stands_once_in_a_batch_and_each_call_has_its_answer() -> None:
    send, answers = behind_a_slow_one([("same", 1), ("same", 2), ("other", 3), ("same", 4)])

    assert answers == [10, 20, 30, 40]
    for batch in send.batches:
        assert len({key for key, _ in batch}) == len(batch)
    assert len(send.batches) == 4


@pytest.mark.parametrize("refusal", [ContractError("BAD_ARGUMENT", "no"), Contended()])
def test_a_batch_that_is_refused_whole_is_split_and_only_the_bad_one_suffers(refusal: Exception) -> None:
    def refuse(items: list[Item]) -> None:
        if any(number == 13 for _, number in items):
            raise refusal

    _, answers = behind_a_slow_one([(f"job-{n}", n) for n in range(10, 16)], refuse)

    assert answers == [100, 110, 120, refusal, 140, 150]


def test_one_bad_item_among_many_costs_few_transactions() -> None:
    def refuse(items: list[Item]) -> None:
        if any(number == 13 for _, number in items):
            raise Contended

    send, answers = behind_a_slow_one([(f"job-{n}", n) for n in range(32)], refuse)

    assert [type(answer) for answer in answers].count(Contended) == 1
    assert len(send.batches) <= 1 + 1 + 2 * 5


def test_a_conflict_that_has_passed_costs_one_more() -> None:
    def refuse_once(items: list[Item]) -> None:
        if len(items) == 32:
            raise Contended

    send, answers = behind_a_slow_one([(f"job-{n}", n) for n in range(32)], refuse_once)

    assert answers == [n * 10 for n in range(32)]
    assert [len(batch) for batch in send.batches] == [1, 32, 16, 16]


def test_while_the_ledger_is_away_it_is_asked_once_for_all() -> None:
    def away(items: list[Item]) -> None:
        raise LedgerAway

    send, answers = behind_a_slow_one([(f"job-{n}", n) for n in range(6)], away)

    assert [type(answer) for answer in answers] == [LedgerAway] * 6
    assert len(send.batches) == 2
    assert len({id(answer) for answer in answers}) == 6, "each has one of its own to note its job on"


@pytest.mark.parametrize("crash", [ZeroDivisionError(), SystemExit(), KeyboardInterrupt()])
def test_whatever_breaks_nobody_waits_for_ever_and_the_line_goes_on(crash: BaseException) -> None:
    def break_once(items: list[Item]) -> None:
        send.before = lambda _: None
        raise crash

    send = Sent(break_once)
    line = batches(send)
    with pytest.raises(type(crash)):
        line.call(("a", 1))

    assert line.call(("a", 2)) == 20
    assert at_once(line, [("b", 3), ("c", 4)]) == [30, 40]


def test_who_shared_a_batch_that_broke_is_told() -> None:
    def crash(items: list[Item]) -> None:
        raise ZeroDivisionError

    _, answers = behind_a_slow_one([("a", 1), ("b", 2)], crash)

    assert {type(answer) for answer in answers} == {ZeroDivisionError, RuntimeError}


def test_answers_that_are_too_few_are_an_error_for_all() -> None:
    line: Batches[Item, int] = Batches(lambda items: [1], key=lambda item: item[0], size=9, wait_ms=1)
    assert line.call(("a", 1)) == 1

    few: Batches[Item, int] = Batches(lambda items: [], key=lambda item: item[0], size=9, wait_ms=1)
    with pytest.raises(RuntimeError, match="0 answers to 1 calls"):
        few.call(("a", 1))


def test_an_item_without_a_key_harms_only_who_brought_it() -> None:
    line: Batches[dict[str, str], int] = Batches(
        lambda items: [len(items)], key=lambda item: item["job"], size=9, wait_ms=1
    )
    with pytest.raises(KeyError):
        line.call({})
    assert line.call({"job": "a"}) == 1


@settings(max_examples=25, deadline=None)
@given(
    items=st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 9)), min_size=1, max_size=12),
    size=st.integers(1, 4),
)
def test_each_call_has_its_own_answer_whatever_comes_together(items: list[Item], size: int) -> None:
    send = Sent(lambda batch: time.sleep(0.0005))

    assert at_once(batches(send, size), items) == [number * 10 for _, number in items]
    assert sorted(item for batch in send.batches for item in batch) == sorted(items)
    assert max(len(batch) for batch in send.batches) <= size
