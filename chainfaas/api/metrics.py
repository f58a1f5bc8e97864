"""`/metrics`: the platform in numbers, for Prometheus; for those inside only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import structlog
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from kombu.exceptions import OperationalError
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chaincode.errors import LedgerError
from chainfaas.api import addresses, problems, threads
from chainfaas.errors import ChainFaaSError, NotFound
from chainfaas.ledger import blocks
from chainfaas.models import Job, Machine, State
from chainfaas.models.states import UNDER_WAY
from chainfaas.scheduler import candidates

log = structlog.get_logger()

registry = CollectorRegistry()

calls = Counter("chainfaas_calls", "Invocations that this process answered.", ["answer"], registry=registry)
call_seconds = Histogram(
    "chainfaas_call_seconds",
    "From a call's arrival to its answer.",
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 900),
    registry=registry,
)
waiting_calls = Gauge("chainfaas_waiting_calls", "Calls that wait for their job.", registry=registry)


class _Platform(Collector):
    """What the database, the broker and the ledger say at the moment of asking. A part that is away is left
    out: its line missing is the alarm."""

    def collect(self) -> Iterable[Metric]:
        unsettled = Job.objects.filter(settled=False)
        yield _by_state(unsettled.values_list("state").annotate(Count("id")).order_by())
        oldest = unsettled.exclude(state__in=UNDER_WAY).aggregate(at=Min("finished_at"))["at"]
        age_s = 0.0 if oldest is None else (timezone.now() - oldest).total_seconds()
        yield GaugeMetricFamily("chainfaas_oldest_unpaid_seconds", "Since the longest unsettled end.", age_s)
        present = Machine.objects.filter(left_at=None).count()
        yield GaugeMetricFamily("chainfaas_machines", "Machines that are enrolled.", present)
        yield from _answering(
            "chainfaas_machines_connected",
            "Machines that the broker has connected.",
            lambda: len(candidates.connected()),
        )
        yield from _answering("chainfaas_ledger_blocks", "Blocks on the ledger.", blocks.height)


def _by_state(rows: Iterable[tuple[str, int]]) -> Metric:
    family = GaugeMetricFamily("chainfaas_unsettled_jobs", "Jobs whose hold is open.", labels=["state"])
    counted = dict(rows)
    for state in State:
        family.add_metric([state.value], counted.get(state.value, 0))
    return family


def _answering(name: str, about: str, ask: Callable[[], int]) -> Iterator[Metric]:
    try:
        yield GaugeMetricFamily(name, about, ask())
    except (ChainFaaSError, LedgerError, OperationalError) as error:
        log.warning("metric.missing", metric=name, why=str(error))


registry.register(_Platform())


async def page(request: HttpRequest) -> HttpResponse:
    if not addresses.inside(request):
        return problems.answer(NotFound("There is nothing at this address."))
    return HttpResponse(await threads.run(generate_latest, registry), content_type=CONTENT_TYPE_LATEST)
