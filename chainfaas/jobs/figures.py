"""Sums over jobs: what a developer's calls and a provider's machines came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import TruncHour
from django.utils import timezone

from chainfaas.models import Job, State, User
from chainfaas.models.states import PLACED, UNDER_WAY

ERRORS = (State.FAILED, State.TIMED_OUT, State.LOST)
DAY = timedelta(hours=24)
SAMPLE = 5000
"""Percentiles are of at most so many of the latest answers."""


@dataclass(frozen=True)
class Hour:
    """One bar of the chart."""

    start: datetime
    calls: int
    errors: int


@dataclass(frozen=True)
class Calls:
    """The last 24 hours of some jobs."""

    calls: int
    errors: int
    under_way: int
    p50_ms: float | None  #: from the request to the stored result
    p95_ms: float | None
    spent: int  #: micro-units
    hours: list[Hour]


@dataclass(frozen=True)
class Earnings:
    """What all machines of a provider brought, in micro-units, and what they have to do."""

    today: int  #: the last 24 hours
    ever: int
    done: int  #: jobs, the last 24 hours
    under_way: int


def calls(jobs: QuerySet[Job]) -> Calls:
    """Of these jobs, what was called in the last 24 hours."""
    now = timezone.now()
    recent = jobs.filter(created_at__gte=now - DAY).order_by()
    sums = recent.aggregate(
        calls=Count("id"),
        errors=Count("id", filter=Q(state__in=ERRORS)),
        under_way=Count("id", filter=Q(state__in=UNDER_WAY)),
        spent=Sum("cost"),
    )
    durations = _durations(recent)
    return Calls(
        calls=sums["calls"],
        errors=sums["errors"],
        under_way=sums["under_way"],
        p50_ms=percentile(durations, 50),
        p95_ms=percentile(durations, 95),
        spent=sums["spent"] or 0,
        hours=_hours(recent, now),
    )


def earnings(user: User) -> Earnings:
    """Of all machines that the user lends or lent."""
    jobs = Job.objects.filter(machine__owner=user).order_by()
    recent = Q(finished_at__gte=timezone.now() - DAY)
    sums = jobs.aggregate(
        today=Sum("cost", filter=Q(settled=True) & recent),
        ever=Sum("cost", filter=Q(settled=True)),
        done=Count("id", filter=Q(state__in=(State.SUCCEEDED, State.FAILED, State.TIMED_OUT)) & recent),
        under_way=Count("id", filter=Q(state__in=PLACED)),
    )
    return Earnings(sums["today"] or 0, sums["ever"] or 0, sums["done"], sums["under_way"])


def percentile(ordered: Sequence[float], percent: int) -> float | None:
    """The nearest-rank percentile of ordered values."""
    return ordered[ceil(len(ordered) * percent / 100) - 1] if ordered else None


def _durations(jobs: QuerySet[Job]) -> list[float]:
    ended = jobs.filter(state__in=(State.SUCCEEDED, State.FAILED, State.TIMED_OUT))
    spans = ended.order_by("-id").values_list(F("finished_at") - F("created_at"), flat=True)[:SAMPLE]
    return sorted(span.total_seconds() * 1000 for span in spans)


def _hours(jobs: QuerySet[Job], now: datetime) -> list[Hour]:
    """24 bars, the hour that is under way last; an hour without a call has one too."""
    rows = jobs.annotate(hour=TruncHour("created_at")).values_list("hour")
    counted = rows.annotate(calls=Count("id"), errors=Count("id", filter=Q(state__in=ERRORS)))
    found = {hour: (calls, errors) for hour, calls, errors in counted}
    last = now.replace(minute=0, second=0, microsecond=0)
    starts = [last - timedelta(hours=ago) for ago in range(23, -1, -1)]
    return [Hour(start, *found.get(start, (0, 0))) for start in starts]
