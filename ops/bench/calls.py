"""Calls over HTTP against a platform that runs: the paper's times, jobs a second, and what went wrong."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ops.bench.amounts import IN_FLIGHT, SLOTS, Amounts
from ops.bench.caller import Answer, Caller
from ops.bench.figures import WentWrong, per_second, spread
from ops.demo import platform
from ops.demo.scenes import TEXT

TIMES = ("t_prc_ms", "t_prv_ms", "t_cmp_ms", "t_rsp_ms", "t_bil_ms")
SETTLE_S = 30

BODIES = {"echo": b"hello", "example": TEXT.read_bytes()[:2000]}
"""What each function is called with; every new developer has `example`, the word count."""

IMAGES = {"echo": "chainfaas/echo", "example": "chainfaas/wordcount"}

PLATFORM = ("--provider-user", "pete", "--slots", str(SLOTS))


def measure(data: Path, amounts: Amounts) -> dict[str, Any]:
    """Both functions, one call after another and many in flight."""
    with platform.running(data, *PLATFORM) as url, Caller(url) as caller:
        user = settle_in(caller, amounts)
        return {
            name: {
                "in_flight_1": _loop(caller, f"{user}/{name}", body, amounts.alone, at_once=1),
                f"in_flight_{IN_FLIGHT}": _loop(caller, f"{user}/{name}", body, amounts.crowd),
            }
            for name, body in BODIES.items()
        }


def settle_in(caller: Caller, amounts: Amounts) -> str:
    """Register and deploy, and call until everything was loaded; the user name."""
    user = caller.register()
    caller.post("/functions", {"name": "echo", "image": IMAGES["echo"]})
    for name, body in BODIES.items():
        answers = crowd(caller, f"{user}/{name}", body, amounts.warm_up, at_once=min(4, amounts.warm_up))
        _jobs(caller, _good(answers))
    return user


def crowd(
    caller: Caller, function: str, body: bytes, count: int, *, at_once: int = IN_FLIGHT
) -> list[Answer]:
    """A closed loop: so many callers, each with a connection of its own, until `count` calls are answered."""
    shares = [count // at_once + (n < count % at_once) for n in range(at_once)]
    with ExitStack() as connections, ThreadPoolExecutor(at_once) as threads:
        callers = [connections.enter_context(caller.again()) for _ in shares]
        loops = [
            threads.submit(lambda one, share: [one.call(function, body) for _ in range(share)], one, share)
            for one, share in zip(callers, shares, strict=True)
        ]
        return [answer for loop in loops for answer in loop.result()]


def settled(caller: Caller, id: str, end: float) -> dict[str, Any]:
    """The job, once it is paid. `end` is on the clock of time.monotonic()."""
    while True:
        job: dict[str, Any] = caller.get(f"/jobs/{id}")
        if job["settled"]:
            return job
        if time.monotonic() > end:
            raise WentWrong(f"job {id} was not paid within {SETTLE_S} s; it stands at {job['state']}")
        time.sleep(0.02)


def _loop(
    caller: Caller, function: str, body: bytes, count: int, *, at_once: int = IN_FLIGHT
) -> dict[str, Any]:
    began = time.perf_counter()
    answers = crowd(caller, function, body, count, at_once=at_once)
    seconds = time.perf_counter() - began
    good = _good(answers)
    jobs = _jobs(caller, good)
    timings = [job["timings"] for job in jobs]
    overhead = [timing["t_rsp_ms"] - timing["t_cmp_ms"] for timing in timings]
    return {
        "calls": len(answers),
        "errors": {
            str(status): n for status, n in Counter(a.status for a in answers).items() if status != 200
        },
        "retries_503": sum(answer.retries for answer in answers),
        "jobs_per_s": per_second(len(good), seconds),
        "http_ms": spread([answer.took_ms for answer in good]),
        **{name: spread([timing[name] for timing in timings]) for name in TIMES},
        "overhead_ms": spread(overhead),
    }


def _good(answers: Sequence[Answer]) -> list[Answer]:
    good = [answer for answer in answers if answer.status == 200]
    if not good:
        raise WentWrong(f"no call succeeded; the first was answered {answers[0].status}")
    return good


def _jobs(caller: Caller, answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """The jobs behind the answers, all of them paid."""
    end = time.monotonic() + SETTLE_S
    with caller.again() as fresh:  # the server closes a connection that was silent for some seconds
        return [settled(fresh, answer.job, end) for answer in answers if answer.job is not None]
