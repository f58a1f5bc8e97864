"""The chain itself: its blocks, in which of them a transaction stands, and whether all of it is sound."""

from __future__ import annotations

import threading
import time

from chaincode.blocks import Block, Verification
from chaincode.errors import ContractError, LedgerError
from chainfaas.errors import LedgerAway, NotFound, TooManyRequests
from chainfaas.ledger.connection import ledger

PATIENCE_S = 20.0
"""How long one waits for another's verification to end."""

_verifying = threading.Lock()


def height() -> int:
    """How many blocks there are, the first one included."""
    try:
        return ledger().height()
    except LedgerError as error:
        raise LedgerAway from error


def read(start: int, count: int) -> list[Block]:
    """At most so many blocks from this number on."""
    if start >= height():
        return []
    try:
        return ledger().blocks(start, count)
    except LedgerError as error:
        raise LedgerAway from error


def block(number: int) -> Block:
    """One block. Raises NotFound."""
    found = read(number, 1)
    if not found:
        raise NotFound(f"There is no block {number} yet.")
    return found[0]


def of_transaction(tx_id: str) -> int:
    """The number of the block that a transaction stands in. Raises NotFound."""
    try:
        return ledger().transaction(tx_id)[0].number
    except ContractError as error:
        raise NotFound(f"There is no transaction {tx_id}.") from error
    except LedgerError as error:
        raise LedgerAway from error


def verify() -> Verification:
    """Replay the whole chain, one replay at a time. Its verdict is kept for as long as it took, so that the
    replays of many askers cost at most half of a processor; not longer, since a chain can be changed
    without growing."""
    if not _verifying.acquire(timeout=PATIENCE_S):
        raise TooManyRequests("The chain is being verified; ask again in a moment.", retry_after_s=5)
    try:
        return _Verdict.recent() or _Verdict.fresh()
    finally:
        _verifying.release()


class _Verdict:
    """The last replay's, and how long it counts."""

    last: Verification | None = None
    counts_until = 0.0

    @classmethod
    def recent(cls) -> Verification | None:
        known = cls.last
        if known is None or time.monotonic() > cls.counts_until or known.height != height():
            return None
        return known

    @classmethod
    def fresh(cls) -> Verification:
        began = time.monotonic()
        cls.last = ledger().verify()
        cls.counts_until = 2 * time.monotonic() - began
        return cls.last
