"""Starts the embedded platform as a process of its own and ends it again."""

from __future__ import annotations

import contextlib
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
def running(data: Path, *options: str, program: str = "ops.embedded") -> Iterator[str]:
    """The URL of a platform that runs as long as the context does. Its log is in `data`/log."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = data / "log"
    command = [sys.executable, "-P", "-m", program, "--port", "0", "--data", str(data), *options]
    with log.open("a") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
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
