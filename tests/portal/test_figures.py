"""Sums over jobs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from chainfaas.jobs import figures, lifecycle
from chainfaas.models import Function, Job, State
from tests.cast import Machine, Person

pytestmark = pytest.mark.usefixtures("platform")


def made(person: Person, *, ago: timedelta = timedelta(), ms: int = 100, **facts: object) -> Job:
    """A job that ended."""
    job, _ = lifecycle.submit(Function.objects.get(owner=person.user), person.user, b"")
    began = timezone.now() - ago - timedelta(milliseconds=ms)
    fields = {"state": State.SUCCEEDED, "settled": True, "cost": 5, "created_at": began, **facts}
    Job.objects.filter(id=job.id).update(finished_at=began + timedelta(milliseconds=ms), **fields)
    return job


def test_only_the_last_day_counts(dora: Person) -> None:
    made(dora)
    made(dora, state=State.FAILED, ago=timedelta(hours=3))
    made(dora, state=State.TIMED_OUT, ago=timedelta(hours=25))
    made(dora, state=State.CANCELLED, cost=0)

    sums = figures.calls(Job.objects.all())

    assert (sums.calls, sums.errors, sums.spent) == (3, 1, 10)
    assert sum(hour.calls for hour in sums.hours) == 3
    assert [hour.errors for hour in sums.hours if hour.errors] == [1]
    assert len(sums.hours) == 24


def test_percentiles_are_of_jobs_that_were_answered(dora: Person) -> None:
    for ms in (10, 20, 30, 1000):
        made(dora, ms=ms)
    made(dora, ms=9000, state=State.CANCELLED)

    sums = figures.calls(Job.objects.all())

    assert (sums.p50_ms, sums.p95_ms) == (20, 1000)


def test_nothing_called_is_no_crash() -> None:
    sums = figures.calls(Job.objects.all())

    assert (sums.calls, sums.p50_ms, sums.spent) == (0, None, 0)


def test_a_provider_earns_with_all_machines_it_ever_lent(dora: Person, pete: Person, eve: Person) -> None:
    machines = [Machine.of(pete).row, Machine.of(pete, "desk").row]
    stranger = Machine.of(eve).row
    made(dora, machine=machines[0])
    made(dora, machine=machines[1], ago=timedelta(days=3))
    made(dora, machine=stranger)
    made(dora, machine=machines[0], state=State.RUNNING, settled=False, cost=None)

    assert figures.earnings(pete.user) == figures.Earnings(today=5, ever=10, done=1, under_way=1)
