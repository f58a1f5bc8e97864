"""`/api/v1/jobs`: what became of calls."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from chainfaas import errors
from chainfaas.api import outcomes, pages, strict
from chainfaas.api.authentication import caller, user
from chainfaas.api.pages import PageQuery
from chainfaas.api.permissions import Need
from chainfaas.api.schema import describe
from chainfaas.api.views import View
from chainfaas.errors import NotFound, NotReady, NotSignedIn
from chainfaas.jobs import lifecycle, selectors
from chainfaas.models import Job, JobOutput, Move
from chainfaas.models.states import State

SEE = Need(("read", "invoke"))
WITH_KEY = Need(("read", "invoke"), token=False)

KEY = OpenApiParameter("key", str, description="What came with the address of a call without a token.")
ENDS = (errors.FunctionFailed, errors.FunctionTimeout, errors.JobCancelled, errors.JobLost, errors.NoFunds)
OUTPUT = {
    (200, "text/plain"): OpenApiTypes.STR,
    (200, "application/json"): OpenApiTypes.ANY,
    (200, "application/octet-stream"): OpenApiTypes.BINARY,
}


def _told(name: str, kind: type, about: str) -> OpenApiParameter:
    return OpenApiParameter(name, kind, OpenApiParameter.HEADER, description=about, response=True)


HEADERS = [
    _told("ChainFaaS-Job-Id", str, "The job, on errors too."),
    _told("ChainFaaS-Provider", str, "The machine that ran it: its owner and its name."),
    _told("ChainFaaS-Duration-Ms", int, "How long the function ran."),
    _told("ChainFaaS-Cost", int, "Micro-units, if it is settled by then."),
    _told("ChainFaaS-Function-Error", str, "`failed` or `timed_out`, where that is the function's fault."),
]


class TimingsShape(serializers.Serializer[Any]):
    """Milliseconds, each from one machine's clock."""

    t_prc_ms = serializers.FloatField(allow_null=True, help_text="From the request to the machine having it.")
    t_prv_ms = serializers.FloatField(allow_null=True, help_text="From the request to the function's start.")
    t_cmp_ms = serializers.FloatField(allow_null=True, help_text="Pulling the image and running.")
    t_rsp_ms = serializers.FloatField(
        allow_null=True, help_text="From the request to the result's being stored."
    )
    t_bil_ms = serializers.FloatField(allow_null=True, help_text="From the end to the payment.")


class MoveShape(serializers.Serializer[Move]):
    state = serializers.ChoiceField(list(State))
    attempt = serializers.IntegerField()
    at = serializers.DateTimeField()


class TransactionsShape(serializers.Serializer[Job]):
    created_tx = serializers.CharField(allow_null=True)
    received_tx = serializers.CharField(allow_null=True)
    time_tx = serializers.CharField(allow_null=True)
    settled_tx = serializers.CharField(allow_null=True)

    def to_representation(self, instance: Job) -> dict[str, str | None]:
        return {str(name): getattr(instance, str(name)) or None for name in self.fields}


class JobShape(serializers.Serializer[Job]):
    id = serializers.UUIDField()
    function = serializers.CharField(source="function_name")
    state = serializers.ChoiceField(list(State))
    settled = serializers.BooleanField(help_text="Whether the hold is closed: paid or freed.")
    attempt = serializers.IntegerField()
    provider = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    exit_code = serializers.IntegerField(allow_null=True)
    billed_ms = serializers.IntegerField(allow_null=True)
    cost = serializers.IntegerField(allow_null=True, help_text="Micro-units, once it is settled.")
    problem = serializers.CharField(help_text="The slug of what went wrong, or nothing.")
    detail = serializers.CharField()
    timings = TimingsShape()
    timeline = MoveShape(source="timeline.all", many=True)
    ledger = TransactionsShape(source="*")

    def get_provider(self, job: Job) -> str | None:
        return outcomes.provider(job)


class LogQuery(serializers.Serializer[Any]):
    tail = serializers.IntegerField(
        min_value=0, max_value=1_000_000, required=False, help_text="Only so many of the last lines."
    )


class Jobs(View):
    needs = {"GET": SEE}

    @describe("listJobs", {200: pages.documented(JobShape)}, parameters=[PageQuery])
    def get(self, request: Request) -> Response:
        """Calls that you made or pay for, the latest first."""
        return pages.of(request, shown(selectors.jobs_of(user(request))), "-id", JobShape)


class OneJob(View):
    needs = {"GET": WITH_KEY, "DELETE": Need(("invoke",))}

    @describe("getJob", {200: JobShape}, NotFound, parameters=[KEY], open=True)
    def get(self, request: Request, id: UUID) -> Response:
        """A call: how far it is, how long each part took, what it cost, and where the ledger has it."""
        return Response(JobShape(_job(request, id)).data)

    @describe("cancelJob", {202: JobShape}, NotFound, errors.BrokerAway)
    def delete(self, request: Request, id: UUID) -> Response:
        """Stop a call. What ran until then is billed; before the start, nothing. One that has ended stays."""
        job = selectors.job(user(request), id)
        lifecycle.cancel(job)
        return Response(JobShape(job).data, status=202)


class Result(View):
    needs = {"GET": WITH_KEY}

    @describe("getResult", OUTPUT, NotFound, NotReady, *ENDS, parameters=[KEY, *HEADERS], open=True)
    def get(self, request: Request, id: UUID) -> HttpResponse:
        """What the function wrote to stdout, or the problem that the call ended with."""
        job = _job(request, id)
        if not job.ended:
            raise NotReady(job=job.key)
        return outcomes.answer(job, caller(request))


class Logs(View):
    needs = {"GET": SEE}

    @describe("getLogs", {(200, "text/plain"): str}, NotFound, NotReady, parameters=[LogQuery])
    def get(self, request: Request, id: UUID) -> HttpResponse:
        """The end of what the function wrote to stderr, at most 64 KiB: for its owner only."""
        tail = strict.query(request, LogQuery).get("tail")
        job = selectors.job(user(request), id)
        if job.developer != user(request) and not user(request).is_staff:
            raise NotFound("A function's log is its owner's.")
        if not job.ended:
            raise NotReady("The job has not ended yet, so its log is not here.", job=job.key)
        output = JobOutput.objects.filter(job=job).values_list("log", flat=True).first()
        if output is None and job.result_sha256:
            raise outcomes.gone(job)
        lines = bytes(output or b"").decode(errors="replace").splitlines(keepends=True)
        text = "".join(lines if tail is None else lines[max(0, len(lines) - tail) :])
        return HttpResponse(text, content_type="text/plain; charset=utf-8")


def shown(jobs: QuerySet[Job]) -> QuerySet[Job]:
    """With all that a job's shape shows."""
    return jobs.select_related("machine__owner").prefetch_related("timeline")


def _job(request: Request, id: UUID) -> Job:
    """A job for its caller, its payer, or who has the key of a call without a token."""
    key = request.query_params.get("key", "")
    if request.auth is None and not key:
        raise NotSignedIn
    return selectors.job(caller(request), id, result_key=key)
