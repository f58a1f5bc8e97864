"""The sweeper: finishes or reassigns whatever was left half-way. Signals and hooks are speed, this is the
guarantee. It runs every few seconds, and running twice at once does no harm."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from chaincode.errors import LedgerError
from chainfaas import broker, dispatch
from chainfaas.errors import ChainFaaSError, LedgerAway, NoProviderReady
from chainfaas.jobs import lifecycle
from chainfaas.ledger import account_index, accounts, connection
from chainfaas.models import Job, JobOutput, Machine, State
from chainfaas.models.functions import TIMEOUT_S
from chainfaas.models.states import AT_MACHINE
from chainfaas.models.users import first_id
from chainfaas.scheduler import candidates
from tasks import topology

log = structlog.get_logger()

Step = Callable[[Job, set[str] | None], None]

AT_ONCE = 500
"""Jobs taken up in one sweep: the next one comes soon."""
RESULT_GRACE_S = 30
"""After a function's time limit, for its result to arrive."""
LONGEST_QUEUE_S = TIMEOUT_S[1] * topology.WAITING_PER_SLOT
"""A full queue of the longest functions."""
BITE, BITES = 20, 20
"""Outputs deleted in one transaction, and in one sweep."""
PAID_LATELY = timedelta(minutes=1)
CANCEL_GRACE_S = 10
"""For a machine to answer that it stopped a job."""


class _BrokerSeen:
    """Since when the broker answers without a break, as this process saw it. While it was away nobody could
    be connected or heard, so silence counts only from then on."""

    since: float | None = None
    last: float = 0.0


class _Round:
    """The last job that a sweep took up, where there were more than it could."""

    last = UUID(int=0)


def sweep() -> None:
    """One round over everything that is not settled."""
    connected = _note_connected()
    _see_envelopes_through(settings.STALE_S)
    for id in _stale():
        if not _guarded(id, connected):
            break
    _free_old_keys()
    _drop_old_outputs()
    _index_accounts()
    _fold_credits()


def after_restart() -> None:
    """What a process does first whose broker died with the one before: every message is sent again. A machine
    that had run an attempt sends its result again, or says that it was interrupted."""
    _see_envelopes_through(0.0)
    if broker.connect(settings.BROKER_URL).durable:
        return
    connected = _note_connected()
    for job in Job.objects.filter(settled=False).order_by("created_at"):
        if job.state in (State.QUEUED, State.RUNNING):
            _guarded(job.id, connected, _send_again)
        else:
            _guarded(job.id, connected)


def _stale() -> list[UUID]:
    """Jobs that did not move lately, the oldest first. If there are more than one sweep can take up, it goes
    on where the last one stopped: many that are stuck must not keep the others from their turn."""
    stale = timezone.now() - timedelta(seconds=settings.STALE_S)
    found = Job.objects.filter(settled=False, moved_at__lt=stale).order_by()
    ids = sorted(found.values_list("id", flat=True))
    if len(ids) > AT_ONCE:
        next_one = bisect_right(ids, _Round.last)
        ids = (ids[next_one:] + ids[:next_one])[:AT_ONCE]
        _Round.last = ids[-1]
    return ids


def _take_up(job: Job, connected: set[str] | None) -> None:
    if job.ended:
        lifecycle.settle(job)
    elif job.state in AT_MACHINE and connected is not None and _gone(job.machine, connected):
        lifecycle.give_up(job, "machine-gone", "The machine went away.")
    elif job.state in (State.QUEUED, State.RUNNING):
        _look_after(job)
    elif job.state == State.SUBMITTED and _older(job.created_at, settings.PLACE_LIFETIME_S):
        lifecycle.refuse(job, NoProviderReady("No machine had room for a whole day."))
    else:
        lifecycle.place(job)


def _look_after(job: Job) -> None:
    """A job that a machine has: is it still in time?"""
    if job.cancel_requested_at is not None:
        dispatch.cancel(job)  # again: the machine may not have heard it
        if _silent(job.cancel_requested_at, CANCEL_GRACE_S):
            lifecycle.give_up(job, "job-cancelled", "Cancelled by its owner.")
    elif job.state == State.RUNNING and _silent(job.started_at, job.timeout_s + RESULT_GRACE_S):
        dispatch.cancel(job)
        lifecycle.give_up(job, "no-result", "The machine did not send a result in time.")
    elif job.state == State.QUEUED and _silent(job.moved_at, settings.PULL_ALLOWANCE_S + LONGEST_QUEUE_S):
        dispatch.cancel(job)
        lifecycle.give_up(job, "not-started", "The machine did not start the job in time.")


def _send_again(job: Job, _: set[str] | None) -> None:
    dispatch.run(job)
    if job.cancel_requested_at is not None:
        dispatch.cancel(job)


def _note_connected() -> set[str] | None:
    """The connected machines, or None while the broker is away: then nobody is judged."""
    try:
        connected = candidates.connected()
    except OperationalError:
        _BrokerSeen.since = None
        log.warning("broker.away")
        return None
    now = time.monotonic()
    unwatched = now - _BrokerSeen.last > max(settings.GRACE_S / 2, 3 * settings.SWEEP_EVERY_S)
    if _BrokerSeen.since is None or unwatched:  # another process may know whether it was away
        _BrokerSeen.since = now
    _BrokerSeen.last = now
    with transaction.atomic():
        Machine.objects.filter(id__in=connected).update(last_seen=timezone.now())
    return connected


def _gone(machine: Machine | None, connected: set[str]) -> bool:
    if machine is None or machine.left_at is not None:
        return True
    return machine.id not in connected and _silent(machine.last_seen or machine.created_at, settings.GRACE_S)


def _silent(since: datetime | None, seconds: float) -> bool:
    """Whether nothing was heard for so long, and something could have been."""
    if since is None or _BrokerSeen.since is None:
        return False
    listened_s = time.monotonic() - _BrokerSeen.since
    return _older(since, seconds) and listened_s >= min(seconds, settings.GRACE_S)


def _free_old_keys() -> None:
    old = timezone.now() - timedelta(seconds=settings.IDEMPOTENCY_S)
    with transaction.atomic():
        Job.objects.filter(idempotency_key__isnull=False, created_at__lt=old).update(idempotency_key=None)


def _see_envelopes_through(older_than_s: float) -> None:
    """First of all: what these transactions did need not be asked for again."""
    try:
        connection.take_up_left_over(older_than_s)
    except ChainFaaSError as error:
        log.warning("envelopes.wait", why=str(error))


def _drop_old_outputs() -> None:
    """A little at a time: each may have a megabyte, and others want to write too."""
    old = timezone.now() - timedelta(seconds=settings.KEEP_OUTPUTS_S)
    for _ in range(BITES):
        # Ids begin with their time, so the index finds what is old.
        outputs = JobOutput.objects.filter(job__lt=first_id(old), job__finished_at__lt=old)
        ids = list(outputs.order_by("job").values_list("job", flat=True)[:BITE])
        with transaction.atomic():
            JobOutput.objects.filter(job__in=ids).delete()
        if len(ids) < BITE:
            return


def _index_accounts() -> None:
    """So that whoever asks for an account's history need not wait for it."""
    try:
        account_index.catch_up()
    except (ChainFaaSError, LedgerError) as error:
        log.warning("index.behind", why=str(error))


def _older(moment: datetime, seconds: float) -> bool:
    return (timezone.now() - moment).total_seconds() > seconds


def _guarded(id: UUID, connected: set[str] | None, step: Step = _take_up) -> bool:
    """One job's trouble must not keep the others waiting: it is logged, and the next sweep tries again.
    The job is read when its turn comes: what was so when the sweep began may be over.

    False: the ledger is away. Each of the others would wait for it as long, and in vain."""
    job = Job.objects.select_related("developer", "machine", "function").get(id=id)
    try:
        step(job, connected)
    except NoProviderReady:
        log.debug("job.waits", job=job.key)
    except (ChainFaaSError, LedgerError, OperationalError) as error:
        log.warning("job.stuck", job=job.key, state=job.state, why=str(error))
        return not isinstance(error, LedgerAway) or isinstance(error, connection.Contended)
    except Exception:
        log.exception("job.broken", job=job.key, state=job.state)
    return True


def _fold_credits() -> None:
    """Each batch of payments leaves one credit at a provider's account, which nobody debits."""
    lately = Machine.objects.filter(jobs__paid_at__gte=timezone.now() - PAID_LATELY)
    for owner in lately.values_list("owner", flat=True).distinct():
        try:
            accounts.fold(str(owner))
        except (ChainFaaSError, LedgerError) as error:
            log.warning("credits.not_folded", account=str(owner), why=str(error))
