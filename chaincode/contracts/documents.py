"""The documents that the contracts take: every function's arguments, with their types and ranges."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated

from chaincode.contracts.arguments import (
    ID,
    TX_ID,
    Amount,
    Anything,
    Digest,
    Each,
    Id,
    Mapped,
    Operation,
    Part,
    Pem,
    Signature,
    Text,
    Whole,
    Words,
)

ITEMS = 200
"""Jobs in one transaction."""

CREDITS = 1000
"""Credits that one debit may fold."""

Milliseconds = Annotated[int, Whole(0, 1_000_000_000)]
Rate = Annotated[int, Whole(0, 1_000_000)]
Attempt = Annotated[int, Whole(1, 1000)]
ExitCode = Annotated[int, Whole(0, 255)]
Outcome = Annotated[str, Text(re.compile("succeeded|failed|timed_out|cancelled"))]
Items = Annotated[tuple[object, ...], Each(Anything(), ITEMS, least=1)]
Credits = Annotated[tuple[str, ...], Each(TX_ID, CREDITS, distinct=True)]
CreditsByAccount = Annotated[
    dict[str, tuple[str, ...]], Mapped(ID, Each(TX_ID, CREDITS, distinct=True), ITEMS)
]


@dataclass(frozen=True)
class Nothing:
    pass


@dataclass(frozen=True)
class Init:
    providers_root: Pem


@dataclass(frozen=True)
class Machine:
    machine: Id


@dataclass(frozen=True)
class EnrolMachine:
    machine: Id
    provider: Id
    certificate: Pem


@dataclass(frozen=True)
class Job:
    job: Id


@dataclass(frozen=True)
class Batch:
    items: Items


@dataclass(frozen=True)
class Create:
    items: Items
    credits: CreditsByAccount = field(default_factory=dict)


@dataclass(frozen=True)
class NewJob:
    job: Id
    developer: Id
    function: Words
    memory_mb: Annotated[int, Whole(1, 1_048_576)]
    timeout_ms: Annotated[int, Whole(1, 86_400_000)]
    max_rate: Rate
    machine: Id
    rate: Rate


@dataclass(frozen=True)
class Reassign:
    job: Id
    attempt: Attempt
    machine: Id
    rate: Rate


@dataclass(frozen=True)
class SignedTime:
    """What a machine signed, and its signature; job, attempt and channel come from elsewhere."""

    run_ms: Milliseconds
    exit_code: ExitCode
    result_sha256: Digest
    signature: Signature


@dataclass(frozen=True)
class Confirmed:
    job: Id
    attempt: Attempt
    wall_ms: Milliseconds
    outcome: Outcome


@dataclass(frozen=True)
class Finished:
    job: Id
    attempt: Attempt
    wall_ms: Milliseconds
    outcome: Outcome
    receipt: Annotated[SignedTime, Part(SignedTime)]


@dataclass(frozen=True)
class SetTime:
    job: Id
    attempt: Attempt
    run_ms: Milliseconds
    exit_code: ExitCode
    result_sha256: Digest


@dataclass(frozen=True)
class Release:
    job: Id
    why: Words


@dataclass(frozen=True)
class Transfer:
    """Money that enters or leaves the ledger. `op` guards it: the same one never counts twice."""

    op: Operation
    account: Id
    amount: Amount
    credits: Credits = ()


@dataclass(frozen=True)
class Fold:
    account: Id
    credits: Credits


@dataclass(frozen=True)
class Account:
    account: Id


@dataclass(frozen=True)
class NewHold:
    account: Id
    amount: Annotated[int, Whole(0, 10**18)]


@dataclass(frozen=True)
class Hold:
    holds: Annotated[tuple[NewHold, ...], Each(Part(NewHold), ITEMS)]
    credits: CreditsByAccount


@dataclass(frozen=True)
class Movement:
    account: Id
    free: Annotated[int, Whole(0, 10**21)]
    held: Annotated[int, Whole(-(10**21), 0)]


@dataclass(frozen=True)
class Pay:
    movements: Annotated[tuple[Movement, ...], Each(Part(Movement), 2 * ITEMS)]
