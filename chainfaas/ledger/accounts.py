"""Balances, deposits and withdrawals, and the debits that must not race."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from chaincode.errors import ContractError
from chainfaas.errors import KeyReused, LedgerAway, NoFunds
from chainfaas.ledger.connection import await_debits, evaluate, transact

MOST_CREDITS = 100
"""Credits folded in one transaction: more reads make it slower than they are worth."""

_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


@dataclass(frozen=True)
class Balance:
    """Micro-units of one account."""

    free: int  #: to spend
    held: int  #: for jobs under way

    @property
    def total(self) -> int:
        return self.free + self.held


@contextmanager
def debits(names: Sequence[str]) -> Iterator[None]:
    """The right to debit these accounts: one transaction in flight each, and none of before whose outcome
    is not known. The names must be sorted, so that two batches cannot wait for each other."""
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(_locks[name])
        await_debits(names)
        yield


def balance(account: str) -> Balance:
    """What an account has. An account that nobody paid into yet has nothing."""
    record = _record(account)
    return Balance(record["free"], record["held"])


def credits(account: str) -> list[str]:
    """Credits that a debit of this account should fold. Of an account with very many, some are folded here:
    it must not be refused for those that one transaction cannot carry. Within `debits`."""
    while len(found := _record(account)["credits"]) > MOST_CREDITS:
        document = {"account": account, "credits": found[:MOST_CREDITS]}
        transact("monetary", "fold", document, debited=[account])
    return list(found)


def fold(account: str) -> None:
    """Sum the credits of an account that is paid often and seldom pays, once they are many."""
    with debits([account]):
        credits(account)


def deposit(account: str, amount: int, op: str) -> None:
    """Put money into an account. The same `op` again changes nothing; with another amount it is KeyReused."""
    _once("deposit", {"op": op, "account": account, "amount": amount})


def withdraw(account: str, amount: int, op: str) -> None:
    """Take free money out. The same `op` again changes nothing; with another amount: KeyReused. Raises
    NoFunds."""
    with debits([account]):
        document = {"op": op, "account": account, "amount": amount, "credits": credits(account)}
        _once("withdraw", document, debited=[account])


def _once(function: str, document: dict[str, Any], debited: Sequence[str] = ()) -> None:
    try:
        transact("monetary", function, document, debited=debited)
    except ContractError as error:
        if error.code == "INSUFFICIENT_FUNDS":
            raise NoFunds("The account has less than that to spend.") from error
        if error.code == "EXISTS":
            raise KeyReused("This Idempotency-Key was used with another amount.") from error
        if error.code != "ALREADY_DONE":
            raise LedgerAway(f"The ledger refused it: {error}") from error


def _record(account: str) -> dict[str, Any]:
    try:
        record: dict[str, Any] = evaluate("monetary", "balance", {"account": account})
    except ContractError as error:
        if error.code == "NOT_FOUND":
            return {"free": 0, "held": 0, "credits": []}
        raise
    return record
