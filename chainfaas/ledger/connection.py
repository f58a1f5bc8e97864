"""The controller's one client of the ledger in this process."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.conf import settings

from chaincode import client
from chaincode.client import Commit, Envelope, Ledger, NetworkConfig
from chaincode.errors import Conflict, ContractError, LedgerError
from chaincode.ledger import LONGEST_PAUSE_S, PAUSE_S, TRIES
from chainfaas import identity
from chainfaas.errors import LedgerAway
from chainfaas.ledger import envelopes

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


def transact(
    contract: str,
    function: str,
    document: dict[str, Any],
    *,
    debited: Sequence[str] = (),
    tries: int = TRIES,
) -> tuple[Any, Commit]:
    """Run a contract's function and have it committed. A contract's own error comes as it is; that the
    ledger is away comes as LedgerAway, that others were faster so many times as Contended.

    `debited` are the accounts that it takes money from: none of them is debited again before its outcome is
    known."""
    with _as_ours():
        opened = ledger()
        endorse = partial(opened.endorse, contract, function, document)
        submit = partial(envelopes.submit, opened, debited=debited) if opened.remote else opened.submit
        return _patiently(endorse, submit, tries)


def evaluate(contract: str, function: str, document: dict[str, Any]) -> Any:
    """Ask a contract without writing anything."""
    with _as_ours():
        return ledger().evaluate(contract, function, document)


def await_debits(accounts: Iterable[str]) -> None:
    """Have the earlier debits of these accounts resolved. Raises Contended while the outcome of one is not
    known."""
    with _as_ours():
        opened = ledger()
        if opened.remote and (stuck := envelopes.unresolved(opened, accounts)):
            raise Contended(f"An earlier debit of {', '.join(stuck)} is not decided yet.")


def take_up_left_over(older_than_s: float = 0.0) -> None:
    """See the transactions through that were sent and never heard of again, by this process or a dead one."""
    with _as_ours():
        opened = ledger()
        if opened.remote:
            envelopes.take_up(opened, older_than_s)


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


def _patiently(
    endorse: Callable[[], Envelope], submit: Callable[[Envelope], Commit], tries: int
) -> tuple[Any, Commit]:
    """Again after a conflict, as `chaincode.ledger.transact`."""
    longest = PAUSE_S
    while True:
        try:
            envelope = endorse()
            return envelope.result, submit(envelope)
        except Conflict:
            tries -= 1
            if tries <= 0:
                raise
        time.sleep(random.uniform(0, longest))  # noqa: S311 - spreads the callers, keeps no secret
        longest = min(LONGEST_PAUSE_S, 2 * longest)


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
