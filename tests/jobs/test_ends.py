"""How jobs end, and who pays for each end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from msgspec import structs

from chaincode import pricing
from chaincode.receipt import Receipt
from chainfaas.errors import NoFunds, NoProviderReady, NoRuntime
from chainfaas.jobs import lifecycle, placing, recovery
from chainfaas.ledger import accounts
from chainfaas.ledger import jobs as ledger
from chainfaas.models import Job, JobInput, State
from chainfaas.scheduler import candidates
from tasks.messages import Outcome, Result, Run
from tests.cast import Ended
from tests.jobs.world import Twin, World, fresh, output, state, story


def price(job: Job, ms: int) -> int:
    return pricing.cost(ms, job.rate, job.memory_mb)


# --- ends that the function brought about ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "says"),
    [
        (Ended(exit_code=3, run_ms=120), "exit code 3"),
        (Ended(outcome=Outcome.SIGNALLED, exit_code=139, run_ms=120), "signal 11"),
        (Ended(outcome=Outcome.OUT_OF_MEMORY, exit_code=137, run_ms=120), "128 MiB"),
        (Ended(outcome=Outcome.OUTPUT_LIMIT, exit_code=137, run_ms=120), "1 MiB"),
    ],
)
def test_a_failure_by_the_functions_fault_is_billed(
    world: World, machine: Twin, end: Ended, says: str
) -> None:
    machine.behave = lambda run: end
    job = world.placed()
    world.run()

    job = fresh(job)
    assert (job.state, job.problem, job.billed_ms) == (State.FAILED, "function-failed", 120)
    assert says in job.detail
    assert job.cost == price(job, 120)
    world.check_books()


def test_a_timeout_that_the_controller_saw_too_is_billed(world: World, machine: Twin) -> None:
    machine.behave = lambda run: Ended(outcome=Outcome.TIMED_OUT, exit_code=137, run_ms=10_050)
    job = world.placed(world.function(timeout_s=10))
    world.run(pause_s=10.1)

    job = fresh(job)
    assert (job.state, job.problem, job.billed_ms) == (State.TIMED_OUT, "function-timeout", 10_000)
    assert job.cost == price(job, 10_000)
    world.check_books()


def test_a_timeout_before_the_time_is_not_billed_and_goes_to_another_machine(
    world: World, machine: Twin
) -> None:
    job = world.placed(world.function(timeout_s=10))
    other = world.machine(world.eve, "honest")
    machine.behave = lambda run: Ended(outcome=Outcome.TIMED_OUT, exit_code=137, run_ms=10_000)
    world.run(pause_s=1)

    job = fresh(job)
    assert (job.state, job.attempt, job.machine_id) == (State.SUCCEEDED, 2, other.id)
    assert world.earned(world.pete) == 0
    assert world.earned(world.eve) == job.cost == price(job, 120)
    world.check_books()


def test_a_stop_that_nobody_asked_for_goes_to_another_machine(world: World, machine: Twin) -> None:
    job = world.placed()
    other = world.machine(world.eve, "honest")
    machine.behave = lambda run: Ended(outcome=Outcome.CANCELLED, run_ms=100)
    world.run()

    assert (state(job), fresh(job).machine_id) == (State.SUCCEEDED, other.id)
    world.check_books()


# --- ends that nobody pays ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "problem"),
    [
        (Outcome.IMAGE_UNAVAILABLE, "image-unavailable"),
        (Outcome.RUNTIME_BROKEN, "runtime-broken"),
        (Outcome.REFUSED, "machine-refused"),
        (Outcome.LOST, "machine-lost"),
    ],
)
def test_three_machines_at_fault_lose_the_job_and_nobody_pays(
    world: World, machine: Twin, outcome: Outcome, problem: str
) -> None:
    for twin in (machine, world.machine(world.eve, "two"), world.machine(world.pete, "three")):
        twin.behave = lambda run: Ended(outcome=outcome, run_ms=0)
    job = world.placed()
    world.run()

    job = fresh(job)
    assert (job.state, job.attempt, job.problem, job.settled, job.cost) == (State.LOST, 3, problem, True, 0)
    assert [len(twin.runs) for twin in world.twins] == [1, 1, 1], "each machine had its try"
    assert not JobInput.objects.filter(job=job).exists()
    assert accounts.balance(str(world.dora.user.id)).held == 0
    world.check_books()


def test_a_call_without_the_money_for_it_ends_and_costs_nothing(world: World, machine: Twin) -> None:
    job = world.call(world.function(memory_mb=2048, timeout_s=900, max_rate=1_000_000), key="k")

    with pytest.raises(NoFunds):
        lifecycle.place(job)
    world.pump()

    job = fresh(job)
    assert (job.state, job.problem, job.settled, job.cost) == (State.CANCELLED, "no-funds", True, 0)
    assert job.idempotency_key is None, "once there is money, the same call may come again"
    assert machine.take() == []
    world.check_books()


def test_without_a_machine_a_call_waits(world: World) -> None:
    job = world.call()

    with pytest.raises(NoProviderReady, match="No machine is connected"):
        lifecycle.place(job)

    assert state(job) == State.SUBMITTED
    assert world.totals()["held"] == 0


def test_a_paused_machine_gets_no_job(world: World, machine: Twin) -> None:
    type(machine.row).objects.update(paused=True)

    with pytest.raises(NoProviderReady):
        lifecycle.place(world.call())


def test_a_machine_that_is_too_small_or_too_dear_gets_no_job(world: World, machine: Twin) -> None:
    for terms in ({"memory_mb": 8192}, {"cpus": 5.0}, {"max_rate": 15}):
        with pytest.raises(NoProviderReady, match="No connected machine fits"):
            lifecycle.place(world.call(world.function(**terms)))


def test_other_images_than_the_bundled_need_containers(world: World) -> None:
    world.machine(containers=False)

    with pytest.raises(NoRuntime):
        lifecycle.place(world.call(world.function(image="docker.io/library/python:3.11")))


def test_a_full_queue_is_said_and_an_asynchronous_call_gets_the_first_free_place(
    world: World, machine: Twin
) -> None:
    type(machine.row).objects.update(slots=1)
    function = world.function()
    ahead = [world.placed(function) for _ in range(4)]
    waits = world.call(function)

    with pytest.raises(NoProviderReady, match="queue is full"):
        lifecycle.place(waits)
    assert state(waits) == State.SUBMITTED

    world.pump()
    run = machine.take().pop(0)
    machine.start(run)
    machine.end(run)
    world.pump()
    assert state(waits) == State.QUEUED, "without a sweep"

    world.run()
    assert {state(job) for job in [*ahead, waits]} == {State.SUCCEEDED}
    world.check_books()


def test_a_call_that_found_no_machine_for_a_day_is_given_up(world: World) -> None:
    job = world.call()
    world.later(25 * 3600)
    world.sweep()

    job = fresh(job)
    assert (job.state, job.problem, job.settled, job.cost) == (State.CANCELLED, "no-provider", True, 0)


# --- cancelling --------------------------------------------------------------------------------------------


def test_cancelled_before_it_was_placed_it_costs_nothing(world: World) -> None:
    job = world.call()
    lifecycle.cancel(job)

    job = fresh(job)
    assert (job.state, job.settled, job.cost) == (State.CANCELLED, True, 0)
    world.check_books()


def test_cancelled_in_the_queue_it_is_not_begun_and_costs_nothing(world: World, machine: Twin) -> None:
    job = world.placed()
    lifecycle.cancel(fresh(job))
    world.run()

    job = fresh(job)
    assert (job.state, job.problem, job.settled, job.cost) == (State.CANCELLED, "job-cancelled", True, 0)
    assert job.started_at is None
    world.check_books()


def test_cancelled_while_it_runs_it_is_billed_what_ran(world: World, machine: Twin) -> None:
    job = world.placed()
    run = machine.next()
    machine.start(run)
    world.pump()
    lifecycle.cancel(fresh(job))
    world.later(2)
    machine.take()
    assert machine.cancelled == {job.task_id}

    machine.end(run, Ended(outcome=Outcome.CANCELLED, exit_code=143, run_ms=250))
    world.pump()

    job = fresh(job)
    assert (job.state, job.settled, job.billed_ms, job.cost) == (State.CANCELLED, True, 250, price(job, 250))
    world.check_books()


def test_a_result_that_was_quicker_than_the_cancel_counts(world: World, machine: Twin) -> None:
    job = world.placed()
    run = machine.next()
    machine.start(run)
    world.pump()
    lifecycle.cancel(fresh(job))
    world.later(1)
    machine.end(run)
    world.pump()

    assert state(job) == State.SUCCEEDED
    world.check_books()


def test_a_cancelled_job_whose_machine_never_answers_ends_and_costs_nothing(
    world: World, machine: Twin
) -> None:
    job = world.placed()
    run = machine.next()
    machine.start(run)
    world.pump()
    recovery.sweep()
    world.later(100)
    lifecycle.cancel(fresh(job))
    world.later(11)
    world.sweep()

    job = fresh(job)
    assert (job.state, job.settled, job.cost) == (State.CANCELLED, True, 0)
    machine.end(run)
    world.pump()
    assert state(job) == State.CANCELLED
    assert world.earned(world.pete) == 0
    world.check_books()


def test_a_cancel_that_the_machine_did_not_hear_is_said_again(world: World, machine: Twin) -> None:
    job = world.placed()
    run = machine.next()
    machine.start(run)
    world.pump()
    lifecycle.cancel(fresh(job))
    machine.take()
    machine.cancelled.clear()  # it was restarting just then

    world.sweep()
    machine.take()

    assert machine.cancelled == {job.task_id}


def test_a_job_can_be_cancelled_twice_and_not_after_its_end(world: World, machine: Twin) -> None:
    job = world.placed()
    lifecycle.cancel(fresh(job))
    first = fresh(job).cancel_requested_at
    lifecycle.cancel(fresh(job))
    assert fresh(job).cancel_requested_at == first
    world.run()

    done = world.placed()
    world.run()
    lifecycle.cancel(done)
    assert (state(done), fresh(done).cancel_requested_at) == (State.SUCCEEDED, None)
    world.check_books()


def test_a_cancel_finds_a_job_that_is_being_placed_at_that_moment(
    world: World, machine: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.call()
    elsewhere = fresh(job)
    refresh = Job.refresh_from_db

    def placed_just_then(row: Job, **options: object) -> None:
        monkeypatch.setattr(Job, "refresh_from_db", refresh)
        refresh(row, **options)
        lifecycle.place(elsewhere)

    monkeypatch.setattr(Job, "refresh_from_db", placed_just_then)
    lifecycle.cancel(job)
    machine.take()

    assert machine.cancelled == {fresh(job).task_id}
    world.run()
    assert (state(job), fresh(job).cost) == (State.CANCELLED, 0)
    world.check_books()


def test_a_cancelled_job_is_not_tried_on_another_machine(world: World, machine: Twin) -> None:
    job = world.placed()
    run = machine.next()
    stale = fresh(job)
    lifecycle.cancel(fresh(job))
    lifecycle.give_up(stale, "machine-gone", "It had not heard of the cancel.")
    world.machine(world.eve, "other")
    world.run()

    job = fresh(job)
    assert (job.state, job.settled, job.cost) == (State.CANCELLED, True, 0)
    assert run.attempt == job.attempt == 1
    world.check_books()


def test_a_job_cancelled_while_its_task_is_being_sent_is_no_error(
    world: World, machine: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.call()
    create = ledger.create

    def cancelled_meanwhile(row: Job) -> str:
        tx = create(row)
        lifecycle.cancel(fresh(row))
        return tx

    monkeypatch.setattr(ledger, "create", cancelled_meanwhile)
    lifecycle.place(job)
    world.run()

    assert (state(job), fresh(job).cost) == (State.CANCELLED, 0)
    world.check_books()


def test_a_job_cancelled_between_its_record_and_its_task_is_no_error(world: World, machine: Twin) -> None:
    job = world.call()
    placing.assign(job, candidates.connected())
    lifecycle._record(job)
    lifecycle.cancel(fresh(job))

    lifecycle.place(job)  # it still holds the row of before

    world.run()
    assert (state(job), fresh(job).cost) == (State.CANCELLED, 0)
    assert world.failures == []
    world.check_books()


# --- reports that do not count -----------------------------------------------------------------------------


def test_the_same_result_twice_counts_once(world: World, machine: Twin) -> None:
    job = world.placed()
    run = machine.next()
    machine.start(run)
    world.pump()
    world.later(1)
    result = machine.end(run)
    machine.send(result)
    world.pump()
    machine.send(result)
    machine.start(run)
    world.pump()

    assert story(job)[-2:] == ["running", "succeeded"]
    world.check_books()


def test_a_strangers_result_is_ignored_even_with_a_receipt_of_her_own(world: World, machine: Twin) -> None:
    eves = world.machine(world.eve, "eves")
    type(eves.row).objects.filter(id=eves.id).update(paused=True)
    job = world.placed()
    run = machine.next()

    eves.start(run)
    eves.end(run, Ended(output=b"forged", run_ms=10_000))
    world.pump()
    assert state(job) == State.QUEUED

    machine.start(run)
    world.pump()
    eves.end(run, Ended(output=b"forged", run_ms=10_000))
    world.pump()
    world.later(1)
    machine.end(run)
    world.pump()
    assert output(job) == b"hello"
    assert world.earned(world.eve) == 0
    world.check_books()


def test_a_result_of_an_attempt_that_was_given_up_does_not_count(world: World, machine: Twin) -> None:
    job = world.placed()
    old = machine.next()
    machine.start(old)
    world.pump()
    lifecycle.give_up(fresh(job), "machine-gone", "The machine went away.")
    world.pump()
    job = fresh(job)
    assert (job.state, job.attempt, job.machine_id) == (State.QUEUED, 2, machine.id)

    machine.end(old, Ended(output=b"late", run_ms=50))
    world.pump()
    assert state(job) == State.QUEUED

    world.run()
    assert (state(job), output(job)) == (State.SUCCEEDED, b"hello")
    world.check_books()


def test_a_job_that_does_not_exist_has_no_results(world: World, machine: Twin) -> None:
    job = world.placed()
    run = machine.next()
    machine.end(structs.replace(run, job="00000000-0000-7000-8000-000000000000"))
    world.pump()

    assert state(job) == State.QUEUED
    assert world.failures == []


def test_of_more_run_time_than_the_controller_saw_the_lesser_is_billed(world: World, machine: Twin) -> None:
    machine.behave = lambda run: Ended(run_ms=9_000)
    job = world.placed()
    world.run(pause_s=0.3)

    job = fresh(job)
    assert job.wall_ms is not None
    assert 300 <= job.wall_ms < 3000
    assert (job.billed_ms, job.cost) == (job.wall_ms, price(job, job.wall_ms))
    world.check_books()


def test_a_result_before_its_start_waits_for_it(world: World, machine: Twin) -> None:
    job = world.placed()
    run = machine.next()
    report = machine.report(run, Ended(run_ms=100))
    world.later(5)
    now = timezone.now()

    with pytest.raises(lifecycle.ResultBeforeStart):
        lifecycle.finished(machine.id, report, now, patient=True)
    assert state(job) == State.QUEUED
    machine.started(run, now - timedelta(seconds=1))

    assert lifecycle.finished(machine.id, report, now, patient=True) == job.key
    world.sweep()
    assert fresh(job).billed_ms == 100
    world.check_books()


def test_a_result_whose_start_never_comes_is_taken_and_nothing_billed(world: World, machine: Twin) -> None:
    job = world.placed()
    machine.end(machine.next())
    world.pump()

    job = fresh(job)
    assert (job.state, job.settled, job.billed_ms, job.cost) == (State.SUCCEEDED, True, 0, 0)
    world.check_books()


# --- receipts ----------------------------------------------------------------------------------------------


def signed_wrongly(machine: Twin, result: Result, how: str, stranger: Twin) -> Result:
    if how == "another key":
        signature = stranger.report(
            attempt_of(result), Ended(output=result.output, run_ms=result.run_ms)
        ).signature
    elif how == "another attempt":
        receipt = Receipt("chainfaas", result.job, 2, result.run_ms, 0, "0" * 64)
        signature = receipt.sign(machine.key)
    else:
        signature = {"none": "", "no base64": "!" * 40, "not ASCII": "\u00fc" * 40, "long": "A" * 256}[how]
    return structs.replace(result, signature=signature)


def attempt_of(result: Result) -> Run:
    return Run(result.job, result.attempt, "", 0, 0, 0, {}, False, b"")


WRONG = ("another key", "another attempt", "none", "no base64", "not ASCII", "long")


@pytest.mark.parametrize("how", WRONG)
def test_without_a_good_receipt_a_job_is_confirmed_and_the_machines_own_word_pays_it(
    world: World, machine: Twin, how: str
) -> None:
    job, result = finished_with_bad_receipt(world, machine, how)
    job = fresh(job)
    assert (job.state, job.settled) == (State.SUCCEEDED, False)
    assert job.confirmed_at is not None
    assert ledger.read(job.key)["received"]  # type: ignore[index]
    world.sweep()
    assert not fresh(job).settled

    with machine.ledger() as petes:
        document = {
            "job": job.key,
            "attempt": 1,
            "run_ms": result.run_ms,
            "exit_code": 0,
            "result_sha256": job.result_sha256,
        }
        petes.transact("monitoring", "set_time", document)
        if how != "none":
            petes.transact("monitoring", "settle", {"job": job.key})
    world.sweep()

    job = fresh(job)
    assert (job.settled, job.billed_ms, job.cost) == (True, 120, price(job, 120))
    assert world.earned(world.pete) == job.cost
    world.check_books()


def test_without_receipt_and_word_the_hold_is_freed_in_the_end(world: World, machine: Twin) -> None:
    job, _ = finished_with_bad_receipt(world, machine, "another key")
    world.later(590)
    world.sweep()
    assert not fresh(job).settled
    world.later(20)
    world.sweep()

    job = fresh(job)
    assert (job.state, job.settled, job.cost) == (State.SUCCEEDED, True, 0)
    world.check_books()


def test_a_hold_that_was_freed_when_the_process_died_is_seen_to_be_free(world: World, machine: Twin) -> None:
    job, _ = finished_with_bad_receipt(world, machine, "another key")
    ledger.release(fresh(job), "no-receipt")  # and here it died
    world.sweep()

    job = fresh(job)
    assert (job.settled, job.cost) == (True, 0)
    world.check_books()


def test_a_release_that_was_made_when_the_process_died_is_not_made_again(world: World, machine: Twin) -> None:
    job = world.placed()
    lifecycle.cancel(fresh(job))
    machine.end(machine.next(), Ended(outcome=Outcome.CANCELLED, run_ms=0))
    world._inboxes(world.app.connection_for_read().default_channel)
    ledger.release(fresh(job), "job-cancelled")  # and here it died
    world.pump()
    world.sweep()

    assert (fresh(job).settled, fresh(job).cost) == (True, 0)
    world.check_books()


def test_words_of_both_sides_pay_though_the_controller_was_about_to_free_the_hold(
    world: World, machine: Twin
) -> None:
    job, _ = finished_with_bad_receipt(world, machine, "another key")
    with machine.ledger() as petes:
        document = {"job": job.key, "attempt": 1, "run_ms": 120, "exit_code": 0}
        petes.transact("monitoring", "set_time", {**document, "result_sha256": fresh(job).result_sha256})

    settlement = ledger.release(fresh(job), "no-receipt")

    assert settlement.cost == price(fresh(job), 120)
    world.sweep()
    world.check_books()


def finished_with_bad_receipt(world: World, machine: Twin, how: str) -> tuple[Job, Result]:
    eves = world.machine(world.eve, "eves")
    type(eves.row).objects.filter(id=eves.id).update(paused=True)
    job = world.placed()
    run = machine.next()
    machine.start(run)
    world.pump()
    world.later(1)
    result = machine.report(run, Ended(output=b"hello", run_ms=120))
    machine.send(signed_wrongly(machine, result, how, eves))
    world.pump()
    return job, result
