"""What a contract may ask of the ledger that runs it. The meaning is Fabric's own, so it runs on both.

- A transaction does not see its own writes: get after put gives the committed value, and so does a range.
- What is read is remembered; the transaction is void if any of it changed before the commit. Blind writes
  never conflict. A range conflicts with every key that appears in it or leaves it.
- Values are JSON text. Keys are not empty. A composite key is kept apart from plain ones and found by its
  first parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from chaincode.identity import Caller

_SEPARATOR = "\x00"
_LAST = "\U0010ffff"


@dataclass(frozen=True)
class Version:
    """One change of a key."""

    tx_id: str
    at: str  #: the transaction's time: the clock of whoever proposed it, ISO 8601 UTC
    value: str | None  #: None where the key was deleted


class Stub(Protocol):
    @property
    def channel(self) -> str: ...

    @property
    def tx_id(self) -> str: ...

    @property
    def time(self) -> str:
        """The proposal's time, which is the caller's clock: never a basis for money."""
        ...

    @property
    def caller(self) -> Caller:
        """Who signed the proposal, also inside a contract that was called by another."""
        ...

    @property
    def called(self) -> str:
        """The contract that the signed proposal names, also inside a contract that was called by another."""
        ...

    def get(self, key: str, /) -> str | None: ...

    def put(self, key: str, value: str, /) -> None: ...

    def delete(self, key: str, /) -> None: ...

    def range(self, start: str, end: str, /) -> Iterator[tuple[str, str]]:
        """Keys from start up to, not including, end, in order, with their values."""
        ...

    def composite(self, kind: str, parts: Sequence[str], /) -> Iterator[tuple[str, str]]:
        """Composite keys of this kind that begin with these parts, in order, with their values."""
        ...

    def history(self, key: str, /) -> Iterator[Version]:
        """Every change of the key, newest first. Not part of the read set, as in Fabric."""
        ...

    def invoke(self, contract: str, function: str, document: dict[str, Any], /) -> Any:
        """Call another contract within this transaction. Raises its ContractError."""
        ...

    def event(self, name: str, payload: dict[str, Any], /) -> None:
        """One event a transaction; the last one wins."""
        ...


def composite_key(kind: str, parts: Sequence[str]) -> str:
    """Fabric's spelling, byte for byte (shim/stub.go, CreateCompositeKey)."""
    return _SEPARATOR + "".join(part + _SEPARATOR for part in (kind, *parts))


def split_composite_key(key: str) -> tuple[str, list[str]]:
    kind, *parts = key[1:-1].split(_SEPARATOR)
    return kind, parts


def composite_range(kind: str, parts: Sequence[str]) -> tuple[str, str]:
    """The plain range that holds exactly the composite keys which begin so."""
    start = composite_key(kind, parts)
    return start, start + _LAST
