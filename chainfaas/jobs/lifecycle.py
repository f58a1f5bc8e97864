"""The story of a job, top to bottom: submit, place, started, finished, settle; and what can cut it short.

Every function may run twice and may be cut off at any line: a move is a conditional update, the ledger and
the machines know a repeat by the job's id and attempt, and the sweeper (recovery.py) takes up what was left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from chainfaas import dispatch, waiting
from chainfaas.errors import (
    BadInput,
    ChainFaaSError,
    FunctionStopped,
    KeyReused,
    NoFunds,
    NotFound,
    TooManyRequests,
)
from chainfaas.jobs import placing, verdicts
from chainfaas.jobs.moves import move
from chainfaas.ledger import jobs as ledger
from chainfaas.models import Function, Job, JobInput, JobOutput, Move, State, User
from chainfaas.models.states import AT_MACHINE, UNDER_WAY
from chainfaas.scheduler import candidates
from tasks import messages

log = structlog.get_logger()

T = TypeVar("T")

ON_ITS_WAY = (State.SUBMITTED, State.ASSIGNED, State.RECORDED)
BY_ITS_OWNER = {"problem": "job-cancelled", "detail": "Cancelled by its owner."}


class ResultBeforeStart(Exception):
    """A result overtook its `started` on another worker; take it in again in a moment."""


# --- the way of a job that goes well -----------------------------------------------------------------------


def submit(
    function: Function,
    caller: User | None,
    body: bytes,
    *,
    key: str | None = None,
    result_key: str = "",
    waits: bool = False,
) -> tuple[Job, bool]:
    """A new job for this call, or the job that the same caller made with the same key; whether it is new.
    `waits` says that the job is refused soon if no machine has room: others may have to stand in line."""
    if not function.active:
        raise FunctionStopped
    if key is not None and caller is None:
        raise BadInput(
            "An Idempotency-Key needs a token: without one there is nobody to tell calls apart by."
        )
    digest = hashlib.sha256(body).hexdigest()
    job = Job(
        function=function,
        function_name=function.full_name,
        developer=function.owner,
        caller=caller,
        idempotency_key=key,
        body_sha256=digest,
        result_key=result_key,
        **function.terms(),
    )
    job.moved_at = job.created_at
    try:
        with transaction.atomic():
            if caller != function.owner:
                placing.check_budget(function)
            if not waits:
                placing.check_line(function.owner)
            job.save(force_insert=True)
            JobInput.objects.create(job=job, body=body)
            Move.objects.create(job=job, state=State.SUBMITTED, attempt=0, at=job.created_at)
    except TooManyRequests:  # nothing new, but what was made before may be asked for
        made = _made_before(function, caller, key, digest)
        if made is None:
            raise
        return made, False
    except IntegrityError:
        if not Function.objects.filter(id=function.id).exists():
            raise NotFound(f"The function {function.full_name} was deleted just now.") from None
        made = _made_before(function, caller, key, digest)
        if made is None:  # refused just now, which freed its key
            return submit(function, caller, body, key=key, result_key=result_key, waits=waits)
        return made, False
    log.info("job.submitted", job=job.key, function=job.function_name, bytes=len(body))
    return job, True


def place(job: Job) -> None:
    """Assign a machine, hold the money on the ledger, send the task.

    Raises NoProviderReady while no machine has room: the job stays submitted. Raises NoFunds when the ledger
    refuses the hold: the job is cancelled."""
    if job.cancel_requested_at is not None:
        cancel(job)  # it was on its way from one machine to another when its owner stopped it
        return
    if job.state == State.SUBMITTED:
        placing.assign(job, candidates.connected())
    if job.state == State.ASSIGNED:
        _record(job)
    if job.state == State.RECORDED:
        _send(job)


def started(machine: str, report: messages.Started, seen: datetime) -> None:
    """The machine says that the function starts. Of a stale attempt, or from another machine: ignored."""
    job = _job_at(machine, report)
    if job is not None and job.started_at is None:
        facts = {"started_at": max(seen, job.created_at), "prepared_ms": report.prepared_ms}
        move(job, {State.RECORDED, State.QUEUED}, State.RUNNING, **facts)


def finished(machine: str, report: messages.Result, seen: datetime, *, patient: bool = False) -> str | None:
    """The machine says how the attempt ended. The job's id if that ended the job, else None: a repeat, a
    stale attempt, another's job, or an end that counts against the machine and not the job.

    With `patient`, a result whose `started` has not been seen raises ResultBeforeStart."""
    job = _job_at(machine, report)
    if job is None:
        log.warning("result.ignored", job=report.job, attempt=report.attempt, machine=machine)
        return None
    if patient and job.started_at is None and report.run_ms:
        raise ResultBeforeStart
    verdict = verdicts.judge(job, report, seen)
    if verdict.state is None:
        give_up(job, verdict.problem, verdict.detail)
        return None
    facts = {
        "finished_at": timezone.now(),
        "pull_ms": report.pull_ms,
        "run_ms": report.run_ms,
        "wall_ms": verdict.wall_ms,
        "exit_code": report.exit_code,
        "result_sha256": hashlib.sha256(report.output).hexdigest(),
        "signature": report.signature,
        "problem": verdict.problem,
        "detail": verdict.detail,
    }
    with transaction.atomic():
        if not move(job, AT_MACHINE, verdict.state, **facts):
            return None
        JobOutput.objects.create(job=job, body=report.output, log=report.log)
    _ring(job)
    _use_free_place(job)
    return job.key


def settle(job: Job) -> None:
    """Close the hold of an ended job: pay what is billed, or free it."""
    if job.settled or not job.ended:
        return
    if not job.attempt:
        settlement = ledger.Settlement(0, 0)  # the ledger never heard of it
    elif not verdicts.is_billed(job):
        settlement = ledger.release(job, job.problem or job.state)
    elif job.confirmed_at is None:
        try:
            settlement = ledger.finish(job)
        except ledger.NoReceipt as error:
            log.warning("receipt.missing", job=job.key, machine=job.machine_id, why=str(error))
            received = ledger.confirm(job)
            with transaction.atomic():
                Job.objects.filter(id=job.id).update(confirmed_at=timezone.now(), received_tx=received)
            return
    else:
        paid = ledger.settle(job)
        waited_s = (timezone.now() - job.confirmed_at).total_seconds()
        if paid is None and waited_s < settings.RECEIPT_WAIT_S:
            return
        settlement = paid or ledger.release(job, "no-receipt")
    _close(job, settlement)


# --- what can cut it short ---------------------------------------------------------------------------------


def refuse(job: Job, error: ChainFaaSError) -> None:
    """The call was answered with an error before a machine had it: the job ends here, and its key is free, so
    that the caller can try the same call again."""
    facts = {"problem": error.slug, "detail": error.detail[:500], "idempotency_key": None}
    if move(job, {State.SUBMITTED, State.ASSIGNED}, State.CANCELLED, **facts):
        _after_end(job)


def cancel(job: Job) -> None:
    """Stop the job for its owner. One that a machine has ends when the machine says that it stopped it."""
    asked = Job.objects.filter(id=job.id, state__in=UNDER_WAY, cancel_requested_at=None)
    with transaction.atomic():
        asked.update(cancel_requested_at=timezone.now())
    job.refresh_from_db()
    ended = _stop_on_its_way(job)
    if job.machine_id is not None and (ended or job.state in AT_MACHINE):
        _soon(dispatch.cancel, job)
    if ended:
        _after_end(job)


def give_up(job: Job, problem: str, detail: str) -> None:
    """This attempt came to nothing, not by the function's fault: try another machine, at most 3 in all."""
    log.warning("attempt.given_up", job=job.key, attempt=job.attempt, machine=job.machine_id, why=problem)
    why = {"problem": problem, "detail": detail[:500]}
    if job.cancel_requested_at is not None:
        ended = move(job, AT_MACHINE, State.CANCELLED, **BY_ITS_OWNER)
    elif job.attempt >= settings.ATTEMPTS:
        ended = move(job, AT_MACHINE, State.LOST, **why)
    else:
        again = {"machine_id": None, "started_at": None, "prepared_ms": None}
        ended = False
        if move(job, AT_MACHINE, State.SUBMITTED, **again):
            _soon(dispatch.place, job.key)
    if ended:
        _after_end(job)


# --- parts of the story ------------------------------------------------------------------------------------


def _record(job: Job) -> None:
    """Have the ledger hold the money (first attempt) or know the new machine (a later one)."""
    try:
        tx = ledger.create(job) if job.attempt == 1 else ledger.reassign(job)
    except NoFunds as error:
        refuse(job, error)
        raise
    except ledger.Tombstone as error:
        refuse(job, error)
        return
    move(job, {State.ASSIGNED}, State.RECORDED, created_tx=job.created_tx or tx)


def _send(job: Job) -> None:
    try:
        dispatch.run(job)
    except JobInput.DoesNotExist:  # it was cancelled at this moment, and took its input along
        return
    move(job, {State.RECORDED}, State.QUEUED)


def _stop_on_its_way(job: Job) -> bool:
    """End it, if no machine is known to have it. The ledger and a machine know a stop that came first."""
    while job.state in ON_ITS_WAY:
        if move(job, ON_ITS_WAY, State.CANCELLED, **BY_ITS_OWNER):
            return True
        job.refresh_from_db()  # it went on at that moment
    return False


def _made_before(function: Function, caller: User | None, key: str | None, digest: str) -> Job | None:
    job = Job.objects.filter(caller=caller, idempotency_key=key, idempotency_key__isnull=False).first()
    if job is not None and (job.body_sha256 != digest or job.function_id != function.id):
        raise KeyReused
    return job


def _job_at(machine: str, report: messages.Report) -> Job | None:
    """The job that this machine may report on, in the attempt that counts."""
    return Job.objects.filter(
        id=report.job, attempt=report.attempt, machine=machine, state__in=AT_MACHINE
    ).first()


def _after_end(job: Job) -> None:
    """Wake who waits, have the hold closed, and let the next job have the place."""
    _ring(job)
    _use_free_place(job)
    if job.attempt:
        _soon(dispatch.confirm_received, job.key)
    else:
        settle(job)


def _use_free_place(job: Job) -> None:
    """A place became free at the job's machine: the job that waits longest and fits there may have it."""
    if job.machine is not None:
        waiting_longest = placing.fitting(job.machine).order_by("id").first()
        if waiting_longest is not None:
            _soon(dispatch.place, waiting_longest.key)


def _close(job: Job, settlement: ledger.Settlement) -> None:
    facts: dict[str, object] = {
        "settled": True,
        "cost": settlement.cost,
        "billed_ms": settlement.billed_ms,
        "paid_at": timezone.now(),
    }
    if job.created_tx and settlement.tx_id:
        facts |= dict.fromkeys(("received_tx", "time_tx", "settled_tx"), settlement.tx_id)
    elif job.attempt:
        facts |= ledger.transactions(job)
    with transaction.atomic():
        closed = Job.objects.filter(id=job.id, settled=False).update(**facts)
    if closed:
        log.info("job.settled", job=job.key, cost=settlement.cost)
        _ring(job)


def _ring(job: Job) -> None:
    _soon(waiting.connect(settings.WAKE_URL).ring, job.key)


def _soon(send: Callable[[T], None], what: T) -> None:
    """After the commit, for speed: where it fails, the sweeper does what it would have brought about."""

    def hurry() -> None:
        send(what)

    transaction.on_commit(hurry, robust=True)
