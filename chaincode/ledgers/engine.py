"""One embedded ledger file, for all the identities of a process: what a peer and an orderer are in Fabric."""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from chaincode.blocks import (
    Block,
    Commit,
    NetworkConfig,
    Proposal,
    Transaction,
    Verification,
    data_hash,
)
from chaincode.errors import Code, Conflict, ContractError, LedgerError, Refused, Unavailable
from chaincode.ledgers import genesis, membership, simulation, store, verification
from chaincode.ledgers.commits import Committer, recall
from chaincode.ledgers.store import Store

REMEMBERED = 10_000
"""Endorsements whose hashes are kept, so that submitting one does not simulate it again."""

MOST_BLOCKS = 1000
"""Blocks in one answer."""


def now() -> str:
    """This machine's clock, ISO 8601 UTC, of one width so that text order is time order."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Engine:
    """Simulates, orders, checks and commits. Safe to use from several threads."""

    def __init__(self, path: Path, config: NetworkConfig | None) -> None:
        self._path = path
        self._process = os.getpid()
        self._lock = _own(path)
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._endorsed: OrderedDict[str, str] = OrderedDict()
        self._endorsing = threading.Lock()
        self._closed = False
        try:
            writer, self.config = _open(path, config)
        except LedgerError:
            self._lock.close()
            raise
        self._committer = Committer(writer, now)

    # Transactions.

    def evaluate(self, proposal: Proposal, signature: bytes) -> Any:
        return self._simulate(proposal, signature).result

    def endorse(self, proposal: Proposal, signature: bytes) -> Transaction:
        """What the call would do, for its creator to sign."""
        transaction = self._simulate(proposal, signature)
        with self._endorsing:
            self._endorsed[transaction.id] = _digest(transaction)
            if len(self._endorsed) > REMEMBERED:
                self._endorsed.popitem(last=False)
        return transaction

    def submit(self, transaction: Transaction) -> Commit:
        with self._snapshot() as committed:
            outcome = recall(committed, transaction)
            if outcome is None:
                membership.check_transaction(self.config, transaction, now())
                self._check_endorsed(transaction, committed)
        if isinstance(outcome, LedgerError):
            raise outcome
        return outcome or self._committer.commit(transaction)

    def _simulate(self, proposal: Proposal, signature: bytes) -> Transaction:
        if proposal.channel != self.config.channel:
            raise Refused(f"this ledger is the channel {self.config.channel}")
        membership.check_creator(self.config, proposal.creator, now())
        membership.check_signature(proposal.creator, proposal.data(), signature)
        with self._snapshot() as committed:
            return simulation.simulate(proposal, committed)

    def _check_endorsed(self, transaction: Transaction, committed: Store) -> None:
        """The creator's signature does not make it true that the contract wrote this.

        Where the endorsement is not remembered, after a restart, the contract is asked again: it gives the
        same for what it read, unless that has changed.
        """
        with self._endorsing:
            if self._endorsed.pop(transaction.id, None) == _digest(transaction):
                return
        if not simulation.still_current(transaction.read_set, committed):
            raise Conflict
        if _digest(simulation.simulate(transaction.proposal, committed)) != _digest(transaction):
            raise Refused("the contract does not answer what this envelope says")

    # Blocks.

    def status(self, tx_id: str) -> Commit | None:
        with self._snapshot() as committed:
            return committed.commit(tx_id)

    def height(self) -> int:
        with self._snapshot() as committed:
            return committed.tip()[0]

    def blocks(self, start: int, count: int) -> list[Block]:
        with self._snapshot() as committed:
            return list(committed.blocks(start, max(0, min(count, MOST_BLOCKS))))

    def transaction(self, tx_id: str) -> tuple[Block, int]:
        with self._snapshot() as committed:
            found = committed.find(tx_id)
            if found is None:
                raise ContractError(Code.NOT_FOUND, "there is no such transaction on the ledger")
            return next(committed.blocks(found[0], 1)), found[1]

    def verify(self) -> Verification:
        with contextlib.closing(self._reader()) as connection:
            return verification.verify(connection, self.config)

    def close(self) -> None:
        self._closed = True
        self._committer.close()
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()
        self._lock.close()

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[Store]:
        """One committed state, whatever is committed meanwhile."""
        connection = self._reader()
        try:
            connection.execute("BEGIN")
            yield Store(connection)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise Unavailable(f"the ledger file cannot be read: {error}") from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._idle.put(connection)

    def _reader(self) -> sqlite3.Connection:
        if self._closed:
            raise Unavailable("the ledger is closed")
        if self._process != os.getpid():
            raise Unavailable("the ledger was opened before this process was forked; open it after")
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            connection = store.connect(self._path)
            connection.execute("PRAGMA query_only = ON")
            return connection


def _own(path: Path) -> IO[str]:
    """Keep other processes out. A lock on the file itself would break SQLite's (sqlite.org/howtocorrupt)."""
    lock = path.with_name(path.name + ".lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise Unavailable(f"the ledger {path.name} is open in another process") from error
    return lock


def _open(path: Path, config: NetworkConfig | None) -> tuple[sqlite3.Connection, NetworkConfig]:
    """A connection that writes, and the configuration that the file was made with. Makes it, if it is new."""
    with contextlib.ExitStack() as undo:
        try:
            writer = undo.enter_context(contextlib.closing(store.connect(path)))
            store.prepare(writer)
            found = _configuration(writer, config)
        except (sqlite3.Error, ValueError, TypeError, KeyError, StopIteration) as error:
            raise Unavailable(f"this is not a ledger file, or it is damaged: {error}") from error
        if config not in (None, found):
            raise Refused("this ledger was made for another network")
        undo.pop_all()
    return writer, found


def _configuration(writer: sqlite3.Connection, config: NetworkConfig | None) -> NetworkConfig:
    """Closing the connection takes back what is not committed."""
    writer.execute("BEGIN IMMEDIATE")
    if not writer.execute("SELECT 1 FROM sqlite_master WHERE name = 'blocks'").fetchone():
        _make(writer, config)
    found = genesis.config_of(next(Store(writer).blocks(0, 1)).transactions[0])
    writer.execute("COMMIT")
    return found


def _make(writer: sqlite3.Connection, config: NetworkConfig | None) -> None:
    if config is None:
        raise LedgerError("the ledger file is empty: name the network to make one for")
    membership.check_config(config)
    for statement in store.SCHEMA.split(";"):
        writer.execute(statement)
    header, transaction = genesis.block(config, now())
    Store(writer).write_transaction(0, 0, transaction)
    Store(writer).write_block(header, transaction.text())


def _digest(transaction: Transaction) -> str:
    return data_hash(transaction.signed_data().decode("ascii"))
