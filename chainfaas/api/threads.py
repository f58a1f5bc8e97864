"""The threads that do the API's blocking steps: database, ledger, password hashes.

They are few, live long and keep their database connections. A call that waits for its job has none of them.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

import structlog
from django.conf import settings
from django.db import close_old_connections

P = ParamSpec("P")
R = TypeVar("R")

log = structlog.get_logger()

_pool = ThreadPoolExecutor(settings.API_THREADS, thread_name_prefix="api")


async def run(step: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Have a thread do the step, and wait for it. Cancelling the wait does not stop the step."""
    in_context = contextvars.copy_context().run
    return await asyncio.get_running_loop().run_in_executor(
        _pool, partial(in_context, _connected, partial(step, *args, **kwargs))
    )


def later(step: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Have a thread do the step when nobody waits for it any more."""
    _pool.submit(_connected, partial(_logged, partial(step, *args, **kwargs)))


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
