"""Figures: percentiles of many measurements, and everything that went wrong on the way."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any


class WentWrong(Exception):
    """The bench could not measure what it should; there are no figures."""


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
