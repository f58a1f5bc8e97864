"""What is taken up later: machines that go, brokers and ledgers that are away, and jobs that are stuck."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.db import OperationalError as DatabaseAway
from kombu.exceptions import OperationalError
from pytest_django.fixtures import Settings

from chaincode.errors import Unavailable
from chaincode.ledgers.embedded import EmbeddedLedger
from chainfaas import dispatch, machines
from chainfaas.broker.memory import MemoryBroker
from chainfaas.errors import ChainFaaSError, LedgerAway
from chainfaas.jobs import lifecycle, recovery, tasks
from chainfaas.ledger import jobs as ledger
from chainfaas.models import Job, JobOutput, State
from chainfaas.waiting import MemoryBell
from tasks.messages import Outcome
from tests.cast import Ended
from tests.jobs.world import Twin, World, fresh, output, state, story


def running(world: World, machine: Twin, **terms: Any) -> tuple[Job, Any]:
    job = world.placed(world.function(**terms))
    run = machine.next()
    machine.start(run)
    world.pump()
    assert state(job) == State.RUNNING
    return job, run


def watched(world: World, seconds: float) -> None:
    """Time passes, and the sweeper looks all the time."""
    while seconds > 0:
        world.later(min(seconds, 10))
        recovery.sweep()
        world.pump()
        seconds -= 10


def test_a_machine_that_goes_has_a_minute_to_come_back(world: World, machine: Twin) -> None:
    job, run = running(world, machine, timeout_s=300)
    watched(world, 61)
    machine.disconnect()
    watched(world, 50)
    assert state(job) == State.RUNNING

    machine.connect()
    watched(world, 30)
    machine.end(run)
    world.pump()
    assert (state(job), fresh(job).attempt) == (State.SUCCEEDED, 1)
    world.check_books()


def test_a_machine_that_stays_away_loses_its_job_to_another(world: World, machine: Twin) -> None:
    job, run = running(world, machine, timeout_s=300)
    queued = world.placed(world.function())
    watched(world, 61)
    machine.disconnect()
    other = world.machine(world.eve, "other")
    watched(world, 80)
    assert {fresh(job).machine_id, fresh(queued).machine_id} == {other.id}

    machine.connect()
    machine.end(run, Ended(output=b"late"))
    world.run()
    assert (state(job), output(job), state(queued)) == (State.SUCCEEDED, b"hello", State.SUCCEEDED)
    assert world.earned(world.pete) == 0
    world.check_books()


def test_a_machine_that_was_never_there_loses_its_job_too(world: World, machine: Twin) -> None:
    job = world.placed()
    type(machine.row).objects.update(last_seen=None)
    machine.disconnect()
    watched(world, 140)

    assert story(job).count("submitted") == 2


def test_the_jobs_of_a_machine_that_left_go_elsewhere_at_once(world: World, machine: Twin) -> None:
    job, _ = running(world, machine)
    recorded = world.placed()
    Job.objects.filter(id=recorded.id).update(state=State.RECORDED)
    machines.leave(machine.row)
    world.machine(world.eve, "other")
    world.sweep()

    world.run()
    assert (state(job), state(recorded)) == (State.SUCCEEDED, State.SUCCEEDED)
    assert world.earned(world.pete) == 0
    world.check_books()


def test_while_the_broker_is_away_nobody_is_judged_nor_in_the_minute_after(
    world: World, machine: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, run = running(world, machine, timeout_s=5)
    watched(world, 10)
    waits = world.call()

    def away(_: MemoryBroker) -> set[str]:
        raise OperationalError("no route to host")

    with monkeypatch.context() as patch:
        patch.setattr(MemoryBroker, "connected", away)
        machine.disconnect()
        watched(world, 600)
        assert (state(job), state(waits)) == (State.RUNNING, State.SUBMITTED)
    watched(world, 30)
    assert state(job) == State.RUNNING, "its result may be in the machine's outbox"

    machine.connect()
    machine.end(run)
    world.pump()
    assert (state(job), fresh(job).attempt) == (State.SUCCEEDED, 1)
    watched(world, 20)
    world.run()
    assert state(waits) == State.SUCCEEDED
    world.check_books()


def test_a_process_that_did_not_look_for_long_cannot_tell_who_was_away(world: World, machine: Twin) -> None:
    job, _ = running(world, machine, timeout_s=300)
    watched(world, 61)
    machine.disconnect()
    world.later(600)
    recovery._BrokerSeen.last = 0.0
    recovery.sweep()

    assert state(job) == State.RUNNING


def test_a_result_that_does_not_come_is_waited_for_a_while_and_then_the_job_goes_elsewhere(
    world: World, machine: Twin
) -> None:
    job, run = running(world, machine, timeout_s=5)
    watched(world, 30)
    assert state(job) == State.RUNNING
    other = world.machine(world.eve, "other")
    watched(world, 40)

    assert (fresh(job).attempt, fresh(job).machine_id) == (2, other.id)
    machine.take()
    assert machine.cancelled == {f"{run.job}.1"}, "it need not go on"
    world.run()
    assert state(job) == State.SUCCEEDED
    world.check_books()


def test_a_job_that_is_never_started_goes_elsewhere(world: World, machine: Twin) -> None:
    job = world.placed()
    watched(world, 100)
    assert state(job) == State.QUEUED
    world.later(3700)
    recovery.sweep()

    assert story(job).count("submitted") == 2


def test_a_sweep_goes_on_after_a_job_that_breaks_it(
    world: World, machine: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [world.call() for _ in range(3)]
    place = lifecycle.place

    def breaks(job: Job) -> None:
        if job.id == jobs[0].id:
            raise ZeroDivisionError
        place(job)

    monkeypatch.setattr(lifecycle, "place", breaks)
    world.sweep()
    assert [state(job) for job in jobs] == [State.SUBMITTED, State.QUEUED, State.QUEUED]


def test_many_jobs_that_are_stuck_keep_no_other_from_its_turn(
    world: World, machine: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "AT_ONCE", 2)
    too_large = world.function(memory_mb=16_000)
    for _ in range(5):
        world.call(too_large)
    job = world.call()
    for _ in range(3):
        world.sweep()

    assert state(job) == State.QUEUED


def test_a_job_ended_by_another_while_the_sweep_came_to_it_is_left_alone(world: World, machine: Twin) -> None:
    job = world.placed()
    stale = fresh(job)
    world.run()
    lifecycle.give_up(stale, "machine-gone", "It went away.")
    lifecycle.refuse(stale, ChainFaaSError())
    lifecycle.settle(stale)
    lifecycle.settle(fresh(job))

    assert story(job)[-1] == "succeeded"
    world.check_books()


def test_old_keys_are_free_again(world: World, machine: Twin) -> None:
    job = world.call(key="k")
    world.run()
    world.later(24 * 3600 - 100)
    world.sweep()
    assert fresh(job).idempotency_key == "k"
    world.later(200)
    world.sweep()

    assert fresh(job).idempotency_key is None
    assert world.call(key="k").id != job.id


# --- the ledger or the broker is away for a moment ----------------------------------------------------------


class Away:
    """The n-th call of the ledger fails, before or after it was made; all others go through."""

    def __init__(self, patch: pytest.MonkeyPatch, name: str) -> None:
        self.calls, self.fails, self.after, self.step = 0, 0, False, getattr(EmbeddedLedger, name)
        patch.setattr(EmbeddedLedger, name, lambda *args: self._call(*args))

    def at(self, call: int, after: bool) -> None:
        self.calls, self.fails, self.after = 0, call, after

    def _call(self, *args: Any) -> Any:
        self.calls += 1
        fails = self.calls == self.fails
        if fails and not self.after:
            raise Unavailable("it does not answer")
        answer = self.step(*args)
        if fails:
            raise Unavailable("it went away before it answered")
        return answer


@pytest.mark.parametrize("name", ["endorse", "submit", "evaluate"])
@pytest.mark.parametrize("after", [False, True], ids=["unheard", "unanswered"])
def test_whenever_the_ledger_is_away_the_job_is_paid_later(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, after: bool, settings: Any
) -> None:
    settings.POLICY = "cheapest"
    world.machine(rate=1).behave = lambda run: Ended(outcome=Outcome.IMAGE_UNAVAILABLE, run_ms=0)
    world.machine(world.eve, "second", rate=2)
    away = Away(monkeypatch, name)
    for call in range(1, 20):
        away.at(call, after)
        job = world.call()
        try:
            lifecycle.place(job)
        except LedgerAway:
            assert state(job) == State.ASSIGNED
        world.run()
        failed = away.calls >= call
        for _ in range(4):
            away.fails = 0
            world.sweep()
            world.run()
        assert (state(job), fresh(job).settled) == (State.SUCCEEDED, True), f"call {call}"
        if not failed:
            break
    assert call > 1
    world.check_books()


def test_a_task_that_could_not_be_sent_is_sent_later(
    world: World, machine: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.call()

    def full(*_: object, **__: object) -> None:
        raise OperationalError("the queue is full")

    with monkeypatch.context() as patch:
        patch.setattr(dispatch, "_send", full)
        with pytest.raises(OperationalError):
            lifecycle.place(job)
        assert state(job) == State.RECORDED
        recovery.sweep()
    world.sweep()
    world.run()
    assert state(job) == State.SUCCEEDED
    world.check_books()


def test_what_is_sent_for_speed_alone_stops_nobody(
    world: World, machine: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("no broker")

    job, run = running(world, machine)
    other = world.placed()
    waits = world.call()
    with monkeypatch.context() as patch:
        for name in ("place", "cancel", "confirm_received"):
            patch.setattr(dispatch, name, away)
        patch.setattr(MemoryBell, "ring", away)
        lifecycle.cancel(fresh(other))
        machine.end(run)
        world.pump()
        lifecycle.cancel(waits)
        lifecycle.give_up(fresh(other), "machine-gone", "It went away.")
    assert not [error for error in world.failures if not isinstance(error, OperationalError)]
    world.sweep()
    world.run()

    assert (state(job), state(other), state(waits)) == (State.SUCCEEDED, State.CANCELLED, State.CANCELLED)
    world.check_books()


def test_a_report_waits_for_the_database(
    world: World, machine: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, run = running(world, machine)
    tries: list[float] = []
    finished = lifecycle.finished

    def away_at_first(*args: Any, **options: Any) -> str | None:
        tries.append(1)
        if len(tries) < 30:
            raise DatabaseAway("the server closed the connection unexpectedly")
        return finished(*args, **options)

    monkeypatch.setattr(lifecycle, "finished", away_at_first)
    machine.end(run)
    world.pump()

    assert state(job) == State.SUCCEEDED
    world.sweep()
    world.check_books()


def test_the_bodies_of_place_and_sweep_do_what_they_say(world: World, machine: Twin) -> None:
    job, other = world.call(), world.call()
    tasks.place(job.key)
    assert state(job) == State.QUEUED
    world.later(10)
    tasks.sweep()
    assert state(other) == State.QUEUED


# --- what the ledger says that is not expected --------------------------------------------------------------


def test_a_job_with_a_tombstone_does_not_run(world: World, machine: Twin) -> None:
    job = world.call()
    Job.objects.filter(id=job.id).update(attempt=1)
    ledger.release(fresh(job), "job-cancelled")
    Job.objects.filter(id=job.id).update(attempt=0)
    lifecycle.place(fresh(job))
    world.run()

    job = fresh(job)
    assert (job.state, job.settled, job.cost) == (State.CANCELLED, True, 0)
    assert machine.runs == []
    assert ledger.history(job.key) == []
    world.check_books()


def test_a_job_that_the_ledger_has_with_other_terms_is_not_run(world: World, machine: Twin) -> None:
    job = world.placed()
    Job.objects.filter(id=job.id).update(state=State.ASSIGNED, memory_mb=64)

    with pytest.raises(LedgerAway, match="EXISTS"):
        lifecycle.place(fresh(job))


def test_an_attempt_that_the_ledger_has_given_to_another_is_not_run(world: World, machine: Twin) -> None:
    job = world.placed()
    Job.objects.filter(id=job.id).update(state=State.ASSIGNED, attempt=3)

    with pytest.raises(LedgerAway, match="WRONG_ATTEMPT"):
        lifecycle.place(fresh(job))


def test_an_attempt_after_the_jobs_end_on_the_ledger_is_not_run(world: World, machine: Twin) -> None:
    job = world.placed()
    ledger.release(fresh(job), "by hand")
    Job.objects.filter(id=job.id).update(state=State.ASSIGNED, attempt=2)
    machine.take().clear()
    lifecycle.place(fresh(job))
    world.run()

    assert state(job) == State.CANCELLED
    assert len(machine.runs) == 1


def test_outputs_are_kept_so_long_and_jobs_for_good(
    world: World, machine: Twin, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "BITE", 2)
    settings.KEEP_OUTPUTS_S = 3
    old = [world.placed() for _ in range(5)]
    world.run(pause_s=0)
    recovery.sweep()
    assert JobOutput.objects.count() == 5

    time.sleep(3)
    new = world.placed()
    world.run(pause_s=0)
    recovery.sweep()

    assert [kept.job_id for kept in JobOutput.objects.all()] == [new.id]
    assert {state(job) for job in old} == {State.SUCCEEDED}
