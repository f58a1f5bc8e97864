"""The bench: one document with everything that it promises, and ratios from the second run on."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ops.bench import records, wire
from ops.bench.calls import BODIES, TIMES
from ops.bench.steps import AFTER, STEPS


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ops.bench", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def first(folder: Path) -> dict[str, Any]:
    """The document of a quick run."""
    ended = bench("--quick", "--json", "--out", str(folder))
    assert ended.returncode == 0, ended.stderr
    document: dict[str, Any] = json.loads(ended.stdout)
    return document


def test_document_tells_where_and_when(first: dict[str, Any]) -> None:
    assert first["version"] == 1
    assert first["surroundings"].keys() >= {"at", "commit", "python", "cores", "load"}
    assert first["before"] is None


@pytest.mark.parametrize("function", BODIES)
@pytest.mark.parametrize("in_flight", [1, 16])
def test_document_has_the_times_of_a_call(first: dict[str, Any], function: str, in_flight: int) -> None:
    figures = first["calls"][function][f"in_flight_{in_flight}"]

    assert figures["errors"] == {}
    assert figures["jobs_per_s"] > 0
    for time in (*TIMES, "http_ms", "overhead_ms"):
        assert 0 <= figures[time]["p50"] <= figures[time]["p95"]
    assert figures["http_ms"]["p50"] >= figures["t_rsp_ms"]["p50"] >= figures["t_cmp_ms"]["p50"]


@pytest.mark.parametrize("function", BODIES)
def test_document_has_the_bare_process_to_compare_with(first: dict[str, Any], function: str) -> None:
    assert first["plain"][function]["ms"]["p50"] > 0
    assert first["ratios"]["to_plain"][function].keys() == {"http_p50", "per_s"}


def test_document_has_the_ledger_batched_against_unbatched(first: dict[str, Any]) -> None:
    ledger = first["ledger"]

    assert ledger["single"]["ratio_to_single"] == 1
    for way in ("single", "single_16_at_once", "batch_10", "batch_100"):
        assert ledger[way]["jobs_per_s"] > 0
        assert ledger[way]["transactions_per_s"] > 0
    assert ledger["verify"]["blocks_per_s"] > 0


@pytest.mark.parametrize("in_flight", [1, 16])
@pytest.mark.parametrize("ledger", ["served", "embedded"])
def test_document_has_the_ledger_over_the_wire_and_embedded(
    first: dict[str, Any], ledger: str, in_flight: int
) -> None:
    figures = first["wire"][ledger][f"in_flight_{in_flight}"]

    for way in ("single", "batched"):
        assert figures[way]["jobs_per_s"] > 0
        assert figures[way]["transactions_per_s"] > 0
        for half in ("endorse_ms", "submit_ms"):
            assert 0 < figures[way][half]["p50"] <= figures[way][half]["p95"]
    assert figures["batched"]["ratio_to_single"] > 1
    assert first["wire"][ledger]["verify"]["blocks_per_s"] > 0


def test_document_has_the_ratios_of_the_wire_to_the_embedded_ledger(first: dict[str, Any]) -> None:
    ratios = first["ratios"]["to_embedded"]

    assert ratios.keys() == {"in_flight_1", "in_flight_16", "verify"}
    for in_flight in ("in_flight_1", "in_flight_16"):
        for way in ("single", "batched"):
            assert ratios[in_flight][way].keys() == {
                "transactions_per_s",
                "jobs_per_s",
                "endorse_ms",
                "submit_ms",
            }
    assert ratios["verify"]["blocks_per_s"] > 0


def test_document_has_the_steps_of_a_transaction_on_the_wire(first: dict[str, Any]) -> None:
    figures = first["wire"]

    assert list(figures["steps"]) == list(wire.STEPS)
    assert sum(step["share"] for step in figures["steps"].values()) == pytest.approx(1, abs=0.01)
    assert figures["slowest"]["step"] in figures["steps"]
    assert figures["slowest"]["why"]
    assert figures["round_trip_ms"]["p50"] > 0


def test_document_has_the_cost_of_each_step_and_names_the_slowest(first: dict[str, Any]) -> None:
    assert list(first["steps"]) == [step.name for step in (*STEPS, *AFTER)]
    assert first["slowest"]["step"] in first["steps"]
    assert first["slowest"]["why"]
    assert first["cpu_ms_per_job"]["in_flight_16"] > 0


def test_steps_follow_on_each_other_without_a_gap() -> None:
    assert all(before.end == after.begin for before, after in pairwise(STEPS))


def test_second_run_prints_ratios_to_the_first(first: dict[str, Any], folder: Path) -> None:
    ended = bench("--quick", "--out", str(folder))

    assert ended.returncode == 0, ended.stderr
    assert f"ratio to the run before, commit {first['surroundings']['commit'] or 'unknown'}" in ended.stdout
    assert " x" in next(line for line in ended.stdout.splitlines() if "calls a second" in line)
    second = json.loads((folder / "latest-quick.json").read_text())
    assert second["before"]["at"] == first["surroundings"]["at"]
    assert "calls.echo.in_flight_16.jobs_per_s" in second["before"]["ratios"]
    assert "wire.served.in_flight_16.single.submit_ms.p50" in second["before"]["ratios"]
    assert "Slowest: " + second["wire"]["slowest"]["step"] in ended.stdout


def test_ratio_is_of_what_both_runs_have() -> None:
    then = {"plain": {"echo": {"ms": {"p50": 10.0, "n": 60}, "gone": {"p50": 1.0}}}, "ratios": {"per_s": 3}}
    now = {"plain": {"echo": {"ms": {"p50": 12.5, "n": 80}, "new": {"p50": 1.0}}}, "ratios": {"per_s": 6}}

    assert records.ratios(now, then) == {"plain.echo.ms.p50": 1.25}


class TestTrouble:
    """One line that says what is wrong, and no figures."""

    def test_two_at_once(self, tmp_path: Path) -> None:
        with (tmp_path / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)

            ended = bench("--quick", "--out", str(tmp_path))

        assert ended.returncode == 1
        assert ended.stderr.count("\n") == 1
        assert "another bench runs" in ended.stderr

    def test_unreadable_record(self, tmp_path: Path) -> None:
        (tmp_path / "latest-quick.json").write_text("{")

        ended = bench("--quick", "--out", str(tmp_path))

        assert ended.returncode == 1
        assert "latest-quick.json cannot be read: remove it" in ended.stderr

    def test_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        ended = bench("--quick", "--out", str(tmp_path / "file" / "folder"))

        assert ended.returncode == 1
        assert ended.stderr.count("\n") == 1

    def test_unknown_option(self) -> None:
        ended = bench("--fast")

        assert ended.returncode == 2
        assert ended.stderr == "error: unrecognized arguments: --fast; --help lists the options\n"
