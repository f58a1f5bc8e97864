"""The controller's one client of the ledger in this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from chaincode import client
from chaincode.client import Commit, Ledger, NetworkConfig
from chaincode.errors import Conflict, ContractError, LedgerError
from chainfaas import identity
from chainfaas.errors import LedgerAway

CHANNEL = "chainfaas"


class Contended(LedgerAway):
    """Others were faster, again and again."""


_opening = threading.Lock()
_ledger: Ledger | None = None


def ledger() -> Ledger:
    """The open client. At first use of a new ledger, the contracts are set up too."""
    global _ledger
    with _opening:
        if _ledger is None:
            with _as_ours():
                _ledger = _open()
        return _ledger


def network() -> NetworkConfig:
    """Channel and organisations, as the genesis block has them."""
    return NetworkConfig(channel=CHANNEL, msps=identity.connect(settings.IDENTITY_URL).roots())


def transact(contract: str, function: str, document: dict[str, Any]) -> tuple[Any, Commit]:
    """Run a contract's function and have it committed. A contract's own error comes as it is; that the
    ledger is away comes as LedgerAway."""
    with _as_ours():
        return ledger().transact(contract, function, document)


def evaluate(contract: str, function: str, document: dict[str, Any]) -> Any:
    """Ask a contract without writing anything."""
    with _as_ours():
        return ledger().evaluate(contract, function, document)


def close() -> None:
    """Let go of the ledger, at the end of the process or of a test."""
    global _ledger
    with _opening:
        if _ledger is not None:
            _ledger.close()
            _ledger = None


def _open() -> Ledger:
    authority = identity.connect(settings.IDENTITY_URL)
    opened = client.connect(settings.LEDGER_URL, authority.controller(), config=network())
    try:
        opened.transact("monitoring", "init", {"providers_root": authority.roots()[identity.PROVIDERS]})
    except ContractError as error:
        if error.code not in ("EXISTS", "ALREADY_DONE"):
            opened.close()
            raise
    except BaseException:
        opened.close()  # else it would stay open behind the next try
        raise
    return opened


@contextmanager
def _as_ours() -> Iterator[None]:
    try:
        yield
    except ContractError:
        raise
    except Conflict as error:
        raise Contended from error
    except LedgerError as error:
        raise LedgerAway(f"The ledger did not take it: {error}") from error
