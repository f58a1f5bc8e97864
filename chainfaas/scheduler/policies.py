"""Which machine gets a job: pure functions over the machines that could take it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Candidate:
    """A machine that is connected, fits the function and has room."""

    machine: str
    rate: int  #: micro-units per 100 ms at 1024 MiB
    busy: int  #: jobs that it has, running and queued
    slots: int
    limit: int  #: jobs that it may have
    failure_rate: float = 0.0  #: how much oftener than others it fails the same functions, 0 to 1
    tried: bool = False  #: it already failed this very job


Policy = Callable[[Sequence[Candidate], Random], Candidate]


def random(candidates: Sequence[Candidate], dice: Random) -> Candidate:
    """Any of them, those that fail more than others less often."""
    weights = [max(0.05, 1.0 - c.failure_rate) for c in candidates]
    return dice.choices(candidates, weights)[0]


def least_loaded(candidates: Sequence[Candidate], dice: Random) -> Candidate:
    """The one with the fewest jobs for its slots."""
    return min(candidates, key=lambda c: (c.busy / c.slots, c.failure_rate, dice.random()))


def cheapest(candidates: Sequence[Candidate], dice: Random) -> Candidate:
    """The lowest rate, then the least loaded."""
    return min(candidates, key=lambda c: (c.rate, c.busy / c.slots, dice.random()))


POLICIES: dict[str, Policy] = {"random": random, "least_loaded": least_loaded, "cheapest": cheapest}


def choose(candidates: Sequence[Candidate], policy: Policy, dice: Random) -> Candidate | None:
    """The machine for a job, or None if there is none with room. A machine that already failed this job
    gets it again only if there is no other."""
    with_room = [c for c in candidates if c.busy < c.limit]
    fresh = [c for c in with_room if not c.tried]
    choice = fresh or with_room
    return policy(choice, dice) if choice else None
