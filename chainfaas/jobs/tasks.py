"""Bodies of the controller's Celery tasks. Each may run twice."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import structlog
from celery import Task, shared_task
from django.db import InterfaceError, OperationalError

from chainfaas import accounts
from chainfaas.errors import LedgerAway, NoFunds, NoProviderReady
from chainfaas.jobs import lifecycle, recovery
from chainfaas.models import Job
from tasks import messages, names

log = structlog.get_logger()


QUICK, PATIENCE = 20, 30
"""How often a result looks whether its `started` came: 50 ms apart at first, then a second. That is longer
than a `started` needs that met a database which was away for a moment."""


@shared_task(name=names.RECORD_RESULT, bind=True, max_retries=None)
def record_result(self: Task[Any, Any], machine: str, seen_ms: float, text: str) -> str | None:
    """The job that this report ended, or None: it started, or the report is a repeat, stale or another's.
    `seen_ms` is when the ingress had it, in milliseconds since 1970.

    The machine was told that its report arrived, so it waits here while the database is away."""
    report = messages.load_report(text)
    seen = datetime.fromtimestamp(seen_ms / 1000, UTC)
    try:
        if isinstance(report, messages.Started):
            lifecycle.started(machine, report, seen)
            return None
        return lifecycle.finished(machine, report, seen, patient=self.request.retries < PATIENCE)
    except lifecycle.ResultBeforeStart as error:
        raise self.retry(exc=error, countdown=0.05 if self.request.retries < QUICK else 1) from error
    except (OperationalError, InterfaceError) as error:
        raise self.retry(exc=error, countdown=1) from error


@shared_task(name=names.CONFIRM_RECEIVED, throws=(LedgerAway,))
def confirm_received(job: str) -> None:
    """Confirm and pay an ended job. If the ledger is away, the sweeper asks again."""
    lifecycle.settle(Job.objects.get(id=job))


@shared_task(name=names.PLACE, throws=(NoProviderReady, NoFunds, LedgerAway))
def place(job: str) -> None:
    """Find a machine. If there is none now, the job stays submitted and the sweeper asks again."""
    lifecycle.place(Job.objects.get(id=job))


@shared_task(name=names.SWEEP, throws=(LedgerAway,))
def sweep() -> None:
    """Take up what was left half-way: jobs, and registrations without their deposit."""
    recovery.sweep()
    accounts.welcome_missed()
