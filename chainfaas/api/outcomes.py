"""What an ended job answers its caller: the function's output, or the problem that it ended with."""

from __future__ import annotations

from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpResponse

from chainfaas.api import problems
from chainfaas.errors import ChainFaaSError, FunctionFailed, FunctionTimeout, JobCancelled, JobLost, NotFound
from chainfaas.models import Job, JobOutput, State, User


def answer(job: Job, viewer: User | None) -> HttpResponse:
    """The answer to whoever waited for the job or asks for its result. The job has ended."""
    error = _problem(job, viewer)
    response = _output(job) if error is None else problems.answer(error)
    for name, value in _headers(job).items():
        response[name] = value
    return response


def provider(job: Job) -> str | None:
    """The machine that has the job, as people call it."""
    return None if job.machine is None else f"{job.machine.owner.username}/{job.machine.name}"


def gone(job: Job) -> NotFound:
    """What the function wrote was there, and is not any more."""
    days = settings.KEEP_OUTPUTS_S / (24 * 3600)
    return NotFound(f"What a function wrote is kept for {days:g} days; this is older.", job=job.key)


def media_type(body: bytes) -> str:
    """What the output looks like: the function has no way to say."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return "application/octet-stream"
    if text[:1] in ("{", "[", '"') or text[:1].isdigit():
        try:
            msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            pass
        else:
            return "application/json"
    return "text/plain; charset=utf-8"


def _output(job: Job) -> HttpResponse:
    output = JobOutput.objects.filter(job=job).values_list("body", flat=True).first()
    if output is None:
        raise gone(job)
    body = bytes(output)
    return HttpResponse(body, content_type=media_type(body), headers={"Cache-Control": "no-store"})


def _problem(job: Job, viewer: User | None) -> ChainFaaSError | None:
    facts: dict[str, Any] = {"job": job.key}
    match State(job.state):
        case State.SUCCEEDED:
            return None
        case State.FAILED:
            return FunctionFailed(job.detail, **facts, exit_code=job.exit_code, **_log(job, viewer))
        case State.TIMED_OUT:
            return FunctionTimeout(job.detail, **facts, **_log(job, viewer))
        case State.LOST:
            return JobLost(f"{job.detail} Nothing was billed; call again.".lstrip(), **facts)
    kind = problems.every().get(job.problem, JobCancelled)
    return kind(job.detail, **facts)


def _log(job: Job, viewer: User | None) -> dict[str, Any]:
    return {"logs": f"/api/v1/jobs/{job.key}/logs"} if viewer == job.developer else {}


def _headers(job: Job) -> dict[str, str]:
    told: dict[str, object] = {
        "ChainFaaS-Job-Id": job.key,
        "ChainFaaS-Provider": provider(job),
        "ChainFaaS-Duration-Ms": job.run_ms,
        "ChainFaaS-Cost": job.cost if job.settled else None,
    }
    if job.state in (State.FAILED, State.TIMED_OUT):
        told["ChainFaaS-Function-Error"] = job.state
    return {name: str(value) for name, value in told.items() if value is not None}
