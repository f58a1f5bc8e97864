"""Calls that come in: keys, budgets, and what comes at the same moment."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from chaincode import pricing
from chainfaas import accounts
from chainfaas.errors import (
    BadInput,
    BudgetSpent,
    ChainFaaSError,
    KeyReused,
    NoProviderReady,
    TooManyRequests,
)
from chainfaas.jobs import lifecycle
from chainfaas.models import Function, Job, JobInput, State, User
from tests.cast import at_once
from tests.jobs.world import Twin, World, fresh, state


def test_the_same_key_is_the_same_job_before_and_after_its_end(world: World, machine: Twin) -> None:
    function = world.function()
    job, new = lifecycle.submit(function, world.dora.user, b"x", key="k")
    assert new
    assert lifecycle.submit(function, world.dora.user, b"x", key="k") == (job, False)
    lifecycle.place(job)
    world.run()

    again, new = lifecycle.submit(function, world.dora.user, b"x", key="k")
    assert (again.id, again.state, new) == (job.id, State.SUCCEEDED, False)
    assert Job.objects.count() == 1


def test_the_same_key_for_another_body_or_function_is_refused(world: World) -> None:
    function = world.function()
    world.call(function, b"x", key="k")

    with pytest.raises(KeyReused):
        world.call(function, b"y", key="k")
    with pytest.raises(KeyReused):
        world.call(world.function(), b"x", key="k")


def test_a_key_is_ones_own_and_needs_somebody_to_own_it(world: World) -> None:
    function = world.function(public=True, daily_budget=10**9)
    job = world.call(function, key="k")

    assert lifecycle.submit(function, world.eve.user, b"hello", key="k")[0].id != job.id
    with pytest.raises(BadInput):
        lifecycle.submit(function, None, b"hello", key="k")


def test_many_with_one_key_at_the_same_moment_are_one_job(world: World) -> None:
    function = world.function()

    ends = at_once(*[lambda: lifecycle.submit(function, world.dora.user, b"x", key="k")] * 8)

    assert [new for _, new in ends].count(True) == 1
    assert len({job.id for job, _ in ends}) == Job.objects.count() == JobInput.objects.count() == 1


def test_a_refused_call_frees_its_key(world: World) -> None:
    job = world.call(key="k")
    lifecycle.refuse(job, NoProviderReady("Nobody there."))

    job = fresh(job)
    assert (job.state, job.problem, job.detail, job.settled) == (
        State.CANCELLED,
        "no-provider",
        "Nobody there.",
        True,
    )
    assert world.call(Function.objects.get(id=job.function_id), key="k").id != job.id


def test_a_call_that_was_placed_in_the_last_moment_is_not_refused(world: World, machine: Twin) -> None:
    job = world.call(key="k")
    stale = fresh(job)
    lifecycle.place(job)
    lifecycle.refuse(stale, NoProviderReady())
    lifecycle.refuse(fresh(job), NoProviderReady())
    world.run()

    assert (state(job), fresh(job).idempotency_key) == (State.SUCCEEDED, "k")


def test_a_key_that_is_freed_at_that_very_moment_begins_a_new_job(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = world.function()
    first = world.call(function, key="k")
    made_before = lifecycle._made_before

    def freed_just_then(*args: Any) -> Job | None:
        lifecycle.refuse(first, NoProviderReady())
        return made_before(*args)

    monkeypatch.setattr(lifecycle, "_made_before", freed_just_then)
    second, new = lifecycle.submit(function, world.dora.user, b"hello", key="k")
    assert new
    assert second.id != first.id


# --- public functions --------------------------------------------------------------------------------------


def hold(function: Function) -> int:
    return pricing.hold(function.timeout_ms, function.max_rate, function.memory_mb)


def submit(function: Function, caller: User | None = None) -> Job:
    return lifecycle.submit(function, caller, b"")[0]


def test_strangers_may_spend_the_budget_and_no_more(world: World, machine: Twin) -> None:
    function = world.function(public=True)
    function.daily_budget = 2 * hold(function)
    function.save()

    one = submit(function)
    submit(function, world.eve.user)
    with pytest.raises(BudgetSpent):
        submit(function)
    world.call(function)  # its owner's own calls are another matter

    lifecycle.cancel(Job.objects.get(caller=world.eve.user))
    submit(function)
    lifecycle.place(one)
    world.run()
    submit(function, world.eve.user)
    with pytest.raises(BudgetSpent):
        submit(function)


def test_tomorrow_there_is_a_budget_again(world: World) -> None:
    function = world.function(public=True)
    function.daily_budget = hold(function)
    function.save()
    submit(function)
    world.later(24 * 3600)

    submit(function)


def test_strangers_at_the_same_moment_do_not_overspend(world: World) -> None:
    function = world.function(public=True)
    function.daily_budget = 3 * hold(function)
    function.save()

    def call() -> bool:
        try:
            submit(function)
        except BudgetSpent:
            return False
        return True

    assert at_once(*[call] * 8).count(True) == 3


def test_a_function_that_is_private_needs_no_budget(world: World) -> None:
    lifecycle.placing.check_budget(world.function())


# --- at the same moment ------------------------------------------------------------------------------------


def test_the_last_place_is_given_once(world: World, machine: Twin) -> None:
    type(machine.row).objects.update(slots=1)
    jobs = [world.call() for _ in range(8)]

    def place(job: Job) -> bool:
        try:
            lifecycle.place(job)
        except NoProviderReady:
            return False
        return True

    assert at_once(*(lambda job=job: place(job) for job in jobs)).count(True) == 4  # type: ignore[misc]
    assert len(machine.take()) == 4
    world.check_books()


def test_one_job_placed_by_many_is_held_and_run_once(world: World, machine: Twin) -> None:
    job = world.call()
    rows = [fresh(job) for _ in range(6)]

    at_once(*(lambda row=row: lifecycle.place(row) for row in rows))  # type: ignore[misc]
    world.run()

    assert (state(job), fresh(job).attempt) == (State.SUCCEEDED, 1)
    assert len(machine.begun) == 1
    world.check_books()


def test_one_job_settled_by_many_is_paid_once(world: World, machine: Twin) -> None:
    job = world.placed()
    run = machine.next()
    machine.start(run)
    world.pump()
    world.later(1)
    machine.ended_unpaid(run)

    at_once(*[lambda: lifecycle.settle(fresh(job))] * 6)

    assert fresh(job).settled
    world.check_books()


def test_developers_whose_money_is_short_never_hold_more_than_they_have(world: World, machine: Twin) -> None:
    function = world.function()
    withdrawn = world.dora.balance() - 3 * hold(function)
    accounts.withdraw(world.dora.user, withdrawn)
    jobs = [world.call(function) for _ in range(6)]

    def place(job: Job) -> bool:
        try:
            lifecycle.place(job)
        except ChainFaaSError:
            return False
        return True

    assert at_once(*(lambda job=job: place(job) for job in jobs)).count(True) == 3  # type: ignore[misc]
    world.run()
    world.sweep()
    world.check_books(withdrawn=withdrawn)


def test_a_developer_has_so_many_jobs_that_no_machine_has(world: World, settings: Settings) -> None:
    settings.WAITING_JOBS = 3
    function = world.function(public=True, daily_budget=10**9)
    first = world.call(function, key="k")

    at_once(*[lambda: _tried(function, world.dora.user)] * 5, lambda: _tried(function, world.eve.user))

    assert Job.objects.count() == JobInput.objects.count() == 3
    with pytest.raises(TooManyRequests) as refused:
        world.call(function)
    assert refused.value.retry_after_s
    assert lifecycle.submit(function, world.dora.user, b"hello", key="k") == (first, False)
    assert lifecycle.submit(function, world.dora.user, b"", waits=True)[1]
    lifecycle.cancel(first)
    lifecycle.cancel(Job.objects.filter(state=State.SUBMITTED).order_by("id").first())
    world.call(function)


def _tried(function: Function, caller: User) -> None:
    with suppress(TooManyRequests):
        lifecycle.submit(function, caller, b"x" * 1000)
