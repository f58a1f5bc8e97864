"""One embedded ledger file, for all the identities of a process: what a peer and an orderer are in Fabric.

What it takes and gives are Fabric's own bytes, so that it can stand behind a wire: signed proposals, prepared
transactions to sign, envelopes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chaincode.blocks import Block, Commit, Creator, NetworkConfig, Verification
from chaincode.errors import Code, ContractError, LedgerError, Refused, Unavailable
from chaincode.fabric import blocks, proposals, transactions
from chaincode.fabric.proposals import Invocation
from chaincode.fabric.transactions import Endorsed
from chaincode.ledgers import files, membership, simulation, store, verification
from chaincode.ledgers.commits import Committer, Cut, recall
from chaincode.ledgers.execution import Executor, InProcess, Signed
from chaincode.ledgers.simulation import Outcome
from chaincode.ledgers.store import Place, Store, Stored

REMEMBERED = 10_000
"""Endorsements whose hashes are kept, so that submitting one does not check its signature."""

MOST_BLOCKS = 1000
"""Blocks in one answer."""

WINDOW = timedelta(minutes=15)
"""How far a caller's clock may be from ours, as in Fabric (peer.authentication.timewindow)."""


def now() -> str:
    """This machine's clock, ISO 8601 UTC, of one width so that text order is time order."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Prepared:
    """An endorsed call that its creator has not signed yet."""

    tx_id: str
    answer: bytes  #: JSON
    payload: bytes  #: `common.Payload`


class Engine:
    """Simulates, endorses, orders, checks and commits. Safe to use from several threads."""

    def __init__(
        self,
        path: Path,
        config: NetworkConfig | None,
        *,
        executor: Executor | None = None,
        cut: Cut | None = None,
    ) -> None:
        self._path = path
        self._process = os.getpid()
        self._executor = executor or InProcess()
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._endorsed: OrderedDict[bytes, None] = OrderedDict()
        self._endorsing = threading.Lock()
        self._news = threading.Condition()
        self._closed = False
        self._file = files.open_file(path, config, now)
        self.config, self.peer = self._file.config, self._file.peer
        self.revocations = membership.Revocations(self.config)
        self._committer = Committer(self._file.writer, self.peer.identity, now, cut, self._tell)
        self._tip = self.height() - 1

    # Transactions.

    def evaluate(self, proposal: bytes, signature: bytes) -> bytes:
        """The answer, in JSON."""
        return self._simulate(proposal, signature)[1].answer

    def endorse(self, proposal: bytes, signature: bytes) -> Prepared:
        """What the call would do, endorsed, for its creator to sign."""
        invocation, outcome = self._simulate(proposal, signature)
        answer = transactions.answer(
            proposal,
            outcome.answer,
            read_set=outcome.read_set,
            write_set=outcome.write_set,
            event=outcome.event,
        )
        endorsement = transactions.endorse(answer, self.peer.identity)
        payload = transactions.prepare(proposal, answer, [endorsement])
        self._remember(payload)
        return Prepared(invocation.tx_id, outcome.answer, payload)

    def submit(self, endorsed: Endorsed) -> Commit:
        """Order it and commit it: it is on the disk when this returns. Raises Conflict for one that does not
        count, whether it was committed just now or before."""
        with self._snapshot() as committed:
            outcome = recall(committed, endorsed)
        if outcome is None:
            self._admit(endorsed)
            outcome = self._committer.commit(endorsed)
        if isinstance(outcome, LedgerError):
            raise outcome
        return outcome

    def check(self, creator: Creator, message: bytes, signature: bytes) -> None:
        """Raises AccessDenied unless it is a member's of this channel, and signed by it."""
        membership.check_creator(self.config, creator, now())
        self.revocations.check(creator)
        membership.check_signature(creator, message, signature)

    def admit(self, proposal: bytes, signature: bytes) -> Invocation:
        """The call that a member of the channel asks for, and asks for now."""
        invocation = proposals.parse(proposal)
        if invocation.channel != self.config.channel:
            raise Refused(f"this ledger is the channel {self.config.channel}")
        self.check(invocation.creator, proposal, signature)
        if abs(datetime.fromisoformat(invocation.time) - datetime.now(UTC)) > WINDOW:
            raise Refused("the proposal's time is too far from this ledger's")
        return invocation

    def _simulate(self, proposal: bytes, signature: bytes) -> tuple[Invocation, Outcome]:
        invocation = self.admit(proposal, signature)
        with self._snapshot() as committed:
            if committed.find(invocation.tx_id):
                raise Refused(f"duplicate transaction found [{invocation.tx_id}]")
            signed = Signed(proposal, signature)
            return invocation, simulation.simulate(invocation, committed, self._executor, signed)

    def _admit(self, endorsed: Endorsed) -> None:
        """Its creator's signature, and ours: that the contract wrote this is not for its creator to say."""
        invocation = endorsed.invocation
        if invocation.channel != self.config.channel:
            raise Refused(f"the transaction is not of the channel {self.config.channel}")
        self.check(invocation.creator, endorsed.payload, endorsed.signature)
        if not self._remembers(endorsed.payload):
            membership.check_endorsement(endorsed, self.peer.creator)

    def _remember(self, payload: bytes) -> None:
        with self._endorsing:
            self._endorsed[_digest(payload)] = None
            if len(self._endorsed) > REMEMBERED:
                self._endorsed.popitem(last=False)

    def _remembers(self, payload: bytes) -> bool:
        """The first time; what comes again has its signature checked, if it does not stand on the ledger."""
        digest = _digest(payload)
        with self._endorsing:
            known = digest in self._endorsed
            self._endorsed.pop(digest, None)
        return known

    def _tell(self, number: int) -> None:
        with self._news:
            self._tip = number
            self._news.notify_all()

    # Blocks.

    def status(self, tx_id: str) -> Commit | None:
        with self._snapshot() as committed:
            return committed.commit(tx_id)

    def find(self, tx_id: str) -> Place | None:
        """Where it stands, also one that does not count."""
        with self._snapshot() as committed:
            return committed.find(tx_id)

    def height(self) -> int:
        with self._snapshot() as committed:
            return committed.tip()[0]

    def await_block(self, number: int, timeout_s: float) -> bool:
        """True as soon as there is a block of this number, or the ledger is closed."""
        with self._news:
            return self._news.wait_for(lambda: self._closed or self._tip >= number, timeout_s)

    def stored(self, start: int, count: int) -> list[Stored]:
        with self._snapshot() as committed:
            return list(committed.blocks(start, max(0, min(count, MOST_BLOCKS))))

    def blocks(self, start: int, count: int) -> list[Block]:
        return [blocks.view(blocks.parse(found.block)) for found in self.stored(start, count)]

    def transaction(self, tx_id: str) -> tuple[Block, int]:
        place = self.find(tx_id)
        if place is None:
            raise ContractError(Code.NOT_FOUND, "there is no such transaction on the ledger")
        return self.blocks(place.block, 1)[0], place.position

    def verify(self) -> Verification:
        with contextlib.closing(self._reader()) as connection:
            return verification.verify(connection, self._file.channel, self.peer.creator)

    def close(self) -> None:
        self._closed = True
        with self._news:
            self._news.notify_all()
        self._committer.close()
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()
        self._file.lock.close()

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


def _digest(payload: bytes) -> bytes:
    return hashlib.sha256(payload).digest()
