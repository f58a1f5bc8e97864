"""Finding a machine for a job, and the money that a public function may spend."""

from __future__ import annotations

import random

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone

from chaincode import pricing
from chainfaas.errors import BudgetSpent, NoProviderReady, NoRuntime, TooManyRequests
from chainfaas.jobs.moves import move
from chainfaas.models import Function, Job, Machine, State, User
from chainfaas.scheduler import candidates, policies

_dice = random.SystemRandom()


def assign(job: Job, connected: set[str]) -> None:
    """Give the job to a machine that has room. `connected` is the broker's word, asked before.
    Raises NoProviderReady; the job is then as it was."""
    with transaction.atomic():
        # Whoever assigns at this moment waits here, so that a machine's last place is given once.
        machines = candidates.fitting(job).filter(id__in=connected).select_for_update().order_by("id")
        choice = policies.choose(
            candidates.ready(job, list(machines)), policies.POLICIES[settings.POLICY], _dice
        )
        if choice is None:
            raise _nobody(job, connected)
        current = job.attempt
        facts = {"machine_id": choice.machine, "rate": choice.rate, "attempt": current + 1}
        if not move(job, {State.SUBMITTED}, State.ASSIGNED, **facts):
            job.refresh_from_db()


def _nobody(job: Job, connected: set[str]) -> NoProviderReady:
    if not connected:
        return NoProviderReady("No machine is connected. Nothing was billed; call again in a moment.")
    if not _has_runtime(job, connected):
        return NoRuntime()
    if not candidates.fitting(job).filter(id__in=connected).exists():
        return NoProviderReady(
            f"No connected machine fits: {job.memory_mb} MiB, {job.cpus:g} cpus, rate up to {job.max_rate}."
        )
    return NoProviderReady("Every machine's queue is full. Nothing was billed; call again in a moment.")


def check_runtime(job: Job) -> None:
    """Refuse a job that no connected machine could run, however long it waits: none of them has containers.
    Where no machine is connected nobody can know."""
    if not job.image.startswith(candidates.BUNDLED):
        connected = candidates.connected()
        if connected and not _has_runtime(job, connected):
            raise NoRuntime


def _has_runtime(job: Job, connected: set[str]) -> bool:
    present = Machine.objects.filter(id__in=connected, left_at=None, paused=False)
    return job.image.startswith(candidates.BUNDLED) or present.filter(containers=True).exists()


def fitting(machine: Machine) -> QuerySet[Job]:
    """Submitted jobs that this machine could run."""
    jobs = Job.objects.filter(
        state=State.SUBMITTED,
        memory_mb__lte=machine.memory_mb,
        cpus__lte=machine.cpus,
        max_rate__gte=machine.rate,
    )
    return jobs if machine.containers else jobs.filter(image__startswith=candidates.BUNDLED)


def check_line(developer: User) -> None:
    """Refuse another job to whoever has many that no machine has yet: they hold no money, and their inputs
    are kept. Within the transaction that adds the job."""
    waiting = Job.objects.filter(developer=developer, state=State.SUBMITTED, settled=False)
    if waiting.count() >= settings.WAITING_JOBS:
        raise TooManyRequests(
            f"{settings.WAITING_JOBS} jobs of {developer.username} wait for a machine; it takes no more now.",
            retry_after_s=10,
        )


def check_budget(function: Function) -> None:
    """Refuse a call by others that could go over what the owner lets them spend today (UTC).
    Within the transaction that adds the job; a job under way counts with its whole hold."""
    if function.daily_budget is None:
        return
    Function.objects.select_for_update().get(id=function.id)
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    calls = Job.objects.filter(function=function, created_at__gte=today).exclude(caller=function.owner)
    spent = calls.filter(settled=True).aggregate(sum=Sum("cost"))["sum"] or 0
    held = sum(
        pricing.hold(timeout_s * 1000, max_rate, memory_mb)
        for timeout_s, max_rate, memory_mb in calls.filter(settled=False).values_list(
            "timeout_s", "max_rate", "memory_mb"
        )
    )
    needed = pricing.hold(function.timeout_ms, function.max_rate, function.memory_mb)
    if spent + held + needed > function.daily_budget:
        raise BudgetSpent
