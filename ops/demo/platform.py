"""Starts the platform, or a ledger for it, as a process of its own and ends it again."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

START_S = 60
STOP_S = 15


class DidNotStart(Exception):
    """The platform did not come up."""


@contextlib.contextmanager
def running(data: Path, *options: str, program: str = "ops.embedded", **environment: str) -> Iterator[str]:
    """The URL of a platform that runs as long as the context does. Its log is in `data`/log."""
    command = (program, "--port", "0", "--data", str(data), *options)
    with _process(command, data / "log", environment) as url:
        yield url


@contextlib.contextmanager
def ledger(data: Path) -> Iterator[str]:
    """The LEDGER_URL of a ledger served from the same folder. Its log is in `data`/ledger.log."""
    command = ("ops.ledger", "--data", str(data), "--listen", "127.0.0.1:0")
    with _process(command, data / "ledger.log", {}) as url:
        yield url


@contextlib.contextmanager
def _process(command: tuple[str, ...], log: Path, environment: dict[str, str]) -> Iterator[str]:
    """What the program says that it is ready at."""
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("a") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", *command],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, **environment},
        )
    try:
        yield _ready(process, log)
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _ready(process: subprocess.Popen[str], log: Path) -> str:
    """The URL, once the platform said that it is ready."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    watchdog = threading.Timer(START_S, process.kill)
    watchdog.start()
    line = process.stdout.readline()
    watchdog.cancel()
    if not line.startswith("ready "):
        process.wait()
        last = log.read_text().strip().splitlines()[-1:]
        raise DidNotStart(f"the platform ended while starting (code {process.returncode}): {' '.join(last)}")
    return line.removeprefix("ready ").strip()
