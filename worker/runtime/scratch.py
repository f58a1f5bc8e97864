"""The folder that a function may write to. What is in it was made by a stranger."""

from __future__ import annotations

import os
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
    """Remove a tree, whatever is in it. Never raises: what stays is removed at the next start.

    Not by shutil.rmtree, which holds a file open for each level: a deep tree would take all that this
    process may have.
    """
    try:
        path.rmdir()
    except FileNotFoundError:
        return
    except OSError:
        if not _rm(path):
            _run(
                "/usr/bin/find", path, "-type", "d", "!", "-perm", "-700", "-exec", "chmod", "700", "{}", ";"
            )
            if not _rm(path):
                log.warning("scratch.not_removed", folder=path.name)


def is_over(path: Path, *, size: int, files: int) -> bool:
    """Whether a tree holds more than so many bytes or entries, or hides what it holds."""
    folders, total, entries = [str(path)], 0, 0
    while folders:
        try:
            with os.scandir(folders.pop()) as found:
                for entry in found:
                    entries += 1
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    # What it takes on disk: a sparse file may be as long as it likes.
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if total > size or entries > files:
                        return True
        except FileNotFoundError:
            continue  # it went meanwhile
        except OSError:
            return True  # without permission, or nested deeper than a path may be long
    return False


def _rm(path: Path) -> bool:
    return _run("/bin/rm", "-rf", "--", path)


def _run(*command: str | Path) -> bool:
    try:
        return subprocess.run(command, check=False, timeout=REMOVAL_S, capture_output=True).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False
