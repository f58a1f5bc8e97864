"""Blocks for people. What a transaction speaks of is its parties' business; peers and staff see all of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AnonymousUser

from chaincode.blocks import VALID, Block, Transaction
from chainfaas.models import User
from portal.pretty import pretty

SEPARATOR = " / "
MOST_JOBS = 100
"""Links in one transaction's list: a batch may have more jobs than anybody reads."""


@dataclass(frozen=True)
class Write:
    contract: str
    key: str
    value: str | None  #: None: deleted


@dataclass(frozen=True)
class Row:
    """A transaction as the page of its block has it."""

    id: str
    contract: str
    function: str
    by: str
    time: str
    code: str
    valid: bool
    jobs: list[str] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)


def rows(block: Block, viewer: User | AnonymousUser) -> list[Row]:
    """The block's transactions, as much of them as the viewer may see."""
    whole = isinstance(viewer, User) and (viewer.is_staff or viewer.has_role("peer"))
    return [_row(transaction, whole=whole) for transaction in block.transactions]


def _row(tx: Transaction, *, whole: bool) -> Row:
    row = Row(
        tx.id,
        tx.contract,
        tx.function,
        tx.creator.msp_id,
        tx.time,
        tx.validation_code,
        tx.validation_code == VALID,
    )
    if whole:
        row.jobs.extend(list(dict.fromkeys(_jobs(tx.document)))[:MOST_JOBS])
        row.writes.extend(
            Write(contract, _key(key), None if value is None else pretty(value))
            for contract, key, value in tx.write_set
        )
    return row


def _jobs(document: Any) -> Iterator[str]:
    """The ids of the jobs that a call names."""
    items = document.get("items") if isinstance(document, dict) else None
    for item in [document, *(items if isinstance(items, list) else [])]:
        name = item.get("job") if isinstance(item, dict) else None
        try:
            yield str(UUID(name))
        except (TypeError, ValueError, AttributeError):
            continue


def _key(key: str) -> str:
    """Composite keys have NULs between their parts."""
    return key.strip("\0").replace("\0", SEPARATOR)
