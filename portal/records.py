"""A job's ledger record for people: names in place of account ids, and what each transaction changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chainfaas.ledger import blocks
from chainfaas.ledger import jobs as ledger
from chainfaas.models import User

LABELS = {
    "function": "Function",
    "developer": "Developer",
    "provider": "Provider",
    "attempt": "Attempt",
    "hold": "Held",
    "outcome": "Outcome",
    "time_ms": "Time",
    "cost": "Cost",
    "received": "Received",
    "payment_done": "Paid",
}
"""The fields of a record in the order in which they are shown."""

MONEY = ("hold", "cost")


@dataclass(frozen=True)
class Fact:
    """A field of the record. `kind` says how it is written: money, ms, yes, or text."""

    name: str
    label: str
    kind: str
    value: Any
    before: Any = None  #: what it was, in a change
    fresh: bool = False  #: the change wrote it


@dataclass(frozen=True)
class Change:
    """What one transaction did to the record."""

    title: str
    tx_id: str
    block: int
    at: str
    facts: list[Fact]

    @property
    def fresh(self) -> list[Fact]:
        return [fact for fact in self.facts if fact.fresh]


def changes(job: str) -> list[Change]:
    """In commit order. The last one's facts are the record as it stands. Raises LedgerAway."""
    history = ledger.history(job)
    names = people(
        name for entry in history for name in (entry["value"]["developer"], entry["value"]["provider"])
    )
    told: list[Change] = []
    before: dict[str, Any] = {}
    for entry in history:
        value = dict(entry["value"])
        for role in ("developer", "provider"):
            value[role] = names.get(str(value[role]), value[role])
        told.append(
            Change(
                _title(before, value),
                entry["tx_id"],
                blocks.of_transaction(entry["tx_id"]),
                entry["at"],
                _facts(before, value),
            )
        )
        before = value
    return told


def people(ids: Iterable[object]) -> dict[str, str]:
    """The names behind account ids. An account whose user is gone keeps its id."""
    wanted = {found for found in map(_uuid, ids) if found is not None}
    return {str(id): name for id, name in User.objects.filter(id__in=wanted).values_list("id", "username")}


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None


def _facts(before: dict[str, Any], value: dict[str, Any]) -> list[Fact]:
    return [
        Fact(name, label, _kind(name), value[name], before.get(name), before.get(name) != value[name])
        for name, label in LABELS.items()
        if name in value
    ]


def _kind(name: str) -> str:
    if name in MONEY:
        return "money"
    if name == "time_ms":
        return "ms"
    return "yes" if name in ("received", "payment_done") else "text"


def _title(before: dict[str, Any], value: dict[str, Any]) -> str:
    """What happened, in a few words, by what it changed."""

    def became(name: str) -> bool:
        return bool(value.get(name)) and not before.get(name)

    if not before:
        return "Recorded, money held"
    if value.get("attempt") != before.get("attempt"):
        return "Given to another machine"
    if became("payment_done"):
        return "Received and paid" if became("received") else "Paid"
    if value.get("outcome") == "released":
        return "Hold freed, nobody pays"
    return "Received" if became("received") else "Time set by the provider"
