"""A job's record, and how it came to be: each change in the order of its commits.

Fabric's history knows the order of changes of one key, not across keys. The contract's own rules give
nearly all of the rest: an attempt's time comes before the next attempt, a confirmation before the end. Only
the last attempt's time may come at any moment after its assignment; it is placed by the transactions'
clocks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Generic

from chaincode.contracts.contract import R
from chaincode.contracts.records import Assignment, Confirmation, End, Job, Time
from chaincode.stub import Version


@dataclass(frozen=True)
class Story:
    """All that the ledger holds of a job's current attempt."""

    job: str
    terms: Job
    assignment: Assignment
    provider: str | None = None
    time: Time | None = None
    confirmation: Confirmation | None = None
    end: End | None = None

    def record(self) -> dict[str, Any]:
        return {
            "job": self.job,
            "developer": self.terms.developer,
            "provider": self.provider,
            "function": self.terms.function,
            "time_ms": self._time_ms(),
            "cost": self.end.cost if self.end else None,
            "billed_ms": self.end.billed_ms if self.end else None,
            "received": self.confirmation is not None,
            "payment_done": self.end is not None and self.end.paid,
            "attempt": self.assignment.attempt,
            "machine": self.assignment.machine,
            "hold": self.terms.hold,
            "outcome": self._outcome(),
        }

    def _time_ms(self) -> int | None:
        """What was billed, once it is decided; before, what the provider says."""
        if self.end:
            return self.end.billed_ms
        return self.time.run_ms if self.time else None

    def _outcome(self) -> str | None:
        if self.end and not self.end.paid:
            return "released"
        return self.confirmation.outcome if self.confirmation else None


@dataclass(frozen=True)
class Change(Generic[R]):
    tx_id: str
    at: str
    record: R
    provider: str | None = None  #: of the machine, if the record is an assignment


def changes(kind: type[R], versions: Iterable[Version]) -> list[Change[R]]:
    """Oldest first. The keys of a job are never deleted, so every version has a value."""
    found = [Change(version.tx_id, version.at, kind.load(version.value or "")) for version in versions]
    return found[::-1]


def placed(times: list[Change[Time]], tail: list[Change[Any]]) -> list[Change[Any]]:
    """The last attempt's time, if there is one, before the first of the other changes that is later."""
    for time in times:
        index = sum(other.at <= time.at for other in tail)
        return [*tail[:index], time, *tail[index:]]
    return tail


def tell(job: str, terms: Job, ordered: list[Change[Any]]) -> list[dict[str, Any]]:
    """The record as it stood after each transaction. The first change is the first assignment."""
    story = Story(job, terms, ordered[0].record)
    told: list[dict[str, Any]] = []
    for change in ordered:
        story = _after(story, change)
        if told and told[-1]["tx_id"] == change.tx_id:
            told.pop()
        told.append({"tx_id": change.tx_id, "at": change.at, "value": story.record()})
    return told


def _after(story: Story, change: Change[Any]) -> Story:
    match change.record:
        case Assignment() as assignment:
            return Story(story.job, story.terms, assignment, change.provider)
        case Time() as time:
            return replace(story, time=time)
        case Confirmation() as confirmation:
            return replace(story, confirmation=confirmation)
    return replace(story, end=change.record)
