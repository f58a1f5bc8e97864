"""The chain itself: its blocks, in which of them a transaction stands, and whether all of it is sound."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import ClassVar

from chaincode.blocks import Block, Verification
from chaincode.client import Ledger
from chaincode.errors import ContractError, LedgerError
from chainfaas.errors import LedgerAway, NotFound, TooManyRequests
from chainfaas.ledger.connection import ledger

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
    """Replay the whole chain, or tell of the last replay, at the height that the chain had then, for as long
    as it took: so the replays of many askers cost at most half of a processor. Not longer, since a chain can
    be changed without growing. One replay at a time: whoever asks meanwhile is told to come again, and holds
    no thread. Raises TooManyRequests, LedgerAway."""
    asked = ledger()
    if (known := _Verdict.recent(asked)) is not None:
        return known
    if not _verifying.acquire(blocking=False):
        raise TooManyRequests("The chain is being verified; ask again in a moment.", retry_after_s=5)
    try:
        return _Verdict.recent(asked) or _Verdict.fresh(asked)
    except LedgerError as error:
        raise LedgerAway from error
    finally:
        _verifying.release()


@dataclass(frozen=True)
class _Verdict:
    """What a replay found, and until when it counts."""

    last: ClassVar[_Verdict | None] = None

    ledger: Ledger
    found: Verification
    counts_until: float

    @classmethod
    def recent(cls, asked: Ledger) -> Verification | None:
        known = cls.last
        if known is None or known.ledger is not asked or time.monotonic() > known.counts_until:
            return None
        return known.found

    @classmethod
    def fresh(cls, asked: Ledger) -> Verification:
        began = time.monotonic()
        found = asked.verify()
        cls.last = cls(asked, found, counts_until=2 * time.monotonic() - began)
        return found
