"""Commit in groups: who comes first commits for all who wait, in one block, with one wait for the disk.

Committing needs no thread of its own. A caller queues its transaction and takes the lock; when it has the
lock, another caller may have committed it meanwhile, and else it leads the next block.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from chaincode.blocks import CONFLICT, VALID, Commit, Header, Transaction, data_hash
from chaincode.errors import Conflict, LedgerError, OutcomeUnknown, Refused, Unavailable
from chaincode.ledgers import membership
from chaincode.ledgers.simulation import still_current
from chaincode.ledgers.store import Store

LARGEST_BLOCK = 200
"""Transactions in one block."""


@dataclass
class Ticket:
    """A caller's place in the queue. Only its own outcome is left for it."""

    transaction: Transaction
    outcome: Commit | LedgerError | None = None


class Committer:
    def __init__(self, connection: sqlite3.Connection, now: Callable[[], str]) -> None:
        self._connection = connection
        self._store = Store(connection)
        self._now = now
        self._queue: list[Ticket] = []
        self._queueing = threading.Lock()
        self._committing = threading.Lock()

    def commit(self, transaction: Transaction) -> Commit:
        ticket = Ticket(transaction)
        with self._queueing:
            self._queue.append(ticket)
        with self._committing:
            while ticket.outcome is None:
                self._lead()
        if isinstance(ticket.outcome, LedgerError):
            raise ticket.outcome
        return ticket.outcome

    def close(self) -> None:
        """After the block that is being written, if one is."""
        with self._committing:
            self._connection.close()

    def _lead(self) -> None:
        with self._queueing:
            group, self._queue = self._queue[:LARGEST_BLOCK], self._queue[LARGEST_BLOCK:]
        outcomes: list[Commit | LedgerError] = []
        try:
            outcomes = self._write(group)
        except sqlite3.Error as error:
            outcomes = [Unavailable(f"the block could not be written: {error}") for _ in group]
        except _CommitFailed as failure:
            outcomes = [OutcomeUnknown(f"the disk did not confirm the block: {failure}") for _ in group]
        finally:
            # Also where the leader is interrupted: those who wait behind it must learn something.
            outcomes = outcomes or [OutcomeUnknown() for _ in group]
            for ticket, outcome in zip(group, outcomes, strict=True):
                ticket.outcome = outcome
            self._roll_back()

    def _write(self, group: list[Ticket]) -> list[Commit | LedgerError]:
        self._connection.execute("BEGIN IMMEDIATE")
        number, previous_hash = self._store.tip()
        at = self._now()
        block: dict[str, Transaction] = {}
        outcomes: list[Commit | LedgerError] = []
        for ticket in group:
            transaction = ticket.transaction
            twin = block.get(transaction.id)
            outcome = outcome_of(transaction, twin, number, at) if twin else self._settled(transaction, at)
            if outcome is None:
                judged = self._judge(transaction)
                self._store.write_transaction(number, len(block), judged)
                block[transaction.id] = judged
                outcome = outcome_of(transaction, judged, number, at)
            outcomes.append(outcome)
        if block:
            body = "\n".join(transaction.text() for transaction in block.values())
            self._store.write_block(Header(number, previous_hash, data_hash(body), at), body)
        self._commit()
        return outcomes

    def _settled(self, transaction: Transaction, at: str) -> Commit | LedgerError | None:
        """The outcome of one that does not enter the block: it stands on the ledger, or its time is over."""
        outcome = recall(self._store, transaction)
        if outcome is None:
            try:
                membership.check_validity(transaction.creator, at)
            except Refused as refusal:
                return refusal
        return outcome

    def _judge(self, transaction: Transaction) -> Transaction:
        """Against the state after the block's earlier transactions: the first to change a key wins."""
        current = still_current(transaction.read_set, self._store)
        return replace(transaction, validation_code=VALID if current else CONFLICT)

    def _commit(self) -> None:
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise _CommitFailed(str(error)) from error

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # a closed connection, or one that rolled back by itself
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


class _CommitFailed(Exception):
    pass


def recall(store: Store, transaction: Transaction) -> Commit | LedgerError | None:
    """The outcome of a transaction that was submitted before; None for a new one."""
    found = store.find(transaction.id)
    if found is None:
        return None
    number, position = found
    block = next(store.blocks(number, 1))
    return outcome_of(transaction, block.transactions[position], number, block.at)


def outcome_of(asked: Transaction, stands: Transaction, block: int, at: str) -> Commit | LedgerError:
    if asked.signed_data() != stands.signed_data():
        return Refused("another transaction of this id stands on the ledger")
    if stands.validation_code != VALID:
        return Conflict()
    return Commit(stands.id, block, at)
