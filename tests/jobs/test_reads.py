"""What may be read, by whom, and the sums over it."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta
from typing import Any

import pytest

from chainfaas.errors import NotFound
from chainfaas.jobs import figures, lifecycle, selectors
from chainfaas.models import Job, User
from chainfaas.scheduler import candidates
from tasks.messages import Outcome
from tests.cast import Ended
from tests.jobs.world import Twin, World, fresh


def test_a_function_is_its_owners_and_a_public_one_can_be_called_by_all(world: World) -> None:
    private = world.function(name="private")
    public = world.function(name="public", public=True, daily_budget=1)

    assert selectors.function(world.dora.user, "dora", "private") == private
    for who in (world.eve.user, None):
        assert selectors.function(who, "dora", "public", to_call=True) == public
        for name in ("private", "public", "nothing"):
            with pytest.raises(NotFound):
                selectors.function(who, "dora", name)
        with pytest.raises(NotFound):
            selectors.function(who, "dora", "private", to_call=True)
    assert [f.name for f in selectors.functions_of(world.dora.user)] == ["example", "private", "public"]


def test_a_job_is_for_who_called_it_and_who_pays_it(world: World) -> None:
    function = world.function(public=True, daily_budget=10**9)
    job = lifecycle.submit(function, world.eve.user, b"")[0]
    staff = User.objects.create(username="staff", is_staff=True)

    for who in (world.eve.user, world.dora.user, staff):
        assert selectors.job(who, job.key) == selectors.job(who, job.id) == job
    for who in (world.pete.user, None):
        with pytest.raises(NotFound):
            selectors.job(who, job.key)
    assert list(selectors.jobs_of(world.eve.user)) == list(selectors.jobs_of(world.dora.user)) == [job]
    assert not selectors.jobs_of(world.pete.user).exists()


@pytest.mark.parametrize("id", ["", "x", "\0", "\ud800", str(uuid.uuid4()), "9" * 5000])
def test_what_is_no_job_is_not_found(world: World, id: str) -> None:
    with pytest.raises(NotFound):
        selectors.job(world.dora.user, id)


def test_an_anonymous_caller_has_the_key_to_one_job(world: World) -> None:
    function = world.function(public=True, daily_budget=10**9)
    digest = hashlib.sha256(b"secret").hexdigest()
    job = lifecycle.submit(function, None, b"", result_key=digest)[0]
    keyless = lifecycle.submit(function, None, b"")[0]

    assert selectors.job(None, job.key, result_key="secret") == job
    for id, key in (
        (job.key, "wrong"),
        (job.key, ""),
        (job.key, digest),
        (job.key, "\ud800"),
        (keyless.key, ""),
    ):
        with pytest.raises(NotFound):
            selectors.job(None, id, result_key=key)


def test_a_ledger_record_is_for_its_parties_and_for_peers(world: World, machine: Twin) -> None:
    job = world.placed()
    peer = User.objects.create(username="peer", roles=["peer"])

    for who in (world.dora.user, world.pete.user, peer):
        assert selectors.ledger_job(who, job.key) == job
    with pytest.raises(NotFound):
        selectors.ledger_job(world.eve.user, job.key)


def test_a_machine_is_its_owners_until_it_left(world: World, machine: Twin) -> None:
    job = world.placed()
    assert selectors.machine_figures(machine.row) == {"under_way": 1, "done": 0, "earned": 0}
    world.run()
    assert selectors.machine_figures(machine.row) == {"under_way": 0, "done": 1, "earned": fresh(job).cost}

    assert selectors.machine(world.pete.user, machine.id) == machine.row
    with pytest.raises(NotFound):
        selectors.machine(world.eve.user, machine.id)
    type(machine.row).objects.update(left_at=fresh(job).created_at)
    with pytest.raises(NotFound):
        selectors.machine(world.pete.user, machine.id)


def test_the_timeline_tells_every_state_in_order(world: World, machine: Twin) -> None:
    job = world.placed()
    world.run()

    timeline = selectors.timeline(job)
    assert [(line["state"], line["attempt"]) for line in timeline] == [
        ("submitted", 0),
        ("assigned", 1),
        ("recorded", 1),
        ("queued", 1),
        ("running", 1),
        ("succeeded", 1),
    ]
    assert [line["at"] for line in timeline] == sorted(line["at"] for line in timeline)


def test_the_times_of_a_job_add_up(world: World, machine: Twin) -> None:
    assert set(world.call().timings.values()) == {None}
    job = world.placed()
    world.run()

    timings: dict[str, Any] = fresh(job).timings
    assert timings["t_cmp_ms"] == 120
    assert 0 <= timings["t_prc_ms"] <= timings["t_prv_ms"] <= timings["t_rsp_ms"]
    assert timings["t_bil_ms"] is not None


def test_sums_are_of_the_last_day(world: World, machine: Twin) -> None:
    old = world.placed()
    world.run()
    world.later(25 * 3600)
    good = world.placed()
    world.run()
    machine.behave = lambda run: Ended(exit_code=1, run_ms=1000)
    bad = world.placed()
    world.run(pause_s=2)
    world.placed()
    Job.objects.filter(id=old.id).update(paid_at=None)

    sums = figures.calls(selectors.jobs_of(world.dora.user))
    assert (sums.calls, sums.errors, sums.under_way) == (3, 1, 1)
    assert sums.spent == (fresh(good).cost or 0) + (fresh(bad).cost or 0)
    assert sums.p50_ms is not None
    assert sums.p95_ms is not None
    assert sums.p50_ms < 2000 <= sums.p95_ms
    assert (len(sums.hours), sum(hour.calls for hour in sums.hours)) == (24, 3)
    assert all(
        one.start + timedelta(hours=1) == two.start
        for one, two in zip(sums.hours, sums.hours[1:], strict=False)
    )

    earned = figures.earnings(world.pete.user)
    assert (earned.today, earned.done, earned.under_way) == (sums.spent, 2, 1)
    assert earned.ever == sums.spent + (fresh(old).cost or 0)


def test_sums_of_nothing_are_nothing(world: World) -> None:
    sums = figures.calls(selectors.jobs_of(world.eve.user))

    assert (sums.calls, sums.spent, sums.p50_ms) == (0, 0, None)
    assert figures.earnings(world.eve.user) == figures.Earnings(0, 0, 0, 0)
    assert figures.percentile([1, 2, 3, 4], 50) == 2
    assert figures.percentile([7], 95) == 7


def test_a_machine_on_which_a_function_fails_alone_is_known_for_it(world: World, machine: Twin) -> None:
    other = world.machine(world.eve, "other")
    function = world.function()
    for twin, outcome in ((machine, Outcome.SIGNALLED), (other, Outcome.EXITED)):
        type(twin.row).objects.update(paused=True)
        type(twin.row).objects.filter(id=twin.id).update(paused=False)
        twin.behave = lambda run, outcome=outcome: Ended(  # type: ignore[misc]
            outcome=outcome, exit_code=139 if outcome is Outcome.SIGNALLED else 0, run_ms=10
        )
        for _ in range(5):
            world.placed(function)
            world.run()
    type(machine.row).objects.update(paused=False)

    job, rows = world.call(function), list(candidates.fitting(world.call(function)))
    rates = {c.machine: c.failure_rate for c in candidates.ready(job, rows)}
    assert rates == {machine.id: 1.0, other.id: 0.0}

    function.delete()
    rates = {c.machine: c.failure_rate for c in candidates.ready(fresh(job), rows)}
    assert set(rates.values()) == {0.0}
