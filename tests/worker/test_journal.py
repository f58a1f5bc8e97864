"""The journal survives what the machine does not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tasks import names
from tasks.messages import Outcome, Result
from tests.worker.making import make_run
from worker import journal, reports
from worker.journal import Journal


def make_result(attempt: int = 1) -> Result:
    task = make_run(attempt=attempt)
    return reports.not_run(task, Outcome.LOST, "é")


def id_of(result: Result) -> str:
    return names.task_id(result.job, result.attempt)


def test_it_remembers_a_start_then_the_result_in_another_life(tmp_path: Path) -> None:
    result = make_result()

    Journal(tmp_path).start(id_of(result))
    assert Journal(tmp_path).started(id_of(result))
    assert Journal(tmp_path).result(id_of(result)) is None

    Journal(tmp_path).keep(result)
    assert Journal(tmp_path).result(id_of(result)) == result
    assert not Journal(tmp_path).started(id_of(result))


def test_attempts_are_kept_apart(tmp_path: Path) -> None:
    diary = Journal(tmp_path)
    diary.start("job.1")

    assert not diary.started("job.10")
    assert diary.result("job.2") is None


@pytest.mark.parametrize("damage", ["", "{", '{"type": "result"}', "\ud800"], ids=repr)
def test_a_result_that_cannot_be_read_is_none(tmp_path: Path, damage: str) -> None:
    (tmp_path / "job.1.result").write_bytes(damage.encode("utf-8", "surrogatepass"))

    assert Journal(tmp_path).result("job.1") is None


def test_what_is_old_is_forgotten_at_the_start(tmp_path: Path) -> None:
    old, young = make_result(), make_result()
    Journal(tmp_path).keep(old)
    Journal(tmp_path).keep(young)
    yesterday = time.time() - journal.KEEP_S - 60
    os.utime(tmp_path / f"{id_of(old)}.result", (yesterday, yesterday))

    again = Journal(tmp_path)

    assert again.result(id_of(old)) is None
    assert again.result(id_of(young)) == young


@pytest.mark.parametrize(("limit", "value"), [("KEEP_FILES", 3), ("KEEP_BYTES", 700)])
def test_only_the_newest_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(journal, limit, value)
    diary = Journal(tmp_path)
    results = [make_result(n) for n in range(1, 7)]
    for age, result in enumerate(reversed(results)):
        diary.keep(result)
        os.utime(tmp_path / f"{id_of(result)}.result", (time.time() - age,) * 2)

    diary.prune()

    known = [diary.result(id_of(result)) is not None for result in results]
    assert known == sorted(known)
    assert 0 < known.count(True) <= 3


def test_a_long_life_prunes_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "KEEP_FILES", 5)
    monkeypatch.setattr(journal, "PRUNE_EVERY", 10)
    diary = Journal(tmp_path)

    for n in range(1, 31):
        diary.keep(make_result(n))

    assert len(list(tmp_path.iterdir())) == 5
