"""The machines that could take a job now, out of the database and the broker's word on who is connected."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from chainfaas import broker
from chainfaas.models import Job, Machine, Move, State
from chainfaas.models.states import PLACED
from chainfaas.scheduler.policies import Candidate

BUNDLED = "chainfaas/"
"""Images of this name also run where there are no containers."""

RECENT = timedelta(hours=6)
ENOUGH = 5  # ends of a function on a machine, before its failures say anything


def connected() -> set[str]:
    """Ask the broker. Not within a transaction: it may be far away."""
    return broker.connect(settings.BROKER_URL).connected()


def fitting(job: Job) -> QuerySet[Machine]:
    """Machines that could ever run this job: present, not paused, large and cheap enough."""
    machines = Machine.objects.filter(
        left_at=None, paused=False, memory_mb__gte=job.memory_mb, cpus__gte=job.cpus, rate__lte=job.max_rate
    )
    if not job.image.startswith(BUNDLED):
        machines = machines.filter(containers=True)
    return machines


def ready(job: Job, machines: list[Machine]) -> list[Candidate]:
    """These machines as candidates for this job, with how busy each is at this moment."""
    busy = dict(
        Job.objects.filter(machine__in=machines, state__in=PLACED)
        .values_list("machine")
        .annotate(Count("id"))
        .order_by()
    )
    tried = set(_tried(job)) if job.attempt else set()
    excess = _failure_rates(job, machines) if len(machines) > 1 else {}
    return [
        Candidate(
            machine=machine.id,
            rate=machine.rate,
            busy=busy.get(machine.id, 0),
            slots=machine.slots,
            limit=machine.queue_limit,
            failure_rate=excess.get(machine.id, 0.0),
            tried=machine.id in tried,
        )
        for machine in machines
    ]


def _tried(job: Job) -> QuerySet[Move, str | None]:
    """The machines that had the job before."""
    return Move.objects.filter(job=job, machine__isnull=False).values_list("machine", flat=True)


def _failure_rates(job: Job, machines: list[Machine]) -> dict[str, float]:
    """How much oftener each machine fails this function than the others do: a function that always fails
    says nothing about machines, a machine on which it fails alone does."""
    if job.function_id is None:
        return {}
    rows = (
        Job.objects.filter(
            function=job.function_id,
            machine__in=machines,
            finished_at__gte=timezone.now() - RECENT,
            state__in=(State.SUCCEEDED, State.FAILED, State.TIMED_OUT),
        )
        .values("machine")
        .annotate(ends=Count("id"), failures=Count("id", filter=~Q(state=State.SUCCEEDED)))
        .order_by()
    )
    ends: dict[str, int] = defaultdict(int)
    failures: dict[str, int] = defaultdict(int)
    for row in rows:
        ends[row["machine"]], failures[row["machine"]] = row["ends"], row["failures"]
    excess = {}
    for machine, n in ends.items():
        other_ends = sum(ends.values()) - n
        if n >= ENOUGH and other_ends >= ENOUGH:
            elsewhere = (sum(failures.values()) - failures[machine]) / other_ends
            excess[machine] = max(0.0, failures[machine] / n - elsewhere)
    return excess
