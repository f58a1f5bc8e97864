"""How amounts, times, bars and JSON are written."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from chainfaas.jobs.figures import Hour, percentile
from portal.hours import chart
from portal.pretty import pretty
from portal.templatetags.wording import change, money, ms, short, when
from portal.timings import bars


@pytest.mark.parametrize(
    ("amount", "written"),
    [(0, "0 µ"), (1234567, "1,234,567 µ"), (-5, "\u22125 µ"), (None, "\u2013")],
)
def test_money_has_separators_and_a_sign(amount: int | None, written: str) -> None:
    assert money(amount) == written.replace(" ", "\u202f")


def test_a_change_says_which_way() -> None:
    assert (change(5), change(-5), change(0)) == ("+5\u202fµ", "\u22125\u202fµ", "0\u202fµ")


@pytest.mark.parametrize(
    ("value", "written"), [(0.04, "0.0"), (12.34, "12.3"), (20, "20"), (1234.5, "1,234"), (99.96, "100.0")]
)
def test_milliseconds_have_a_fraction_where_it_says_something(value: float, written: str) -> None:
    assert ms(value) == f"{written}\u202fms"


def test_times_are_utc_for_people_and_programs() -> None:
    noon = datetime(2026, 3, 4, 14, 5, 6, 789000, tzinfo=timezone(timedelta(hours=2)))

    assert "4 Mar 2026 12:05:06</time>" in when(noon)
    assert 'datetime="2026-03-04T12:05:06.789Z"' in when(noon)
    assert ">12:05:06.789</time>" in when("2026-03-04T12:05:06.789Z", "precise")
    assert when(None) == "\u2013"


def test_a_hash_is_cut() -> None:
    assert (short("abcdef", 4), short("abc", 4)) == ("abcd…", "abc")


def test_bars_lie_where_their_time_was() -> None:
    known = {"t_prc_ms": 10.0, "t_prv_ms": 20.0, "t_cmp_ms": 30.0, "t_rsp_ms": 60.0, "t_bil_ms": 40.0}

    drawn = {bar.name: (bar.x, bar.width) for bar in bars(known)}

    assert drawn == {
        "T_prc": (0, 10),
        "T_prv": (0, 20),
        "T_cmp": (20, 30),
        "T_rsp": (0, 60),
        "T_bil": (60, 40),
    }


@pytest.mark.parametrize("t_cmp_ms", [0.0, 59.0, 1e9])
def test_no_bar_leaves_its_scale(t_cmp_ms: float) -> None:
    for bar in bars(
        {"t_prc_ms": 0.0, "t_prv_ms": 20.0, "t_cmp_ms": t_cmp_ms, "t_rsp_ms": 60.0, "t_bil_ms": None}
    ):
        assert bar.width > 0
        assert bar.x >= 0
        assert bar.x + bar.width <= 100.5


def test_unknown_times_have_no_bars() -> None:
    assert bars(dict.fromkeys(("t_prc_ms", "t_prv_ms", "t_cmp_ms", "t_rsp_ms", "t_bil_ms"))) == []


def test_an_hour_with_one_call_among_many_is_seen() -> None:
    now = datetime(2026, 3, 4, tzinfo=UTC)

    few, many, none = chart([Hour(now, 1, 0), Hour(now, 10_000, 5_000), Hour(now, 0, 0)])

    assert few.height == 2
    assert (many.height, many.error_height, many.y) == (60, 30, 0)
    assert none.height == 0


@pytest.mark.parametrize(
    "value",
    [{}, [], [1, 2], {"a": {"b": [1] * 60, "c": "µ"}}, [[["x" * 100]]], {"a": None, "b": [True] * 40}],
)
def test_json_is_laid_out_and_means_the_same(value: object) -> None:
    text = pretty(json.dumps(value))

    assert json.loads(text) == value
    assert max(map(len, text.splitlines())) < 120


@pytest.mark.parametrize("text", ["", "hello", "[1, 2", "{]", '"text"', "[" * 5000])
def test_what_is_no_json_stays_as_it_is(text: str) -> None:
    assert pretty(text) == text


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(n) for n in range(1, 101)]

    assert (percentile(values, 50), percentile(values, 95), percentile([7.0], 95)) == (50, 95, 7)
    assert percentile([], 50) is None
