"""Order and commit in groups: who comes first commits for all who wait, in one block, with one wait for the
disk.

Committing needs no thread of its own. A caller queues its transaction and takes the lock; when it has the
lock, another caller may have committed it meanwhile, and else it leads the next block.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fabric_protos.common.common_pb2 import Envelope

from chaincode.blocks import VALID, Commit
from chaincode.errors import Conflict, LedgerError, OutcomeUnknown, Refused, Unavailable
from chaincode.fabric import blocks
from chaincode.fabric.encoding import encoded
from chaincode.fabric.transactions import Endorsed, code_of, parse
from chaincode.identity import Identity
from chaincode.ledgers import membership
from chaincode.ledgers.simulation import judge
from chaincode.ledgers.store import Store, Stored


@dataclass(frozen=True)
class Cut:
    """When a block is closed: Fabric's BatchSize and BatchTimeout (orderer/configuration.proto)."""

    count: int = 200
    size: int = 8 * 2**20  #: bytes of its envelopes; a larger one has a block of its own
    wait_s: float = 0.0  #: how long the first waits for others; at 0, for the end of the block before


@dataclass
class Ticket:
    """A caller's place in the queue. Only its own outcome is left for it."""

    endorsed: Endorsed
    envelope: bytes  #: as it will stand in the block
    came: float = field(default_factory=time.monotonic)
    outcome: Commit | LedgerError | None = None


@dataclass(frozen=True)
class _Entry:
    """A transaction of the block that is being written."""

    endorsed: Endorsed
    envelope: bytes
    code: str


class Committer:
    def __init__(
        self,
        connection: sqlite3.Connection,
        orderer: Identity,
        now: Callable[[], str],
        cut: Cut | None = None,
        tell: Callable[[int], None] = lambda number: None,
    ) -> None:
        self._connection = connection
        self._store = Store(connection)
        self._orderer = orderer
        self._now = now
        self._cut = cut or Cut()
        self._tell = tell  #: of each new block's number
        self._queue: list[Ticket] = []
        self._arrival = threading.Condition()
        self._committing = threading.Lock()

    def commit(self, endorsed: Endorsed) -> Commit:
        """Once it is on the disk. Raises Conflict for one that stands there and does not count."""
        ticket = Ticket(endorsed, spelled(endorsed))
        with self._arrival:
            self._queue.append(ticket)
            self._arrival.notify()
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
        group = self._take()
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

    def _take(self) -> list[Ticket]:
        """The next block's: as many as fit, once it is full or the first has waited long enough."""
        with self._arrival:
            due = self._queue[0].came + self._cut.wait_s
            while (fits := self._fitting()) == len(self._queue) < self._cut.count:
                if (left := due - time.monotonic()) <= 0:
                    break
                self._arrival.wait(left)
            group, self._queue = self._queue[:fits], self._queue[fits:]
        return group

    def _fitting(self) -> int:
        sizes = itertools.accumulate(len(ticket.envelope) for ticket in self._queue[: self._cut.count])
        return max(1, sum(size <= self._cut.size for size in sizes))

    def _write(self, group: list[Ticket]) -> list[Commit | LedgerError]:
        self._connection.execute("BEGIN IMMEDIATE")
        number, previous_hash = self._store.tip()
        at = self._now()
        entries: dict[str, _Entry] = {}
        outcomes = [self._place(ticket, entries, number, at) for ticket in group]
        if entries:
            self._store.write_block(self._seal(number, previous_hash, at, list(entries.values())))
        self._commit()
        if entries:
            self._tell(number)
        return outcomes

    def _place(
        self, ticket: Ticket, entries: dict[str, _Entry], number: int, at: str
    ) -> Commit | LedgerError:
        """Put it into the block, unless it stands on the ledger or its creator's time is over."""
        endorsed = ticket.endorsed
        tx_id = endorsed.invocation.tx_id
        if tx_id not in entries:
            known = recall(self._store, endorsed) or self._refusal(endorsed, at)
            if known is not None:
                return known
            # Against the state after the block's earlier transactions: the first to change a key wins.
            code = judge(endorsed.read_set, self._store)
            self._store.write_transaction(number, len(entries), endorsed, code)
            entries[tx_id] = _Entry(endorsed, ticket.envelope, code)
        stands = entries[tx_id]
        return outcome_of(endorsed, stands.endorsed.payload, stands.code, Commit(tx_id, number, at))

    def _refusal(self, endorsed: Endorsed, at: str) -> LedgerError | None:
        try:
            membership.check_validity(endorsed.invocation.creator, at)
        except Refused as refusal:
            return refusal
        return None

    def _seal(self, number: int, previous_hash: bytes, at: str, entries: list[_Entry]) -> Stored:
        block = blocks.cut(
            number,
            previous_hash,
            [entry.envelope for entry in entries],
            [code_of(entry.code) for entry in entries],
            orderer=self._orderer,
            at=at,
        )
        return Stored(number, blocks.hash_of(block.header), at, encoded(block))

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


def spelled(endorsed: Endorsed) -> bytes:
    """The one spelling of its `common.Envelope` that stands on a ledger."""
    return encoded(Envelope(payload=endorsed.payload, signature=endorsed.signature))


def recall(store: Store, endorsed: Endorsed) -> Commit | LedgerError | None:
    """The outcome of a transaction that was submitted before; None for a new one."""
    tx_id = endorsed.invocation.tx_id
    place = store.find(tx_id)
    if place is None:
        return None
    stored = next(store.blocks(place.block, 1))
    stands = parse(blocks.parse(stored.block).data.data[place.position])
    return outcome_of(endorsed, stands.payload, place.code, Commit(tx_id, place.block, stored.at))


def outcome_of(asked: Endorsed, stands: bytes, code: str, commit: Commit) -> Commit | LedgerError:
    if asked.payload != stands:
        return Refused("another transaction of this id stands on the ledger")
    return commit if code == VALID else Conflict()
