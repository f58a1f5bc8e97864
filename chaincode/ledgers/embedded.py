"""The embedded ledger: an identity's view of a file that this process has open.

It runs the same contracts as Fabric, with the same rules for reads, writes and conflicts, and keeps every
transaction signed by its creator's own key. It is one peer, whose operator must be trusted not to take back
blocks.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from chaincode import canonical, ledger
from chaincode.blocks import (
    Block,
    Commit,
    Envelope,
    NetworkConfig,
    Verification,
)
from chaincode.errors import LedgerError, Refused
from chaincode.fabric import proposals, transactions
from chaincode.ledgers import calls
from chaincode.ledgers.engine import Engine

if TYPE_CHECKING:
    from chaincode.identity import Identity


class EmbeddedLedger:
    """A `chaincode.ledger.Ledger`."""

    remote = False

    def __init__(self, engine: Engine, path: Path, identity: Identity) -> None:
        self._engine = engine
        self._path = path
        self._identity = identity
        self._open = True

    def evaluate(self, contract: str, function: str, document: dict[str, Any]) -> Any:
        proposal = self._propose(contract, function, document)
        return canonical.parse(self._engine.evaluate(proposal, self._identity.sign(proposal)))

    def endorse(self, contract: str, function: str, document: dict[str, Any]) -> Envelope:
        proposal = self._propose(contract, function, document)
        prepared = self._engine.endorse(proposal, self._identity.sign(proposal))
        result = canonical.parse(prepared.answer)
        return Envelope(prepared.tx_id, result, transactions.sign(prepared.payload, self._identity))

    def submit(self, envelope: Envelope) -> Commit:
        endorsed = transactions.parse(envelope.data)
        if endorsed.invocation.tx_id != envelope.tx_id:
            raise Refused("the envelope names another transaction")
        return self._engine.submit(endorsed)

    def status(self, tx_id: str) -> Commit | None:
        return self._engine.status(tx_id)

    def transact(self, contract: str, function: str, document: dict[str, Any]) -> tuple[Any, Commit]:
        return ledger.transact(self, contract, function, document)

    def height(self) -> int:
        return self._engine.height()

    def blocks(self, start: int, count: int) -> list[Block]:
        return self._engine.blocks(start, count)

    def transaction(self, tx_id: str) -> tuple[Block, int]:
        return self._engine.transaction(tx_id)

    def verify(self) -> Verification:
        return self._engine.verify()

    def close(self) -> None:
        """Give up this view; the last one closes the file."""
        if self._open:
            self._open = False
            _release(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _propose(self, contract: str, function: str, document: dict[str, Any]) -> bytes:
        channel = self._engine.config.channel
        return proposals.build(calls.call(channel, contract, function, document, by=self._identity))


_engines: dict[Path, tuple[Engine, int]] = {}
"""The files that this process has open, each with the number of its views."""

_opening = threading.Lock()


def open_ledger(name: str, identity: Identity, config: NetworkConfig | None) -> EmbeddedLedger:
    path = Path(name).resolve()
    with _opening:
        engine, views = _engines.get(path, (None, 0))
        if engine is None:
            if config is None and not path.exists():
                raise LedgerError(f"there is no ledger {path.name}: name the network to make one for")
            path.parent.mkdir(parents=True, exist_ok=True)
            engine = Engine(path, config)
        elif config not in (None, engine.config):
            raise Refused("this ledger was made for another network")
        _engines[path] = (engine, views + 1)
    return EmbeddedLedger(engine, path, identity)


def _release(path: Path) -> None:
    with _opening:
        engine, views = _engines.pop(path)
        if views > 1:
            _engines[path] = (engine, views - 1)
        else:
            engine.close()
