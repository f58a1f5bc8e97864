from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaincode import pricing

times = st.integers(0, 86_400_000)
rates = st.integers(0, 1_000_000)
memories = st.integers(1, 1_048_576)


@pytest.mark.parametrize(
    ("ms", "rate", "memory_mb", "cost"),
    [
        (0, 16, 1024, 0),
        (1, 16, 1024, 16),
        (100, 16, 1024, 16),
        (101, 16, 1024, 32),
        (100, 16, 128, 2),
        (100, 1, 1, 1),
        (100, 0, 1024, 0),
        (30_000, 64, 512, 9600),
    ],
)
def test_started_slices_and_units_count_as_whole(ms: int, rate: int, memory_mb: int, cost: int) -> None:
    assert pricing.cost(ms, rate, memory_mb) == cost


@given(times, rates, memories)
def test_cost_is_the_design_formula_exactly(ms: int, rate: int, memory_mb: int) -> None:
    expected = math.ceil(Fraction(ms, 100)) * math.ceil(Fraction(rate * memory_mb, 1024))

    assert pricing.cost(ms, rate, memory_mb) == expected


@given(times, times, times, rates, rates, memories)
def test_no_attempt_costs_more_than_was_held(
    run_ms: int, wall_ms: int, timeout_ms: int, rate: int, max_rate: int, memory_mb: int
) -> None:
    billed = pricing.billed_ms(run_ms, wall_ms, timeout_ms)

    cost = pricing.cost(billed, min(rate, max_rate), memory_mb)

    assert cost <= pricing.hold(timeout_ms, max_rate, memory_mb)


@given(times, times, times)
def test_billed_is_the_least_of_the_three(run_ms: int, wall_ms: int, timeout_ms: int) -> None:
    assert pricing.billed_ms(run_ms, wall_ms, timeout_ms) == sorted([run_ms, wall_ms, timeout_ms])[0]
