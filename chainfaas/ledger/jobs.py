"""What the ledger does for a job: hold, reassign, confirm and pay, or free the hold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings

from chaincode.errors import ContractError
from chaincode.ledger import TRIES
from chainfaas.errors import ChainFaaSError, LedgerAway, NoFunds
from chainfaas.ledger import accounts
from chainfaas.ledger.batches import Batches
from chainfaas.ledger.connection import evaluate, transact
from chainfaas.models import Job, State

BATCH_TRIES = 2
"""How often a batch is endorsed before it is split. Once more than once: that endorsers disagree passes."""

REPEATED = ("EXISTS", "ALREADY_DONE")
"""The ledger has this from us already: a repeat after a crash, and as good as the first time."""


class Tombstone(ChainFaaSError):
    """The job was released before its hold came: it must not run."""


class NoReceipt(ChainFaaSError):
    """The machine's receipt is missing or does not hold; its own word on the ledger is awaited."""


@dataclass(frozen=True)
class Settlement:
    """How a job's hold was closed."""

    cost: int  #: micro-units, 0 if freed
    billed_ms: int
    tx_id: str = ""  #: if one transaction confirmed, timed and paid it


@dataclass(frozen=True)
class _Answer:
    tx_id: str
    ok: bool
    code: str | None
    detail: str
    cost: int = 0
    billed_ms: int = 0


def create(job: Job) -> str:
    """Hold the job's largest cost on the developer's account; the transaction's id.
    Raises NoFunds, or Tombstone."""
    answer = _creates().call(
        {
            "job": job.key,
            "developer": str(job.developer_id),
            "function": job.function_name,
            "memory_mb": job.memory_mb,
            "timeout_ms": job.timeout_ms,
            "max_rate": job.max_rate,
            "machine": job.machine_id,
            "rate": job.rate,
        }
    )
    if answer.code == "INSUFFICIENT_FUNDS":
        raise NoFunds
    if answer.code == "ALREADY_DONE":
        raise Tombstone
    if answer.ok and answer.code == "EXISTS":
        return _first_tx(job)
    return _expect(answer).tx_id


def reassign(job: Job) -> str:
    """Give the job's next attempt to its new machine; the transaction's id. May be repeated. Raises
    Tombstone where the ledger has closed the job."""
    document = {"job": job.key, "attempt": job.attempt, "machine": job.machine_id, "rate": job.rate}
    try:
        return transact("monitoring", "reassign", document)[1].tx_id
    except ContractError as error:
        if error.code == "ALREADY_DONE":
            raise Tombstone from error
        raise LedgerAway(f"The ledger did not reassign the job: {error}") from error


def finish(job: Job) -> Settlement:
    """Confirm what was received and pay it, by the machine's receipt. Raises NoReceipt."""
    if not job.signature:
        raise NoReceipt
    receipt = {
        "run_ms": job.run_ms,
        "exit_code": job.exit_code,
        "result_sha256": job.result_sha256,
        "signature": job.signature,
    }
    answer = _finishes().call({**_confirmation(job), "receipt": receipt})
    if answer.code in ("BAD_RECEIPT", "BAD_ARGUMENT"):  # all of it but the receipt is ours, and good
        raise NoReceipt(answer.detail)
    answer = _expect(answer)
    if answer.code == "ALREADY_DONE":
        return _closed(job)
    return Settlement(answer.cost, answer.billed_ms, answer.tx_id)


def confirm(job: Job) -> str:
    """Confirm what was received, without a receipt; the transaction's id."""
    result, commit = transact("monitoring", "confirm", {"items": [_confirmation(job)]})
    return _expect(_answers(result, commit.tx_id)[0]).tx_id


def settle(job: Job) -> Settlement | None:
    """Pay a confirmed job by the machine's own time on the ledger, or tell how it was paid already.
    None while the machine's time is not there."""
    try:
        result, _ = transact("monitoring", "settle", {"job": job.key})
    except ContractError as error:
        if error.code in REPEATED:
            return _closed(job)
        if error.code == "NOT_FOUND":
            return None
        raise
    return Settlement(result["cost"], result["billed_ms"])


def release(job: Job, why: str) -> Settlement:
    """Free the hold: nobody pays. Where both sides have spoken meanwhile, it is paid."""
    try:
        transact("monitoring", "release", {"job": job.key, "why": why})
    except ContractError as error:
        if error.code in REPEATED:
            return _closed(job)
        paid = settle(job) if error.code == "FORBIDDEN" else None
        if paid is None:
            raise
        return paid
    return Settlement(0, 0)


def read(job: str) -> dict[str, Any] | None:
    """The monitoring record, or None where the ledger does not have the job."""
    try:
        record: dict[str, Any] = evaluate("monitoring", "read", {"job": job})
    except ContractError as error:
        if error.code == "NOT_FOUND":
            return None
        raise
    return record


def history(job: str) -> list[dict[str, Any]]:
    """Each change of the record in commit order: {tx_id, block, at, value}."""
    try:
        changes: list[dict[str, Any]] = evaluate("monitoring", "history", {"job": job})
    except ContractError as error:
        if error.code == "NOT_FOUND":
            return []
        raise
    return changes


def transactions(job: Job) -> dict[str, str]:
    """In which transaction each step of the job stands. None for a tombstone: nothing was held."""
    found: dict[str, str] = {}
    for change in history(job.key):
        value = change["value"]
        released = value["outcome"] == "released"
        for name, stands in (
            ("created_tx", True),
            ("received_tx", value["received"]),
            ("time_tx", value["time_ms"] is not None and not released),
            ("settled_tx", value["payment_done"] or released),
        ):
            if stands:
                found.setdefault(name, change["tx_id"])
    return found


def _closed(job: Job) -> Settlement:
    """How a job was closed that the ledger says is closed. A tombstone has no record: nothing was held."""
    record = read(job.key) or {}
    return Settlement(record.get("cost") or 0, record.get("billed_ms") or 0)


def _first_tx(job: Job) -> str:
    return str(history(job.key)[0]["tx_id"])


def _confirmation(job: Job) -> dict[str, Any]:
    return {
        "job": job.key,
        "attempt": job.attempt,
        "wall_ms": job.wall_ms or 0,
        "outcome": State(job.state).value,
    }


@cache
def _creates() -> Batches[dict[str, Any], _Answer]:
    return Batches(_send_creates, key=_job, size=settings.BATCH_SIZE, wait_ms=settings.BATCH_WAIT_MS)


@cache
def _finishes() -> Batches[dict[str, Any], _Answer]:
    return Batches(_send_finishes, key=_job, size=settings.BATCH_SIZE, wait_ms=settings.BATCH_WAIT_MS)


def _job(item: dict[str, Any]) -> str:
    return str(item["job"])


def _send_creates(items: list[dict[str, Any]]) -> list[_Answer]:
    # A debit folds the credits that came since: a rich account must not be refused for its base alone.
    developers = sorted({item["developer"] for item in items})
    with accounts.debits(developers):
        credits = {name: accounts.credits(name) for name in developers}
        document = {"items": items, "credits": credits}
        result, commit = transact(
            "monitoring", "create", document, debited=developers, tries=_tries(len(items))
        )
    return _answers(result, commit.tx_id)


def _send_finishes(items: list[dict[str, Any]]) -> list[_Answer]:
    result, commit = transact("monitoring", "finish", {"items": items}, tries=_tries(len(items)))
    return _answers(result, commit.tx_id)


def _tries(items: int) -> int:
    """A batch that keeps meeting conflicts is split rather than tried on: one item may be to blame."""
    return BATCH_TRIES if items > 1 else TRIES


def _answers(result: list[dict[str, Any]], tx_id: str) -> list[_Answer]:
    return [
        _Answer(
            tx_id=tx_id,
            ok=row["ok"],
            code=row.get("code"),
            detail=row.get("detail") or "",
            cost=row.get("cost") or 0,
            billed_ms=row.get("billed_ms") or 0,
        )
        for row in result
    ]


def _expect(answer: _Answer) -> _Answer:
    if answer.ok or answer.code == "ALREADY_DONE":  # EXISTS without ok: it has the job with other content
        return answer
    raise LedgerAway(f"The ledger refused it: {answer.code} {answer.detail}")
