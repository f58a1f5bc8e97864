"""A person's jobs, and the page that follows one until it is settled."""

from __future__ import annotations

from codecs import getincrementaldecoder
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from chainfaas.api import outcomes
from chainfaas.errors import LedgerAway, NotFound
from chainfaas.jobs import lifecycle, selectors
from chainfaas.models import Job, JobOutput, State, User
from chainfaas.scheduler import candidates
from portal import records
from portal.errors import Visit, members
from portal.pages import cut
from portal.pretty import pretty
from portal.timings import bars

PREVIEW = 16 * 1024
"""Bytes of a result or a log on the page; the whole is a download."""
RECENT = 1000
"""Jobs whose functions one can choose from."""
QUICK_S, SLOW_S = 1, 5
"""How often the page asks: slowly where nothing will happen soon."""


@dataclass(frozen=True)
class Preview:
    size: int
    text: str | None  #: None: it is no text
    whole: bool


@members
def index(request: Visit) -> HttpResponse:
    jobs = selectors.jobs_of(request.user)
    wanted = {name: request.GET.get(name, "") for name in ("state", "function")}
    if wanted["state"] in list(State):
        jobs = jobs.filter(state=wanted["state"])
    if wanted["function"]:
        jobs = jobs.filter(function_name=wanted["function"])
    shown, older = cut(request, jobs, lambda before: jobs.filter(id__lt=UUID(before)))
    recent = selectors.jobs_of(request.user).values_list("function_name", flat=True)[:RECENT]
    context = {
        "jobs": shown,
        "older": older,
        "states": list(State),
        "names": sorted({*recent, wanted["function"]} - {""}),
        "wanted": wanted,
    }
    return render(request, "portal/jobs/list.html", context)


@members
def show(request: Visit, id: UUID) -> HttpResponse:
    """The whole page, or, when htmx asks for what is new, its moving part; nothing if nothing is."""
    job = selectors.job(request.user, id)
    lonely = job.state == State.SUBMITTED and not candidates.fitting(job)
    seen = _version(job, lonely=lonely)
    if request.htmx and request.GET.get("seen") == seen:
        return HttpResponse(status=204)
    context = {
        "job": job,
        "seen": seen,
        "lonely": lonely,
        "pace_s": SLOW_S if lonely or job.confirmed_at else QUICK_S,
        **_story(job),
        **_output(job, request.user),
    }
    return render(request, "portal/jobs/live.html" if request.htmx else "portal/jobs/show.html", context)


@members
def cancel(request: Visit, id: UUID) -> HttpResponse:
    job = selectors.job(request.user, id)
    if request.method != "POST":
        return render(request, "portal/jobs/cancel.html", {"job": job})
    if job.ended:
        messages.info(request, "The job had ended already.")
    else:
        lifecycle.cancel(job)
        messages.success(request, "The job is being cancelled.")
    return redirect("portal:job", job.id)


@members
def result(request: Visit, id: UUID) -> HttpResponse:
    """The result as a file: what a function wrote must never be a page of ours."""
    job = selectors.job(request.user, id)
    return _file(_found(job).body, f"{job.id}.result", "application/octet-stream")


@members
def logs(request: Visit, id: UUID) -> HttpResponse:
    job = selectors.job(request.user, id)
    if not _sees_log(job, request.user):
        raise Http404
    return _file(_found(job).log, f"{job.id}.log", "text/plain; charset=utf-8")


def _version(job: Job, *, lonely: bool) -> str:
    """Changes with all that the moving part shows."""
    flags = (lonely, bool(job.cancel_requested_at), bool(job.confirmed_at), job.settled)
    return f"{job.attempt}.{job.state}.{''.join(str(int(flag)) for flag in flags)}"


def _story(job: Job) -> dict[str, Any]:
    """Timeline, bars and the ledger's side."""
    context: dict[str, Any] = {"timeline": _timeline(job), "bars": bars(job.timings)}
    try:
        changes = records.changes(job.key) if job.attempt else []
    except LedgerAway as error:
        return {**context, "ledger_away": error.detail}
    return {**context, "changes": changes, "record": changes[-1].facts if changes else None}


def _timeline(job: Job) -> list[dict[str, Any]]:
    """Each state with how long after the request it came."""
    moves = selectors.timeline(job)
    for move in moves:
        move["after_ms"] = (move["at"] - job.created_at).total_seconds() * 1000
    return moves


def _sees_log(job: Job, viewer: User) -> bool:
    """A function's log is its owner's, whoever called it."""
    return viewer.is_staff or viewer.id == job.developer_id


def _output(job: Job, viewer: User) -> dict[str, Any]:
    output = JobOutput.objects.filter(job=job).first()
    return {
        "sees_log": _sees_log(job, viewer),
        "gone": outcomes.gone(job).detail if output is None and job.result_sha256 else "",
        "result": output and _preview(bytes(output.body)),
        "log": output and _log(bytes(output.log)),
    }


def _preview(body: bytes) -> Preview:
    head = body[:PREVIEW]
    whole = len(body) <= PREVIEW
    text = _text(head, whole=whole)
    return Preview(len(body), pretty(text) if text is not None and whole else text, whole)


def _log(body: bytes) -> Preview:
    """A log's end says most."""
    return Preview(len(body), body[-PREVIEW:].decode("utf-8", "replace"), len(body) <= PREVIEW)


def _text(head: bytes, *, whole: bool) -> str | None:
    """None: it is no text. A beginning may end within a letter, which is left out."""
    try:
        text = getincrementaldecoder("utf-8")().decode(head, final=whole)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _found(job: Job) -> JobOutput:
    output = JobOutput.objects.filter(job=job).first()
    if output is None:
        raise outcomes.gone(job) if job.result_sha256 else NotFound("The job has no result yet.")
    return output


def _file(content: bytes | memoryview, name: str, kind: str) -> HttpResponse:
    disposition = f'attachment; filename="{name}"'
    return HttpResponse(bytes(content), content_type=kind, headers={"Content-Disposition": disposition})
