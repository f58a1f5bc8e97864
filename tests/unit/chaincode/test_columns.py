"""What each transaction reads and writes: the ledger's design, column by column.

A key more than these in a read set is one more thing that can void a transaction or a whole batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chaincode.blocks import Transaction
from chaincode.client import Ledger
from chaincode.fabric import transactions
from tests.contracts.world import DIGEST, World, new_name
from tests.unit.chaincode.conftest import Place

Call = tuple[str, str, dict[str, Any]]


def create(world: World) -> Call:
    credits = {world.dora: world.credits(world.dora)}
    return "monitoring", "create", {"items": [world.new_job(), world.new_job()], "credits": credits}


def finish(world: World) -> Call:
    return "monitoring", "finish", {"items": [world.finished(world.created())]}


def confirm(world: World) -> Call:
    return "monitoring", "confirm", {"items": [world.confirmation(world.created())]}


def reassign(world: World) -> Call:
    document = {"job": world.created(), "attempt": 2, "machine": world.other_machine, "rate": 1}
    return "monitoring", "reassign", document


def set_time(world: World) -> Call:
    job = world.created()
    document = {"job": job, "attempt": 1, "run_ms": 1, "exit_code": 0, "result_sha256": DIGEST}
    return "monitoring", "set_time", document


def settle(world: World) -> Call:
    job = world.created()
    world.confirm(world.confirmation(job))
    world.set_time(job)
    return "monitoring", "settle", {"job": job}


def release(world: World) -> Call:
    job = world.created()
    world.confirm(world.confirmation(job))
    return "monitoring", "release", {"job": job, "why": "no time"}


def release_of_an_unknown_job(world: World) -> Call:
    return "monitoring", "release", {"job": new_name("job"), "why": "cancelled"}


def deposit(world: World) -> Call:
    return "monetary", "deposit", {"op": new_name("op"), "account": world.dora, "amount": 1}


def withdraw(world: World) -> Call:
    credits = world.credits(world.dora)
    document = {"op": new_name("op"), "account": world.dora, "amount": 1, "credits": credits}
    return "monetary", "withdraw", document


def fold(world: World) -> Call:
    return "monetary", "fold", {"account": world.dora, "credits": world.credits(world.dora)}


def revoke_machine(world: World) -> Call:
    return "monitoring", "revoke_machine", {"machine": world.machine}


COLUMNS: list[tuple[Callable[[World], Call], str, str]] = [
    (create, "acct cr job", "acct att cr job"),
    (reassign, "att conf end job", "att"),
    (finish, "att conf end job machine", "conf cr end"),
    (confirm, "att conf end job", "conf"),
    (set_time, "att job machine time", "time"),
    (settle, "att conf end job time", "cr end"),
    (release, "att conf end job time", "cr end"),
    (release_of_an_unknown_job, "job", "job"),
    (deposit, "acct op", "acct op"),
    (withdraw, "acct cr op", "acct cr op"),
    (fold, "acct cr", "acct cr"),
    (revoke_machine, "machine", "machine"),
]


@pytest.mark.parametrize(
    ("call", "reads", "writes"), COLUMNS, ids=lambda value: getattr(value, "__name__", "")
)
def test_reads_and_writes(place: Place, call: Callable[[World], Call], reads: str, writes: str) -> None:
    world = place.world()
    world.deposit(world.dora)
    world.release(world.created())  # so that dora has a credit

    caller = world.petes if call is set_time else world.controller
    transaction = endorsed(caller, *call(world))

    assert kinds(key for _, key, _ in transaction.read_set["keys"]) == reads
    assert kinds(key for _, key, _ in transaction.write_set) == writes
    assert transaction.read_set["ranges"] == []


def endorsed(caller: Ledger, contract: str, function: str, document: dict[str, Any]) -> Transaction:
    return transactions.parse(caller.endorse(contract, function, document).data).transaction()


def kinds(keys: Any) -> str:
    return " ".join(sorted({key.replace("\x00", "/").strip("/").split("/")[0] for key in keys}))


def test_account_is_read_once_and_written_once_in_a_batch(place: Place) -> None:
    world = place.world()
    world.deposit(world.dora)

    transaction = endorsed(world.controller, *create(world))

    accounts = [value for _, key, value in transaction.write_set if key.startswith("acct/")]
    assert len(accounts) == 1


def test_transaction_tells_its_event(place: Place) -> None:
    world = place.world()
    world.deposit(world.dora)

    transaction = endorsed(world.controller, *create(world))

    assert transaction.event
    assert transaction.event["name"] == "create"
    assert transaction.event["payload"]["jobs"] == [item["job"] for item in transaction.document["items"]]
