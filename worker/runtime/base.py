"""The seam between a machine's worker and whatever runs functions on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tasks.messages import Outcome, Run


class RuntimeFault(Exception):
    """The machine cannot run this, through no fault of the function."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.__doc__)


class ImageUnavailable(RuntimeFault):
    """The image cannot be had on this machine."""


class RuntimeBroken(RuntimeFault):
    """This machine cannot run functions now."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a function ended."""

    outcome: Outcome
    exit_code: int  #: 128 + signal for a killed process
    run_ms: int  #: from the start of the function to its end, monotonic, rounded up
    output: bytes  #: stdout, at most limits.BODY; empty if there was more
    log: bytes  #: the end of stderr, at most limits.LOG


class Runtime(Protocol):
    """Runs functions, several at once, each call in a thread of its own.

    A function's own faults (exit code, signal, limits) are an ordinary `Finished`: MUST NOT raise.
    Only the host's trouble raises, always a `RuntimeFault`. Whatever happens, nothing that a function
    started and nothing that it wrote to disk is left once `run` has returned or raised.
    """

    def prepare(self, image: str) -> float:
        """Have the image ready and return how long that took, in ms. May be repeated.

        Raises ImageUnavailable, RuntimeBroken.
        """
        ...

    def run(self, task: Run, on_start: Callable[[], None]) -> Finished:
        """Run a prepared image once and hold it to the task's limits of time, memory, cpus and output.

        `on_start` is called once, from this thread, as soon as the function has started; from then on
        `stop` finds it. It must return at once and not raise.
        Raises ImageUnavailable, RuntimeBroken.
        """
        ...

    def stop(self, task_id: str) -> None:
        """End this attempt now; its `run` returns CANCELLED. Nothing happens if it is not running
        (not yet, or no longer). May be repeated, from any thread. Never raises."""
        ...

    def reap(self) -> None:
        """Kill and remove whatever an earlier life of this machine left. Called before the first `run`."""
        ...

    def close(self) -> None:
        """End all that runs: each `run` returns LOST. A later `run` raises RuntimeBroken. May be repeated."""
        ...
