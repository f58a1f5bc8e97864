"""What each step of a call costs, from the request to the payment, one call at a time.

The steps follow on each other without a gap, so that their sum is the call. A step's CPU is what the
platform's whole process used meanwhile, in all its threads; functions run in processes of their own.
"""

from __future__ import annotations

import json
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.bench import calls
from ops.bench.amounts import IN_FLIGHT, Amounts
from ops.bench.caller import Answer, Caller
from ops.bench.calls import BODIES, PLATFORM, SETTLE_S
from ops.bench.figures import WentWrong, spread
from ops.bench.stopwatch import SPANS
from ops.demo import platform

PAUSE_S = 0.05
"""Between a call's answer and the look whether it is paid: the payment should not share the cores with it."""


@dataclass(frozen=True)
class Moment:
    """A moment in the way of a call, and the platform's CPU time at it; the caller knows only the time."""

    ns: int
    cpu_ns: int | None


@dataclass(frozen=True)
class Step:
    """From one moment to the next, each `<watch> begins` or `<watch> ends`; `last`: of several in a call."""

    name: str
    begin: str
    end: str
    about: str


STEPS = (
    Step("arrive", "call begins", "http begins", "the request travels, and uvicorn reads it"),
    Step("admit", "http begins", "submit begins", "Django's middleware, the token, the function, a thread"),
    Step("submit", "submit begins", "submit ends", "job, input and timeline are written: one commit"),
    Step("turn", "submit ends", "assign begins", "back to the event loop, and to a thread again"),
    Step("assign", "assign begins", "assign ends", "the machines with room are asked for: one commit"),
    Step(
        "ledger.create", "assign ends", "create ends", "the hold: endorse, sign, check, a block on the disk"
    ),
    Step("note", "create ends", "dispatch begins", "the job is moved to recorded: one commit"),
    Step("dispatch", "dispatch begins", "dispatch ends", "the input is read, and the task published"),
    Step(
        "hop to machine", "dispatch ends", "task begins", "Celery takes the message and starts a task of it"
    ),
    Step("prepare", "task begins", "run begins", "the task is read; the journal waits twice for the disk"),
    Step("process start", "run begins", "send begins", "a folder, the input as a file, fork and exec"),
    Step(
        "function", "send begins", "function ends", "a Python interpreter starts, runs the handler, and exits"
    ),
    Step("clean up", "function ends", "sign begins", "strays are looked for, and the folder is removed"),
    Step("receipt sign", "sign begins", "sign ends", "one ECDSA signature"),
    Step("journal", "sign ends", "last send begins", "the result is kept, with two waits for the disk"),
    Step(
        "hop to ingress", "last send begins", "last ingress begins", "the outbox publishes, the ingress wakes"
    ),
    Step("ingress accept", "last ingress begins", "last ingress ends", "the machine's message is checked"),
    Step("hand on", "last ingress ends", "last hand_on ends", "and published as an internal task"),
    Step(
        "hop to record",
        "last hand_on ends",
        "finished begins",
        "Celery takes it up, once `started` is written",
    ),
    Step("record", "finished begins", "finished ends", "the verdict, the output and the move: one commit"),
    Step("answer", "finished ends", "call ends", "the waiting call is woken, reads the job and answers"),
)
"""To the answer."""

AFTER = (
    Step("hop to ledger", "finished ends", "settle begins", "signal, publish, and Celery takes it up"),
    Step(
        "ledger.finish",
        "pay begins",
        "pay ends",
        "receipt checked, paid: a transaction and a block on the disk",
    ),
    Step("close", "pay ends", "settle ends", "the job is noted as settled: one commit"),
)
"""From the stored result to the payment, while the answer goes out."""


def measure(data: Path, amounts: Amounts) -> dict[str, Any]:
    """The cost of each step, the slowest, and the platform's CPU time for a job."""
    with platform.running(data, *PLATFORM, program="ops.bench.stopwatch") as url, Caller(url) as caller:
        user = calls.settle_in(caller, amounts)
        answers = [_one(caller, f"{user}/echo") for _ in range(amounts.steps)]
        began_ns = time.monotonic_ns()
        crowd = calls.crowd(caller, f"{user}/echo", BODIES["echo"], amounts.crowd)
    spans = _spans(data / SPANS)
    ends = [*(answer.sent_ns for answer in answers[1:]), began_ns]
    ways = [
        _moments(answer, _between(spans, answer.sent_ns, end))
        for answer, end in zip(answers, ends, strict=True)
    ]
    steps = {step.name: _figures(step, ways) for step in (*STEPS, *AFTER)}
    return {
        "steps": steps,
        "slowest": _slowest(steps),
        "answer_ms": spread([answer.took_ms for answer in answers]),
        "cpu_ms_per_job": {
            "in_flight_1": spread([_cpu_ms(way) for way in ways])["p50"],
            f"in_flight_{IN_FLIGHT}": _crowd_cpu_ms(spans, began_ns, len(crowd)),
        },
    }


def _one(caller: Caller, function: str) -> Answer:
    """One call, alone on the platform until it is paid."""
    answer = caller.call(function, BODIES["echo"])
    if answer.status != 200 or answer.job is None:
        raise WentWrong(f"a call whose steps are timed was answered {answer.status}")
    time.sleep(PAUSE_S)
    calls.settled(caller, answer.job, time.monotonic() + SETTLE_S)
    return answer


Span = tuple[str, int, int, int, int]


def _spans(path: Path) -> list[Span]:
    """In the order of their beginnings."""
    try:
        spans: list[Span] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise WentWrong("the platform did not leave its times behind; its log is gone with it") from error
    return sorted(spans, key=lambda span: span[1])


def _between(spans: Sequence[Span], begin_ns: int, end_ns: int) -> Sequence[Span]:
    first, after = (bisect_left(spans, ns, key=lambda span: span[1]) for ns in (begin_ns, end_ns))
    return spans[first:after]


def _moments(answer: Answer, spans: Sequence[Span]) -> dict[str, Moment]:
    """By name. Of several in one call, the first has the plain name, and the last has `last` before it."""
    moments = {"call begins": Moment(answer.sent_ns, None), "call ends": Moment(answer.received_ns, None)}
    for name, begin, end, cpu_at_begin, cpu_at_end in spans:
        edges = {f"{name} begins": Moment(begin, cpu_at_begin), f"{name} ends": Moment(end, cpu_at_end)}
        moments = {**edges, **moments, **{f"last {edge}": moment for edge, moment in edges.items()}}
    return moments


def _figures(step: Step, ways: Sequence[dict[str, Moment]]) -> dict[str, Any]:
    try:
        edges = [(way[step.begin], way[step.end]) for way in ways]
    except KeyError as error:
        raise WentWrong(f"the step {step.name!r} was not seen: no {error}") from error
    # What is published can be taken up before publishing returns: then the hop took no time.
    cpu = [
        max(0, end.cpu_ns - begin.cpu_ns) / 1e6
        for begin, end in edges
        if begin.cpu_ns is not None and end.cpu_ns is not None
    ]
    return {
        "ms": spread([max(0, end.ns - begin.ns) / 1e6 for begin, end in edges]),
        "cpu_ms": spread(cpu)["p50"] if cpu else None,
        "about": step.about,
    }


def _slowest(steps: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Which step takes longest, its share of the way to the answer, and why."""
    name = max((step.name for step in STEPS), key=lambda name: steps[name]["ms"]["p50"])
    whole = sum(steps[step.name]["ms"]["p50"] for step in STEPS)
    share = steps[name]["ms"]["p50"] / whole
    return {"step": name, "share": round(share, 3), "why": steps[name]["about"]}


def _cpu_ms(way: dict[str, Moment]) -> float:
    """The platform's CPU time for one job, from Django on."""
    begin, end = way["http begins"].cpu_ns, way["settle ends"].cpu_ns
    return ((end or 0) - (begin or 0)) / 1e6


def _crowd_cpu_ms(spans: Sequence[Span], began_ns: int, jobs: int) -> float:
    seen = _between(spans, began_ns, time.monotonic_ns())
    return round((max(span[4] for span in seen) - seen[0][3]) / 1e6 / jobs, 3)
