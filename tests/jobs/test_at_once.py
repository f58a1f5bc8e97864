"""Everybody acts on the same jobs at the same moment: no job has two ends, and none is paid twice.

`AT_ONCE_ROUNDS=50 pytest tests/jobs/test_at_once.py -s` tries more; the seed is printed, and `AT_ONCE_SEED`
begins with the same dice, though threads take turns as they like.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from kombu.exceptions import OperationalError

from chainfaas.errors import ChainFaaSError
from chainfaas.jobs import lifecycle, recovery
from chainfaas.models import Function, Job, Move
from chainfaas.models.states import ENDED
from tasks.messages import Outcome, Run, Started
from tests.cast import Ended, at_once
from tests.jobs.world import Twin, World

ROUNDS = int(os.environ.get("AT_ONCE_ROUNDS", "3"))
JOBS, STEPS, THREADS = 6, 25, 4
ENDS = (
    Ended(run_ms=120),
    Ended(run_ms=9_000, exit_code=3),
    Ended(run_ms=50, outcome=Outcome.CANCELLED),
    Ended(run_ms=10_000, outcome=Outcome.TIMED_OUT),
    Ended(run_ms=0, outcome=Outcome.IMAGE_UNAVAILABLE),
    Ended(run_ms=0, outcome=Outcome.LOST),
)


class Actor:
    """One thread: whatever may happen to a job, it does, to any of them, with what it knows of it or knew."""

    def __init__(self, seed: int, jobs: list[Job], twins: list[Twin]) -> None:
        self.dice, self.jobs, self.twins = random.Random(seed), jobs, twins
        self.rows = {job.id: job for job in jobs}
        self.does: list[Callable[[Job], Any]] = [
            lifecycle.place,
            lifecycle.place,
            self.starts,
            self.starts,
            self.ends,
            self.ends,
            lifecycle.settle,
            lifecycle.settle,
            lambda job: recovery.sweep(),
            lambda job: lifecycle.give_up(job, "machine-gone", "It went away."),
            lambda job: lifecycle.refuse(job, ChainFaaSError()),
            lifecycle.cancel,
        ]
        self.weights = [5, 5, 5, 5, 5, 5, 5, 5, 3, 1, 1, 1]

    def __call__(self) -> None:
        for _ in range(STEPS):
            job = self.dice.choice(self.jobs)
            if self.dice.random() < 0.7:
                self.rows[job.id] = Job.objects.get(id=job.id)
            [step] = self.dice.choices(self.does, self.weights)
            try:
                step(self.rows[job.id])
            except (ChainFaaSError, OperationalError, lifecycle.ResultBeforeStart):
                continue

    def starts(self, job: Job) -> None:
        report = Started(job=job.key, attempt=self.attempt(job), prepared_ms=1)
        lifecycle.started(self.machine(job).id, report, timezone.now())

    def ends(self, job: Job) -> None:
        twin = self.machine(job)
        report = twin.report(run_of(job, self.attempt(job)), self.dice.choice(ENDS))
        lifecycle.finished(twin.id, report, timezone.now(), patient=self.dice.random() < 0.5)

    def attempt(self, job: Job) -> int:
        return max(1, job.attempt - (self.dice.random() < 0.1))

    def machine(self, job: Job) -> Twin:
        right = [twin for twin in self.twins if twin.id == job.machine_id]
        return right[0] if right and self.dice.random() < 0.9 else self.dice.choice(self.twins)


def run_of(job: Job, attempt: int) -> Run:
    return Run(job.key, attempt, "", 0, 0, 0, {}, False, b"")


@pytest.mark.parametrize("round", range(ROUNDS))
def test_whoever_is_first_no_job_ends_twice_or_is_paid_twice(world: World, round: int, settings: Any) -> None:
    seed = int(os.environ.get("AT_ONCE_SEED", random.randrange(2**32)))
    print(f"AT_ONCE_SEED={seed}")
    settings.STALE_S = 0
    twins = [world.machine(), world.machine(world.eve, "other")]
    function = world.function()
    jobs = [world.call(function) for _ in range(JOBS)]

    at_once(*(Actor(seed + n, jobs, twins) for n in range(THREADS)))

    for job in jobs:
        assert Move.objects.filter(job=job, state__in=ENDED).count() <= 1
    for _ in range(8):
        world.run()
        world.later(20)
        world.sweep()
    assert not Job.objects.filter(settled=False).exists()
    assert Function.objects.filter(id=function.id).exists()
    world.check_books()
