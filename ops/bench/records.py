"""The figures of earlier runs: `<commit>.json` each, and `latest.json` for the next to compare with."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ops.bench.figures import WentWrong

MEASURED = ("plain", "calls", "ledger", "wire", "steps", "answer_ms", "cpu_ms_per_job")
"""The parts of a document that hold figures."""

COMPARED = ("p50", "p95", "ms", "cpu_ms", "jobs_per_s", "transactions_per_s", "blocks_per_s", "per_s")


@contextmanager
def folder(path: Path) -> Iterator[Path]:
    """The records' folder, for one run at a time: two would measure each other."""
    path.mkdir(parents=True, exist_ok=True)
    with (path / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise WentWrong(f"another bench runs and keeps its figures in {path}") from error
        yield path


def before(records: Path, *, quick: bool) -> dict[str, Any] | None:
    """The run before, of the same size; None for the first."""
    path = records / _latest(quick)
    try:
        document: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise WentWrong(f"{path} cannot be read: remove it") from error
    return document


def keep(records: Path, document: dict[str, Any]) -> Path:
    """Write the run under its commit, or its time where there is none, and as the latest."""
    made, quick = document["surroundings"], document["quick"]
    name = made["commit"] or made["at"].replace(":", "")
    path = records / f"{name}{'-changed' if made['changed'] else ''}{'-quick' if quick else ''}.json"
    text = json.dumps(document, indent=2) + "\n"
    for target in (path, records / _latest(quick)):
        temporary = target.with_suffix(f".{os.getpid()}.new")
        temporary.write_text(text)
        temporary.rename(target)
    return path


def ratios(now: dict[str, Any], then: dict[str, Any]) -> dict[str, float]:
    """Each figure to what it was, by the way to it in the document: `calls.echo.in_flight_1.jobs_per_s`."""
    earlier = dict(_figures(then))
    return {
        name: round(value / earlier[name], 3) for name, value in _figures(now) if earlier.get(name, 0) > 0
    }


def _figures(document: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for part in MEASURED:
        yield from _below(part, document.get(part))


def _below(name: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _below(f"{name}.{key}", inner)
    elif isinstance(value, int | float) and (
        name.rpartition(".")[2] in COMPARED or name.startswith("cpu_ms_per_job.")
    ):
        yield name, value


def _latest(quick: bool) -> str:
    return "latest-quick.json" if quick else "latest.json"
