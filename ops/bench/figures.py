"""Figures: percentiles of many measurements, and everything that went wrong on the way."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any


class WentWrong(Exception):
    """The bench could not measure what it should; there are no figures."""


class Times:
    """How long named steps took, in milliseconds, of any number of threads. A step within another has the
    other's name before its own: `submit.sign`."""

    def __init__(self) -> None:
        self._taken: defaultdict[str, list[float]] = defaultdict(list)
        self._within = threading.local()

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        outer = getattr(self._within, "name", "")
        self._within.name = f"{outer}.{name}" if outer else name
        began = time.perf_counter()
        try:
            yield
        finally:
            self._taken[self._within.name].append((time.perf_counter() - began) * 1000)
            self._within.name = outer

    def take(self) -> dict[str, list[float]]:
        """Those since the last time. Not while something is timed."""
        taken = dict(self._taken)
        self._taken.clear()
        return taken


def spread(values_ms: Sequence[float]) -> dict[str, Any]:
    """Median and 95th percentile (nearest rank) in milliseconds, and of how many."""
    if not values_ms:
        raise WentWrong("nothing was measured")
    ordered = sorted(values_ms)
    return {"p50": _rank(ordered, 50), "p95": _rank(ordered, 95), "n": len(ordered)}


def per_second(count: int, seconds: float) -> float:
    return round(count / seconds, 2)


def _rank(ordered: Sequence[float], percent: int) -> float:
    return round(ordered[ceil(len(ordered) * percent / 100) - 1], 3)
