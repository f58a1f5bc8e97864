"""SQLite has one writer at a time, and whoever waits for it sleeps up to 100 ms between two looks.

Within this process the writers stand in line at a lock instead, so the next one begins at once. Other
processes are kept out by SQLite itself, as ever.
"""

from __future__ import annotations

import threading
from typing import Any

from django.db.backends.sqlite3 import base
from django.db.utils import OperationalError

PATIENCE_S = 30.0

_writing = threading.Lock()


class DatabaseWrapper(base.DatabaseWrapper):
    """`ENGINE = "chainfaas.sqlite"`, with `transaction_mode` IMMEDIATE: each transaction is a writer's."""

    # Django's stubs lack these methods, so mypy finds none above.

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._my_turn = False

    def _start_transaction_under_autocommit(self) -> None:
        if not self._my_turn and not _writing.acquire(timeout=PATIENCE_S):
            raise OperationalError(f"no turn to write within {PATIENCE_S:g} s")
        self._my_turn = True
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._end_turn()
            raise

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc] # if it fails, Django rolls back
        self._end_turn()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._end_turn()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self._end_turn()

    def _end_turn(self) -> None:
        if self._my_turn:
            self._my_turn = False
            _writing.release()
