"""The threads that do the API's blocking steps: database, ledger. Passwords have two of their own, since a
hash takes half a second of a processor, and whoever sends many must not keep the other calls waiting.

They are few, live long and keep their database connections. A call that waits for its job has none of them.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

import structlog
from django.conf import settings
from django.db import close_old_connections

from chainfaas.errors import TooManyRequests

P = ParamSpec("P")
R = TypeVar("R")

log = structlog.get_logger()

_pool = ThreadPoolExecutor(settings.API_THREADS, thread_name_prefix="api")


class Line:
    """Few threads, with a line of steps before them that has an end: who comes then is told to come again."""

    def __init__(self, threads: int, places: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._places = threading.BoundedSemaphore(threads + places)

    async def run(self, step: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Wait for the step. Raises TooManyRequests where the line is full."""
        return await asyncio.wrap_future(self._begin(partial(step, *args, **kwargs)))

    def wait(self, step: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The same in a thread that may block."""
        return self._begin(partial(step, *args, **kwargs)).result()

    def _begin(self, step: Callable[[], R]) -> Future[R]:
        if not self._places.acquire(blocking=False):
            raise TooManyRequests("Many people sign in at this moment; try again soon.", retry_after_s=5)
        try:
            work = self._pool.submit(contextvars.copy_context().run, _connected, step)
        except RuntimeError:
            self._places.release()
            raise
        work.add_done_callback(lambda _: self._places.release())
        return work


passwords = Line(threads=2, places=16, name="password")


async def run(step: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Have a thread do the step, and wait for it. Cancelling the wait does not stop the step."""
    in_context = contextvars.copy_context().run
    return await asyncio.get_running_loop().run_in_executor(
        _pool, partial(in_context, _connected, partial(step, *args, **kwargs))
    )


async def run_or_undo(step: Callable[[], R], undo: Callable[[R], object]) -> R:
    """Like run. What the step brought about when nobody waited for it any more is undone."""
    work = _pool.submit(contextvars.copy_context().run, _connected, step)
    try:
        return await asyncio.wrap_future(work)
    except asyncio.CancelledError:
        work.add_done_callback(partial(_undo, undo))
        raise


def later(step: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Have a thread do the step when nobody waits for it any more."""
    _pool.submit(_connected, partial(_logged, partial(step, *args, **kwargs)))


def _undo(undo: Callable[[R], object], work: Future[R]) -> None:
    if not work.cancelled() and work.exception() is None:
        later(undo, work.result())


def _connected(step: Callable[[], R]) -> R:
    close_old_connections()
    try:
        return step()
    finally:
        close_old_connections()


def _logged(step: Callable[[], object]) -> None:
    try:
        step()
    except Exception:
        log.exception("api.step_failed")
