"""The price of a run, in micro-units: the one place that computes it, for contracts and controller.

Integers only. A started slice of 100 ms and a started micro-unit count as whole ones.
"""

from __future__ import annotations

SLICE_MS = 100
"""What is billed at a time."""

RATED_MB = 1024
"""A rate is for this much memory: micro-units per 100 ms at 1024 MiB."""


def cost(ms: int, rate: int, memory_mb: int) -> int:
    """Micro-units for so many milliseconds on a machine of this rate."""
    return _ceil(ms, SLICE_MS) * _ceil(rate * memory_mb, RATED_MB)


def hold(timeout_ms: int, max_rate: int, memory_mb: int) -> int:
    """What is set aside for a job: its whole timeout at the dearest rate that the function allows.

    So an attempt on another, dearer machine never costs more than was held (docs/adr/0005).
    """
    return cost(timeout_ms, max_rate, memory_mb)


def billed_ms(run_ms: int, wall_ms: int, timeout_ms: int) -> int:
    """The least of what the provider signed, what the controller saw, and what the function may take."""
    return min(run_ms, wall_ms, timeout_ms)


def _ceil(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
