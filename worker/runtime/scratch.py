"""The folder that a function may write to. What is in it was made by a stranger."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

log = structlog.get_logger()

REMOVAL_S = 60
"""How long the removal of one folder may take before it is left to the next start."""


@contextmanager
def folder(path: Path) -> Iterator[Path]:
    """A new folder, ours alone, removed afterwards with all that is in it. Raises OSError if it is there."""
    path.mkdir(parents=True, mode=0o700)
    try:
        yield path
    finally:
        remove(path)


def remove(path: Path) -> None:
    """Remove a tree, whatever is in it. Never raises: what stays is removed at the next start."""
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except (OSError, RecursionError):
        _remove_stubborn(path)


def _remove_stubborn(path: Path) -> None:
    """Folders without permissions, or nested deeper than Python follows."""
    commands = (
        [
            "/usr/bin/find",
            str(path),
            "-type",
            "d",
            "!",
            "-perm",
            "-700",
            "-exec",
            "chmod",
            "u+rwx",
            "{}",
            ";",
        ],
        ["/bin/rm", "-rf", "--", str(path)],
    )
    try:
        for command in commands:
            subprocess.run(command, check=False, timeout=REMOVAL_S, capture_output=True)
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("scratch.not_removed", error=type(error).__name__)


def is_over(path: Path, *, size: int, files: int) -> bool:
    """Whether a tree holds more than so many bytes or entries. Stops counting as soon as it does."""
    total = entries = 0
    try:
        for parent, folders, names in os.walk(path):
            entries += len(folders) + len(names)
            total += sum(_size(f"{parent}/{name}") for name in names)
            if total > size or entries > files:
                return True
    except RecursionError:
        return True  # nested deeper than Python follows
    return False


def _size(path: str) -> int:
    """What a file takes on disk: a sparse one is as long as it likes."""
    try:
        return os.lstat(path).st_blocks * 512
    except OSError:
        return 0  # it went meanwhile
