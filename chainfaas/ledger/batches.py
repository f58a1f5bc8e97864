"""Gathers calls from many threads into one transaction.

One transaction of a kind is in flight; while it is, the calls that come are gathered and go out together in
the next. So a quiet ledger answers at once, a busy one is batched by its own pace, and two debits of one
account never race.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from chaincode.errors import ContractError
from chainfaas.errors import ChainFaaSError
from chainfaas.ledger.connection import Contended

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class _Call(Generic[Item, Answer]):
    def __init__(self, item: Item, key: str) -> None:
        self.item, self.key = item, key
        self.done = False
        self.answer: Answer | None = None
        self.error: Exception | None = None

    def finish(self, answer: Answer | None, error: Exception | None) -> None:
        self.answer, self.error, self.done = answer, error, True

    def result(self) -> Answer:
        if self.error is not None:
            raise self.error
        assert self.answer is not None  # noqa: S101 - finish() was called
        return self.answer


class Batches(Generic[Item, Answer]):
    """`send` makes one transaction of several items and gives each item's answer, in order.

    `key` names what may stand only once in a batch (the job). A batch that is refused whole, or meets
    conflicts, is split in halves and these again, down to singles, so that a bad item harms nobody else: one
    among a hundred costs 14 transactions more, a conflict that has passed costs one.
    """

    def __init__(
        self,
        send: Callable[[list[Item]], list[Answer]],
        *,
        key: Callable[[Item], str],
        size: int,
        wait_ms: float,
    ) -> None:
        self._send, self._key, self._size, self._wait_s = send, key, size, wait_ms / 1000
        self._waiting: deque[_Call[Item, Answer]] = deque()
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def call(self, item: Item) -> Answer:
        """The item's answer, once the transaction that carried it is committed."""
        mine: _Call[Item, Answer] = _Call(item, self._key(item))
        with self._lock:
            self._waiting.append(mine)
            company = len(self._waiting) > 1
        while not self._carried(mine, company):
            pass
        return mine.result()

    def _carried(self, mine: _Call[Item, Answer], company: bool) -> bool:
        """Wait for the turn, and carry what waits, unless whoever had it before took ours along."""
        with self._turn:
            if not mine.done:
                if company:
                    time.sleep(self._wait_s)
                self._run(self._take())
            return mine.done

    def _take(self) -> list[_Call[Item, Answer]]:
        batch: dict[str, _Call[Item, Answer]] = {}
        later = []
        with self._lock:
            while self._waiting and len(batch) < self._size:
                call = self._waiting.popleft()
                if call.key in batch:
                    later.append(call)
                else:
                    batch[call.key] = call
            self._waiting.extendleft(reversed(later))
        return list(batch.values())

    def _run(self, calls: list[_Call[Item, Answer]]) -> None:
        """Every one of the calls has its end after this, whatever happens."""
        try:
            for call, answer in zip(calls, self._answers(calls), strict=True):
                call.finish(answer, None)
        except (Contended, ContractError) as error:
            if len(calls) == 1:
                calls[0].finish(None, error)
            else:
                middle = len(calls) // 2
                self._run(calls[:middle])
                self._run(calls[middle:])
        except ChainFaaSError as error:  # the ledger is away: no sooner there for one than for all
            for call in calls:
                call.finish(None, _own(error))
        except BaseException as error:
            for call in calls:
                call.finish(None, RuntimeError(f"the batch broke: {error!r}"))
            raise

    def _answers(self, calls: list[_Call[Item, Answer]]) -> list[Answer]:
        answers = self._send([call.item for call in calls])
        if len(answers) != len(calls):
            raise RuntimeError(f"{len(answers)} answers to {len(calls)} calls")
        return answers


def _own(error: ChainFaaSError) -> ChainFaaSError:
    """One for each caller: they raise it in different threads, and note on it whose job it was."""
    own = type(error)(error.detail)
    own.__cause__ = error
    return own
