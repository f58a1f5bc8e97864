"""What every ledger can do, and the patience that a caller of any of them needs."""

from __future__ import annotations

import random
import time
from typing import Any, Protocol, Self

from chaincode.blocks import Block, Commit, Envelope, Verification
from chaincode.errors import Conflict

TRIES = 40
"""How often a call that met conflicts is endorsed; with the pauses below that is about eight seconds."""

PAUSE_S = 0.002
LONGEST_PAUSE_S = 0.25


class Ledger(Protocol):
    """A ledger as one identity sees it. Safe to use from several threads.

    Every call may raise Unavailable and Refused; a contract's no is a ContractError.
    """

    remote: bool  #: it may commit what it was sent and not live to say so: store an envelope before `submit`

    def evaluate(self, contract: str, function: str, document: dict[str, Any]) -> Any:
        """Run the function and forget what it writes."""
        ...

    def endorse(self, contract: str, function: str, document: dict[str, Any]) -> Envelope:
        """Run the function and sign what came of it. Nothing is changed before `submit`.

        Raises Conflict if endorsers disagree, which passes.
        """
        ...

    def submit(self, envelope: Envelope) -> Commit:
        """Commit it. The same envelope again answers the same commit.

        Raises Conflict if something it read has changed: this envelope is void for good, endorse again.
        Raises OutcomeUnknown if it may have been committed: ask `status`, then submit the same envelope
        again.
        """
        ...

    def status(self, tx_id: str) -> Commit | None:
        """The commit, or None if no valid transaction of this id stands on the ledger."""
        ...

    def transact(self, contract: str, function: str, document: dict[str, Any]) -> tuple[Any, Commit]:
        """Endorse and submit, and again after a conflict. The result and the commit."""
        ...

    def height(self) -> int:
        """How many blocks there are, the genesis block included."""
        ...

    def blocks(self, start: int, count: int) -> list[Block]:
        """At most so many blocks from this number on; fewer, or none, where the chain ends."""
        ...

    def transaction(self, tx_id: str) -> tuple[Block, int]:
        """The block that holds it, and its index there. Raises ContractError NOT_FOUND."""
        ...

    def verify(self) -> Verification:
        """Replay everything from genesis. Never raises for what it finds."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


def transact(ledger: Ledger, contract: str, function: str, document: dict[str, Any]) -> tuple[Any, Commit]:
    """Endorse and submit, for any ledger. A conflict is tried again after a growing, random pause."""
    tries, longest = 1, PAUSE_S
    while True:
        try:
            envelope = ledger.endorse(contract, function, document)
            return envelope.result, ledger.submit(envelope)
        except Conflict:
            if tries == TRIES:
                raise
        time.sleep(random.uniform(0, longest))  # noqa: S311 - spreads the callers, keeps no secret
        tries, longest = tries + 1, min(LONGEST_PAUSE_S, 2 * longest)
