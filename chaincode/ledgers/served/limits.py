"""How much clients may ask for at a time, so that one cannot keep the others out."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    message_bytes: int = 10 * 2**20  #: of one request, as Fabric's orderer takes (BatchSize.AbsoluteMaxBytes)
    calls: int = 256  #: at once, those that wait included
    waiting: int = 128  #: streams, and calls that wait for a commit, at once
    waiting_each: int = 32  #: of these, one identity's; of streams of blocks, one address's
    patience_s: float = 10.0  #: how long an open stream may say nothing at first


class TooMany(Exception):
    """Too many calls wait at once."""


class Turnstile:
    """Counts who waits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: Counter[str] = Counter()
        self._counting = threading.Lock()

    @contextmanager
    def waits(self, who: str) -> Iterator[None]:
        """A place for as long as the block runs. Raises TooMany at once if there is none."""
        self._enter(who)
        try:
            yield
        finally:
            self._leave(who)

    def _enter(self, who: str) -> None:
        with self._counting:
            if self._waiting[who] >= self._limits.waiting_each:
                raise TooMany(f"exceeding concurrency limit ({self._limits.waiting_each}) of one client")
            if self._waiting.total() >= self._limits.waiting:
                raise TooMany(f"exceeding concurrency limit ({self._limits.waiting})")
            self._waiting[who] += 1

    def _leave(self, who: str) -> None:
        with self._counting:
            self._waiting[who] -= 1
            if not self._waiting[who]:
                del self._waiting[who]
