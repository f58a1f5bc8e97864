"""What a machine's report means for the job: its state, whose fault it was, whether it is billed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from chainfaas.models import Job, State
from tasks.messages import RAN, Outcome, Result

LATE_MS = 250
"""How much a report may be delayed on its way, before a time-out that the machine claims looks false."""

_FAILURES = {
    Outcome.SIGNALLED: "The function was killed by signal {signal}.",
    Outcome.OUT_OF_MEMORY: "The function needed more memory than its {memory_mb} MiB.",
    Outcome.OUTPUT_LIMIT: "The function wrote more than 1 MiB to stdout.",
}

_NOT_THE_FUNCTION = {
    Outcome.LOST: ("machine-lost", "The machine was interrupted while the function ran."),
    Outcome.IMAGE_UNAVAILABLE: ("image-unavailable", "The machine could not get the image."),
    Outcome.REFUSED: ("machine-refused", "The machine did not take the job."),
    Outcome.RUNTIME_BROKEN: ("runtime-broken", "The machine could not run the function."),
}


@dataclass(frozen=True)
class Verdict:
    """`state` None: the attempt counts against the machine, and the job goes on elsewhere."""

    state: State | None
    problem: str = ""
    detail: str = ""
    wall_ms: int = 0


def judge(job: Job, report: Result, seen: datetime) -> Verdict:
    """The verdict over a report of the attempt that counts. `seen` is when it reached the controller."""
    if report.outcome not in RAN:
        problem, detail = _NOT_THE_FUNCTION[report.outcome]
        return Verdict(None, problem, f"{detail} {report.detail}".strip())
    wall_ms = 0
    if job.started_at is not None:
        wall_ms = max(0, math.ceil((seen - job.started_at).total_seconds() * 1000))
    if report.outcome is Outcome.TIMED_OUT:
        if wall_ms + max(LATE_MS, job.timeout_ms // 20) < job.timeout_ms:
            return Verdict(None, "false-timeout", "The machine stopped the function before its time was up.")
        detail = f"The function ran longer than its {job.timeout_s} s."
        return Verdict(State.TIMED_OUT, "function-timeout", detail, wall_ms)
    if report.outcome is Outcome.CANCELLED:
        if job.cancel_requested_at is None:
            return Verdict(None, "false-cancel", "The machine stopped the function, and nobody had asked.")
        return Verdict(State.CANCELLED, "job-cancelled", "Cancelled by its owner.", wall_ms)
    if report.outcome is Outcome.EXITED and report.exit_code == 0:
        return Verdict(State.SUCCEEDED, wall_ms=wall_ms)
    detail = _FAILURES.get(report.outcome, "The function ended with exit code {exit_code}.").format(
        exit_code=report.exit_code, signal=report.exit_code - 128, memory_mb=job.memory_mb
    )
    return Verdict(State.FAILED, "function-failed", detail, wall_ms)


def is_billed(job: Job) -> bool:
    """Whether the job's end is one that the developer pays: it ran, and the machine did its part.
    A cancelled job is billed for what ran; one that never started has no run time."""
    if job.state == State.CANCELLED:
        return job.started_at is not None and job.run_ms is not None
    return job.state in (State.SUCCEEDED, State.FAILED, State.TIMED_OUT)
