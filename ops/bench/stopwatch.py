"""`python -m ops.bench.stopwatch …`: the embedded platform (ops/embedded.py) with a stopwatch at the steps of
a job. The product knows nothing of it: the functions are wrapped from outside, once everything is loaded.

When the platform ends, what was seen is in `spans.json` in its data folder.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import django

from ops import embedded
from ops.bench.figures import WentWrong

P = ParamSpec("P")
R = TypeVar("R")

WATCHED = {
    "http": "django.core.handlers.asgi:ASGIHandler.handle",
    "submit": "chainfaas.jobs.lifecycle:submit",
    "assign": "chainfaas.jobs.placing:assign",
    "create": "chainfaas.ledger.jobs:create",
    "dispatch": "chainfaas.dispatch:run",
    "task": "worker.executor:Executor.accept",
    "run": "worker.runtime.process:ProcessRuntime.run",
    "function": "worker.runtime.attempt:Attempt.finish",
    "sign": "chaincode.receipt:Receipt.sign",
    "send": "worker.outbox:Outbox.send",
    "ingress": "chainfaas.ingress:accept",
    "hand_on": "chainfaas.dispatch:record_result",
    "finished": "chainfaas.jobs.lifecycle:finished",
    "settle": "chainfaas.jobs.lifecycle:settle",
    "pay": "chainfaas.ledger.jobs:finish",
}
"""What is timed, each as module and name within it, looked up by its callers at every call."""

SPANS = "spans.json"

_spans: list[tuple[str, int, int, int, int]] = []
"""Name; begin and end on the clock of time.monotonic_ns(); the CPU time of the whole process at both."""


def main() -> int:
    """The platform's own exit code."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--data", type=Path, required=True)
    data: Path = parser.parse_known_args()[0].data
    _attach_after_setup()
    code = embedded.main()
    (data / SPANS).write_text(json.dumps(_spans))
    return code


def attach() -> None:
    """Put a stopwatch on everything that is WATCHED."""
    for name, place in WATCHED.items():
        module, _, path = place.partition(":")
        try:
            *holders, attribute = path.split(".")
            holder: Any = functools.reduce(getattr, holders, importlib.import_module(module))
            setattr(holder, attribute, _timed(name, getattr(holder, attribute)))
        except (ImportError, AttributeError) as error:
            raise WentWrong(f"there is no {place} to time; ops/bench/stopwatch.py names it") from error


def _attach_after_setup() -> None:
    setup = django.setup

    def setup_then_attach(set_prefix: bool = True) -> None:
        django.setup = setup
        setup(set_prefix)
        attach()

    django.setup = setup_then_attach


def _timed(name: str, function: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(function)
    def timed(*args: P.args, **kwargs: P.kwargs) -> R:
        begin, cpu = time.monotonic_ns(), time.process_time_ns()
        try:
            return function(*args, **kwargs)
        finally:
            _spans.append((name, begin, time.monotonic_ns(), cpu, time.process_time_ns()))

    return timed


if __name__ == "__main__":
    sys.exit(main())
