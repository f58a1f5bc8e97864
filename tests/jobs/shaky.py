"""A ledger that is remote and not well: it loses what it is sent, or commits it and does not say so."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from chaincode.blocks import VALID
from chaincode.client import Commit, Envelope, Ledger
from chaincode.errors import OutcomeUnknown, Unavailable

Mood = Callable[[Callable[[], Commit]], Commit]


class Killed(BaseException):
    """kill -9 of the controller, as near as a test can come to it."""


def fine(commit: Callable[[], Commit]) -> Commit:
    return commit()


def lost(commit: Callable[[], Commit]) -> Commit:
    raise OutcomeUnknown("it did not get there")


def silent(commit: Callable[[], Commit]) -> Commit:
    commit()
    raise OutcomeUnknown("it did not say so")


def away(commit: Callable[[], Commit]) -> Commit:
    raise Unavailable


def away_after(commit: Callable[[], Commit]) -> Commit:
    commit()
    raise Unavailable


def killed_before(commit: Callable[[], Commit]) -> Commit:
    raise Killed


def killed_after(commit: Callable[[], Commit]) -> Commit:
    commit()
    raise Killed


UNKNOWN = (lost, silent, away, away_after)


class Shaky:
    """Around a ledger that is well. Each submit takes the next of the moods; with none left it is fine."""

    remote = True

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._moods: deque[Mood] = deque()
        self.gone = False  #: whether it answers nothing at all
        self.submitted: list[str] = []
        self.before_commit: Callable[[], object] = lambda: None

    def be(self, *moods: Mood) -> None:
        self._moods = deque(moods)

    def submit(self, envelope: Envelope) -> Commit:
        self._answer()
        self.submitted.append(envelope.tx_id)
        mood = self._moods.popleft() if self._moods else fine
        return mood(lambda: self._commit(envelope))

    def status(self, tx_id: str) -> Commit | None:
        self._answer()
        return self._ledger.status(tx_id)

    def endorse(self, *call: Any) -> Envelope:
        self._answer()
        return self._ledger.endorse(*call)

    def evaluate(self, *call: Any) -> Any:
        self._answer()
        return self._ledger.evaluate(*call)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def _commit(self, envelope: Envelope) -> Commit:
        self.before_commit()
        return self._ledger.submit(envelope)

    def _answer(self) -> None:
        if self.gone:
            raise Unavailable

    def transactions(self, function: str) -> list[str]:
        """The valid ones of a function that stand on it and changed something: a repeat does not."""
        blocks: Iterable[Any] = self._ledger.blocks(0, 1000)
        found = (tx for block in blocks for tx in block.transactions)
        return [
            tx.id for tx in found if tx.function == function and tx.write_set and tx.validation_code == VALID
        ]
