"""An account's history: an index over the blocks, which read it all and can be read again from the first.

Whoever asks for a history brings the index up to date first. Two may do so at once: the height is moved on by
a conditional update in the very transaction that writes the changes, so one of them does nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet, Sum

from chaincode.blocks import VALID, Block, Transaction
from chaincode.contracts.records import CREDIT, account_key
from chaincode.stub import split_composite_key
from chainfaas.ledger import blocks
from chainfaas.models import AccountChange, AccountPart, IndexedHeight

AT_ONCE = 50
"""Blocks in one transaction of the database."""

_BASE = account_key("")


@dataclass(frozen=True)
class Write:
    """What one transaction left under one key of an account."""

    account: str
    part: str  #: the key, as the database can have it
    free: int
    held: int
    gone: bool = False


def history(account: str) -> QuerySet[AccountChange]:
    """What each transaction did to the account, up to the ledger's last block."""
    catch_up()
    return AccountChange.objects.filter(account=account)


def catch_up() -> None:
    """Read the blocks that came since. May be repeated, and run twice at once."""
    while True:
        start = _height()
        found = blocks.read(start, AT_ONCE)
        if not found:
            return
        _take_in(start, found)


def rebuild() -> None:
    """Forget everything, and read the chain from its first block."""
    with transaction.atomic():
        IndexedHeight.objects.all().delete()
        AccountChange.objects.all().delete()
        AccountPart.objects.all().delete()
    catch_up()


def _height() -> int:
    return IndexedHeight.objects.get_or_create(id=1)[0].height


def _take_in(start: int, found: list[Block]) -> None:
    with transaction.atomic():
        indexed = IndexedHeight.objects.filter(id=1, height=start)
        if not indexed.update(height=start + len(found)):
            return  # another was faster
        index = _Index(
            {write.account for block in found for tx in block.transactions for write in _writes(tx)}
        )
        for block in found:
            for tx in block.transactions:
                index.apply(block, tx)
        index.save()


class _Index:
    """The parts and balances of some accounts, as they stand after the last transaction applied."""

    def __init__(self, accounts: set[str]) -> None:
        parts = AccountPart.objects.filter(account__in=accounts)
        self._parts = {part.key: part for part in parts}
        self._free: defaultdict[str, int] = defaultdict(int)
        self._held: defaultdict[str, int] = defaultdict(int)
        for row in parts.values("account").annotate(free_sum=Sum("free"), held_sum=Sum("held")).order_by():
            self._free[row["account"]], self._held[row["account"]] = row["free_sum"], row["held_sum"]
        self._written: dict[str, AccountPart] = {}
        self._gone: set[str] = set()
        self._changes: list[AccountChange] = []

    def apply(self, block: Block, tx: Transaction) -> None:
        touched: defaultdict[str, list[Write]] = defaultdict(list)
        for write in _writes(tx):
            touched[write.account].append(write)
        for account, writes in touched.items():
            before = self._free[account], self._held[account]
            for write in writes:
                self._apply(write)
            after = self._free[account], self._held[account]
            if after != before:
                self._changes.append(
                    AccountChange(
                        account=account,
                        block=block.number,
                        tx_id=tx.id,
                        at=datetime.fromisoformat(block.at),
                        why=tx.function[:40],
                        free=after[0],
                        held=after[1],
                        change=sum(after) - sum(before),
                    )
                )

    def save(self) -> None:
        AccountPart.objects.filter(key__in=self._gone).delete()
        AccountPart.objects.bulk_create(
            self._written.values(),
            update_conflicts=True,
            unique_fields=["key"],
            update_fields=["free", "held"],
            batch_size=200,
        )
        AccountChange.objects.bulk_create(self._changes, batch_size=100)

    def _apply(self, write: Write) -> None:
        old = self._parts.pop(write.part, None)
        self._free[write.account] += write.free - (old.free if old else 0)
        self._held[write.account] += write.held - (old.held if old else 0)
        if write.gone:
            self._written.pop(write.part, None)
            self._gone.add(write.part)
            return
        self._gone.discard(write.part)
        part = AccountPart(key=write.part, account=write.account, free=write.free, held=write.held)
        self._parts[write.part] = self._written[write.part] = part


def _writes(tx: Transaction) -> Iterator[Write]:
    """What a transaction wrote to accounts."""
    if tx.validation_code != VALID:
        return
    for contract, key, value in _entries(tx):
        if contract != "monetary":
            continue
        if key.startswith(_BASE):
            account, part = key.removeprefix(_BASE), key
        elif key.startswith("\0") and split_composite_key(key)[0] == CREDIT:
            account, tx_id = split_composite_key(key)[1]
            part = f"{CREDIT}/{account}/{tx_id}"
        else:
            continue
        if value is None:
            yield Write(account, part, 0, 0, gone=True)
        else:
            record = json.loads(value)
            yield Write(account, part, record["free"], record["held"])


def _entries(tx: Transaction) -> Iterable[tuple[str, str, str | None]]:
    return ((str(contract), str(key), value) for contract, key, value in tx.write_set)
