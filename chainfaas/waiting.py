"""Wakes the HTTP request that waits for a job, wherever in the platform the job's end was noticed.

A waiting request costs a dictionary entry, not a thread. `connect(url)` picks how the news travels:
`memory://` within this process. The news is only speed: whoever is woken reads the job's row.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import lru_cache
from typing import Protocol
from urllib.parse import urlsplit

from chainfaas.errors import ChainFaaSError


class Bell(Protocol):
    """Rung from any thread, heard in an event loop."""

    def ring(self, job: str) -> None:
        """Something happened to the job: it ended, or a place became free for it."""
        ...

    def listen(self, job: str) -> AbstractContextManager[asyncio.Event]:
        """A context in whose body an asyncio.Event is set at each ring. Enter it before the job can end."""
        ...

    def heard(self, job: str) -> bool:
        """Whether anybody listens for the job."""
        ...


class MemoryBell:
    """Within one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ears: dict[str, list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = defaultdict(list)

    def ring(self, job: str) -> None:
        with self._lock:
            ears = list(self._ears.get(job, ()))
        for loop, event in ears:
            with suppress(RuntimeError):  # whoever listened is gone, with its loop
                loop.call_soon_threadsafe(event.set)

    @contextmanager
    def listen(self, job: str) -> Iterator[asyncio.Event]:
        ear = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._ears[job].append(ear)
        try:
            yield ear[1]
        finally:
            with self._lock:
                self._ears[job].remove(ear)
                if not self._ears[job]:
                    del self._ears[job]

    def heard(self, job: str) -> bool:
        with self._lock:
            return job in self._ears


@lru_cache(maxsize=1)
def connect(url: str) -> Bell:
    """The bell behind an URL."""
    if urlsplit(url).scheme == "memory":
        return MemoryBell()
    raise ChainFaaSError(f"WAKE_URL {url!r} is not supported: use memory://")
