"""What stands under the keys: small frozen records, dumped as JSON with sorted keys."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Self

from chaincode import canonical
from chaincode.stub import composite_key


class Record:
    def dump(self) -> str:
        return canonical.text(vars(self))

    @classmethod
    def load(cls, text: str) -> Self:
        return cls(**json.loads(text))


# The monitoring contract's.

CONFIG = "config"


def machine_key(machine: str) -> str:
    return f"machine/{machine}"


def job_key(job: str) -> str:
    return f"job/{job}"


def assignment_key(job: str) -> str:
    return f"att/{job}"


def confirmation_key(job: str, attempt: int) -> str:
    return f"conf/{job}/{attempt}"


def time_key(job: str, attempt: int) -> str:
    return f"time/{job}/{attempt}"


def end_key(job: str) -> str:
    return f"end/{job}"


@dataclass(frozen=True)
class Config(Record):
    providers_root: str


@dataclass(frozen=True)
class Machine(Record):
    provider: str
    certificate: str
    revoked: bool = False


@dataclass(frozen=True)
class Job(Record):
    """The terms, written once; or a tombstone, if the job was released before it was created."""

    developer: str = ""
    function: str = ""
    memory_mb: int = 0
    timeout_ms: int = 0
    max_rate: int = 0
    hold: int = 0
    tombstone: str = ""  #: why it was released


@dataclass(frozen=True)
class Assignment(Record):
    attempt: int
    machine: str
    rate: int


@dataclass(frozen=True)
class Confirmation(Record):
    """The controller's word on an attempt."""

    wall_ms: int
    outcome: str


@dataclass(frozen=True)
class Time(Record):
    """The provider's word on an attempt, and who is paid for it."""

    run_ms: int
    exit_code: int
    result_sha256: str
    provider: str


@dataclass(frozen=True)
class End(Record):
    """The hold is closed: paid, or freed."""

    paid: bool
    attempt: int
    cost: int
    billed_ms: int
    why: str = ""


# The monetary contract's.

CREDIT = "cr"


def account_key(account: str) -> str:
    return f"acct/{account}"


def operation_key(operation: str) -> str:
    return f"op/{operation}"


def credit_key(account: str, tx_id: str) -> str:
    """Composite, so that an account's credits can be listed."""
    return composite_key(CREDIT, (account, tx_id))


@dataclass(frozen=True)
class Account(Record):
    """The base of an account, or one credit that is still to be folded into it (held is negative there)."""

    free: int = 0
    held: int = 0

    def plus(self, free: int, held: int) -> Account:
        return Account(self.free + free, self.held + held)


@dataclass(frozen=True)
class Operation(Record):
    kind: str
    account: str
    amount: int
