"""Calls an hour as bars in a picture of 240 by 60."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chainfaas.jobs.figures import Hour

WIDTH, HEIGHT = 10, 60
LOWEST = 2.0
"""An hour with a single call among thousands still has a bar."""


@dataclass(frozen=True)
class Bar:
    start: datetime
    calls: int
    errors: int
    x: int
    y: float
    height: float
    error_y: float
    error_height: float


def chart(hours: Sequence[Hour]) -> list[Bar]:
    most = max((hour.calls for hour in hours), default=0) or 1
    return [_bar(hour, number * WIDTH + 1, most) for number, hour in enumerate(hours)]


def _bar(hour: Hour, x: int, most: int) -> Bar:
    height, errors = _height(hour.calls, most), _height(hour.errors, most)
    return Bar(hour.start, hour.calls, hour.errors, x, HEIGHT - height, height, HEIGHT - errors, errors)


def _height(count: int, most: int) -> float:
    return round(max(LOWEST, count / most * HEIGHT), 1) if count else 0.0
