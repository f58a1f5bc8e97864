"""The sweeper: finishes or reassigns whatever was left half-way. Signals and hooks are speed, this is the
guarantee. It runs every few seconds, and running twice at once does no harm."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from kombu.exceptions import OperationalError

from chaincode.errors import LedgerError
from chainfaas import dispatch
from chainfaas.errors import ChainFaaSError, NoProviderReady
from chainfaas.jobs import lifecycle
from chainfaas.models import Job, Machine, State
from chainfaas.models.functions import TIMEOUT_S
from chainfaas.models.states import ENDED
from chainfaas.scheduler import candidates
from tasks import topology

log = structlog.get_logger()

AT_ONCE = 500
"""Jobs taken up in one sweep: the next one comes soon."""
RESULT_GRACE_S = 30
"""After a function's time limit, for its result to arrive."""
LONGEST_QUEUE_S = TIMEOUT_S[1] * topology.WAITING_PER_SLOT
"""A full queue of the longest functions."""
CANCEL_GRACE_S = 10
"""For a machine to answer that it stopped a job."""


class _BrokerSeen:
    """Since when the broker answers without a break, as this process saw it. While it was away nobody could
    be connected, so being absent counts only from then on."""

    since: float | None = None


def sweep() -> None:
    """One round over everything that is not settled."""
    connected = _note_connected()
    stale = timezone.now() - timedelta(seconds=settings.STALE_S)
    jobs = Job.objects.filter(settled=False, moved_at__lt=stale).select_related(
        "developer", "machine", "function"
    )
    for job in jobs.order_by("moved_at")[:AT_ONCE]:
        _take_up(job, connected)
    _free_old_keys()


def after_restart() -> None:
    """What the embedded process does first: its broker forgot every message, so all are sent again. A machine
    that had run an attempt sends its result again, or says that it was interrupted."""
    connected = candidates.connected()
    _BrokerSeen.since = time.monotonic()
    jobs = Job.objects.filter(settled=False).select_related("developer", "machine", "function")
    for job in jobs.order_by("created_at"):
        if job.state in (State.QUEUED, State.RUNNING):
            _guarded(job, lambda job=job: dispatch.run(job))  # type: ignore[misc]
            if job.cancel_requested_at is not None:
                _guarded(job, lambda job=job: dispatch.cancel(job))  # type: ignore[misc]
        else:
            _take_up(job, connected)


def _take_up(job: Job, connected: set[str] | None) -> None:
    if job.state in ENDED:
        _guarded(job, lambda: lifecycle.settle(job))
    elif job.state in (State.QUEUED, State.RUNNING):
        if connected is not None:
            _guarded(job, lambda: _look_after(job, connected))
    elif job.state == State.SUBMITTED and _older(job.created_at, settings.PLACE_LIFETIME_S):
        _guarded(job, lambda: lifecycle.refuse(job, NoProviderReady("No machine had room for a whole day.")))
    else:
        _guarded(job, lambda: lifecycle.place(job))


def _look_after(job: Job, connected: set[str]) -> None:
    """A job that a machine has: is the machine there, and is it still in time?"""
    if job.machine_id not in connected and _gone(job.machine):
        lifecycle.give_up(job, "machine-gone", "The machine went away.")
    elif job.state == State.RUNNING and _older(job.started_at, job.timeout_s + RESULT_GRACE_S):
        lifecycle.give_up(job, "no-result", "The machine did not send a result in time.")
    elif job.state == State.QUEUED and _older(job.moved_at, settings.PULL_ALLOWANCE_S + LONGEST_QUEUE_S):
        lifecycle.give_up(job, "not-started", "The machine did not start the job in time.")
    elif _older(job.cancel_requested_at, CANCEL_GRACE_S):
        lifecycle.give_up(job, "job-cancelled", "Cancelled by its owner.")


def _note_connected() -> set[str] | None:
    """The connected machines, or None while the broker is away: then nobody is judged."""
    try:
        connected = candidates.connected()
    except OperationalError:
        _BrokerSeen.since = None
        log.warning("broker.away")
        return None
    if _BrokerSeen.since is None:
        _BrokerSeen.since = time.monotonic()
    Machine.objects.filter(id__in=connected).update(last_seen=timezone.now())
    return connected


def _gone(machine: Machine | None) -> bool:
    if machine is None:
        return True
    if machine.left_at is not None:
        return True
    seen_long_enough = (
        _BrokerSeen.since is not None and time.monotonic() - _BrokerSeen.since >= settings.GRACE_S
    )
    return seen_long_enough and (machine.last_seen is None or _older(machine.last_seen, settings.GRACE_S))


def _free_old_keys() -> None:
    old = timezone.now() - timedelta(seconds=settings.IDEMPOTENCY_S)
    Job.objects.filter(Q(idempotency_key__isnull=False), created_at__lt=old).update(idempotency_key=None)


def _older(moment: datetime | None, seconds: float) -> bool:
    return moment is not None and (timezone.now() - moment).total_seconds() > seconds


def _guarded(job: Job, step: Callable[[], None]) -> None:
    """One job's trouble must not keep the others waiting: it is logged, and the next sweep tries again."""
    try:
        step()
    except NoProviderReady:
        log.debug("job.waits", job=job.key)
    except (ChainFaaSError, LedgerError, OperationalError) as error:
        log.warning("job.stuck", job=job.key, state=job.state, why=str(error))
    except Exception:
        log.exception("job.broken", job=job.key, state=job.state)
