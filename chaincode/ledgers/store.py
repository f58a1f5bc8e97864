"""The embedded ledger's tables in SQLite. All but `blocks` can be rebuilt from the blocks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaincode.blocks import VALID, Commit
from chaincode.stub import Version

if TYPE_CHECKING:
    from pathlib import Path

    from chaincode.fabric.transactions import Endorsed

SCHEMA = """
CREATE TABLE blocks (
    number INTEGER PRIMARY KEY, hash BLOB NOT NULL, at TEXT NOT NULL, block BLOB NOT NULL
) STRICT;
CREATE TABLE positions (
    tx_id TEXT PRIMARY KEY, block INTEGER NOT NULL, position INTEGER NOT NULL, code TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE state (
    contract TEXT, key TEXT, value TEXT NOT NULL, block INTEGER NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (contract, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE history (
    contract TEXT, key TEXT, block INTEGER, position INTEGER,
    tx_id TEXT NOT NULL, at TEXT NOT NULL, value TEXT,
    PRIMARY KEY (contract, key, block, position)
) STRICT, WITHOUT ROWID;
"""

DERIVED = {"positions": "tx_id", "state": "contract, key", "history": "contract, key, block, position"}
"""The tables that follow from the blocks, each with the order of its rows."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection that begins its transactions itself, for use by one thread at a time."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)


def prepare(writer: sqlite3.Connection) -> None:
    """Readers do not wait for the writer, and what it answers is on the disk.

    WAL alone would lose the last commits with the power (docs/adr/0006).
    """
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("PRAGMA synchronous = FULL")


def scratch() -> sqlite3.Connection:
    """An empty store of the same tables, gone when closed; SQLite spills it to a nameless file."""
    connection = sqlite3.connect("", isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.executescript(SCHEMA)
    return connection


@dataclass(frozen=True)
class Stored:
    """A block as the file has it."""

    number: int
    hash: bytes  #: of its header
    at: str  #: ISO 8601 UTC
    block: bytes  #: Fabric's common.Block


@dataclass(frozen=True)
class Place:
    """Where a transaction stands, and what became of it."""

    block: int
    position: int
    code: str  #: a name of Fabric's TxValidationCode


class Store:
    """The tables over one connection. Transactions are its user's business."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute

    # World state.

    def get(self, contract: str, key: str) -> tuple[str, list[int]] | None:
        """The value and its version: block and position of the transaction that wrote it."""
        row = self._execute(
            "SELECT value, block, position FROM state WHERE contract = ? AND key = ?", (contract, key)
        ).fetchone()
        return None if row is None else (row[0], [row[1], row[2]])

    def version(self, contract: str, key: str) -> list[int] | None:
        found = self.get(contract, key)
        return None if found is None else found[1]

    def range(self, contract: str, start: str, end: str) -> list[tuple[str, str, list[int]]]:
        rows = self._execute(
            "SELECT key, value, block, position FROM state"
            " WHERE contract = ? AND key >= ? AND key < ? ORDER BY key",
            (contract, start, end),
        )
        return [(key, value, [block, position]) for key, value, block, position in rows]

    def history(self, contract: str, key: str) -> Iterator[Version]:
        rows = self._execute(
            "SELECT tx_id, at, value FROM history"
            " WHERE contract = ? AND key = ? ORDER BY block DESC, position DESC",
            (contract, key),
        )
        return (Version(*row) for row in rows)

    # Blocks.

    def commit(self, tx_id: str) -> Commit | None:
        row = self._execute(
            "SELECT p.tx_id, p.block, b.at FROM positions p JOIN blocks b ON b.number = p.block"
            " WHERE p.tx_id = ? AND p.code = ?",
            (tx_id, VALID),
        ).fetchone()
        return None if row is None else Commit(*row)

    def find(self, tx_id: str) -> Place | None:
        row = self._execute(
            "SELECT block, position, code FROM positions WHERE tx_id = ?", (tx_id,)
        ).fetchone()
        return None if row is None else Place(*row)

    def tip(self) -> tuple[int, bytes]:
        """The next block's number, and the hash of the last."""
        row = self._execute("SELECT number, hash FROM blocks ORDER BY number DESC LIMIT 1").fetchone()
        return row[0] + 1, row[1]

    def blocks(self, start: int = 0, count: int = -1) -> Iterator[Stored]:
        """Block after block; all for a count of -1."""
        rows = self._execute(
            "SELECT number, hash, at, block FROM blocks WHERE number >= ? ORDER BY number LIMIT ?",
            (start, count),
        )
        return (Stored(*row) for row in rows)

    def write_block(self, stored: Stored) -> None:
        self._execute(
            "INSERT INTO blocks (number, hash, at, block) VALUES (?, ?, ?, ?)", tuple(vars(stored).values())
        )

    def write_transaction(self, block: int, position: int, endorsed: Endorsed, code: str) -> None:
        """Note where it stands and, if it is valid, do what it writes."""
        tx_id, at = endorsed.invocation.tx_id, endorsed.invocation.time
        self._execute("INSERT INTO positions VALUES (?, ?, ?, ?)", (tx_id, block, position, code))
        if code != VALID:
            return
        for contract, key, value in endorsed.write_set:
            if value is None:
                self._execute("DELETE FROM state WHERE contract = ? AND key = ?", (contract, key))
            else:
                self._execute(
                    "INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?, ?)",
                    (contract, key, value, block, position),
                )
            self._execute(
                "INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?)",
                (contract, key, block, position, tx_id, at, value),
            )
