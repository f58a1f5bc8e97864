"""Find and kill the processes of functions, wherever they hid: by a marker in their environment.

A process can leave its group and its parent (setsid, double fork), but /proc/<pid>/environ shows what it was
started with, and its children inherit it. Only a program that starts another with an emptied environment in a
session of its own escapes; the container runtime has no such hole.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

MARKER = "CHAINFAAS_ATTEMPT"
"""Its value is `<machine>/<task id>`."""

ROUNDS = 100
PAUSE_S = 0.002
"""Between two rounds: a killed process takes a moment to go."""


def mark(machine: str, task_id: str) -> dict[str, str]:
    """The environment variable that tells a function's processes from all others."""
    return {MARKER: f"{machine}/{task_id}"}


def kill_attempt(machine: str, task_id: str) -> int:
    """Kill what one attempt left behind; how many processes that was."""
    return _kill(f"{MARKER}={machine}/{task_id}\0".encode())


def kill_machine(machine: str) -> int:
    """Kill what all attempts of this machine left behind; how many processes that was."""
    return _kill(f"{MARKER}={machine}/".encode())


def _kill(mark: bytes) -> int:
    """Kill until nobody is left: one that is killed may have forked a moment before."""
    killed: set[int] = set()
    for _ in range(ROUNDS):
        found = _find(mark)
        if not found:
            break
        for pid in found:
            _kill_group(pid)
        killed |= found
        time.sleep(PAUSE_S)
    return len(killed)


def _find(mark: bytes) -> set[int]:
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            # Gone meanwhile, or another user's: not ours. A zombie's environment is empty.
            with suppress(OSError):
                if b"\0" + mark in b"\0" + (entry / "environ").read_bytes():
                    found.add(int(entry.name))
    return found


def _kill_group(pid: int) -> None:
    """A function is never in our own group: it was born as the leader of another session."""
    with suppress(ProcessLookupError, PermissionError):
        group = os.getpgid(pid)
        if group != os.getpgrp():
            os.killpg(group, signal.SIGKILL)
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
