"""What this machine did, on disk: the broker may deliver a task twice, but it must not run twice.

One attempt has a file `<job>.<attempt>.started` from before its function starts, and once it ended a
`<job>.<attempt>.result` instead.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import structlog

from tasks import messages, names
from worker import files

log = structlog.get_logger()

KEEP_S = 24 * 3600
KEEP_FILES = 1000
KEEP_BYTES = 256 * 1024 * 1024
PRUNE_EVERY = 100  # results


class Journal:
    """Every write is on the disk, whole, when its method returns; otherwise OSError. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._kept = 0
        self._pruning = threading.Lock()
        self.prune()

    def start(self, task_id: str) -> None:
        """Note that the attempt starts now: from here on it is never run again."""
        files.keep(self._mark(task_id), "")

    def started(self, task_id: str) -> bool:
        """Whether it started and no result was kept."""
        return self._mark(task_id).exists()

    def keep(self, result: messages.Result) -> None:
        """Keep a result until it is old."""
        task_id = names.task_id(result.job, result.attempt)
        files.keep(self._result(task_id), result.dump())
        self._mark(task_id).unlink(missing_ok=True)
        self._kept += 1
        if self._kept % PRUNE_EVERY == 0:
            self.prune()

    def result(self, task_id: str) -> messages.Result | None:
        """The result that was kept, if it can be read."""
        try:
            report = messages.load_report(self._result(task_id).read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.error("journal.unreadable", task=task_id, error=type(error).__name__)
            return None
        return report if isinstance(report, messages.Result) else None

    def prune(self) -> None:
        """Forget what is older than KEEP_S, and the oldest beyond KEEP_FILES and KEEP_BYTES."""
        with self._pruning:
            oldest = time.time() - KEEP_S
            size = 0
            for n, (modified, length, path) in enumerate(self._newest_first()):
                size += length
                if modified < oldest or n >= KEEP_FILES or size > KEEP_BYTES:
                    path.unlink(missing_ok=True)

    def _newest_first(self) -> list[tuple[float, int, Path]]:
        with os.scandir(self._folder) as entries:
            found = [(entry.stat(), Path(entry.path)) for entry in entries]
        return sorted(((stat.st_mtime, stat.st_size, path) for stat, path in found), reverse=True)

    def _mark(self, task_id: str) -> Path:
        return self._folder / f"{task_id}.started"

    def _result(self, task_id: str) -> Path:
        return self._folder / f"{task_id}.result"
