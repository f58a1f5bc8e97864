"""The ledger by itself: jobs created and finished on a new embedded ledger, singly and in batches."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from chaincode import client
from chaincode.client import Ledger, NetworkConfig
from chaincode.identity import Identity
from chaincode.receipt import Receipt
from chainfaas.identity import PROVIDERS
from chainfaas.identity.embedded import EmbeddedAuthority, private_pem, request
from ops.bench.amounts import BATCH_SIZES, IN_FLIGHT, Amounts
from ops.bench.figures import Times, WentWrong, per_second

CHANNEL, MACHINE, PROVIDER = "chainfaas", "benchmachine", "pete"
DIGEST = hashlib.sha256(b"the result").hexdigest()
RICH = 10**12


def measure(folder: Path, amounts: Amounts) -> dict[str, Any]:
    """Jobs and transactions a second each way, the gain of batching, and how fast the chain is checked."""
    with embedded(folder) as books:
        figures = {
            "single": alone(books, 1, amounts.single),
            f"single_{IN_FLIGHT}_at_once": at_once(books, 1, amounts.single),
            **{f"batch_{size}": alone(books, size, amounts.batches) for size in BATCH_SIZES},
        }
        for figure in figures.values():
            figure["ratio_to_single"] = round(figure["jobs_per_s"] / figures["single"]["jobs_per_s"], 2)
        return {**figures, "verify": verified(books)}


@dataclass(frozen=True)
class Books:
    """The controller's ledger, the key of the one machine, and the times of what was asked of the ledger."""

    ledger: Ledger
    machine: Identity
    times: Times

    def developer(self) -> Developer:
        name = uuid.uuid4().hex
        document = {"op": f"welcome-{name}", "account": name, "amount": RICH}
        self.ledger.transact("monetary", "deposit", document)
        return Developer(self, name)

    def transact(self, function: str, document: dict[str, Any]) -> None:
        """One of several jobs. No two developers' transactions change the same keys: there is no conflict."""
        with self.times.of("endorse"):
            envelope = self.ledger.endorse("monitoring", function, document)
        with self.times.of("submit"):
            self.ledger.submit(envelope)
        _all_done(envelope.result)


@dataclass(frozen=True)
class Developer:
    """Somebody whose jobs are created and paid; only one transaction of theirs is in flight."""

    books: Books
    name: str
    jobs: list[str] = field(default_factory=list)
    receipts: dict[str, str] = field(default_factory=dict)

    def prepare(self, count: int) -> None:
        """Sign the receipts beforehand: that is the machines' work, not the ledger's."""
        for _ in range(count):
            job = str(uuid.uuid4())
            self.jobs.append(job)
            self.receipts[job] = Receipt(CHANNEL, job, 1, 20, 0, DIGEST).sign(self.books.machine)

    def round(self, size: int) -> None:
        """Create so many jobs in one transaction and finish them in another, as the platform does."""
        jobs = [self.jobs.pop() for _ in range(size)]
        books = self.books
        credits = books.ledger.evaluate("monetary", "balance", {"account": self.name})["credits"][:100]
        document = {"items": [self._terms(job) for job in jobs], "credits": {self.name: credits}}
        books.transact("create", document)
        books.transact("finish", {"items": [self._finish(job) for job in jobs]})

    def _terms(self, job: str) -> dict[str, Any]:
        return {
            "job": job,
            "developer": self.name,
            "function": "dora/echo",
            "memory_mb": 128,
            "timeout_ms": 30_000,
            "max_rate": 64,
            "machine": MACHINE,
            "rate": 16,
        }

    def _finish(self, job: str) -> dict[str, Any]:
        receipt = {"run_ms": 20, "exit_code": 0, "result_sha256": DIGEST, "signature": self.receipts[job]}
        return {"job": job, "attempt": 1, "wall_ms": 25, "outcome": "succeeded", "receipt": receipt}


@contextmanager
def embedded(folder: Path) -> Iterator[Books]:
    """Of a new embedded ledger."""
    authority, times = EmbeddedAuthority(folder / "identity"), Times()
    config = NetworkConfig(CHANNEL, authority.roots())
    with client.connect(
        f"embedded://{folder / 'ledger.db'}", authority.controller(), config=config
    ) as ledger:
        yield opened(ledger, authority, times)


def opened(ledger: Ledger, authority: EmbeddedAuthority, times: Times) -> Books:
    """Of a new ledger, whose one machine is enrolled."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = authority.sign_machine(request(key, MACHINE), machine=MACHINE, user=PROVIDER)
    machine = Identity.load(PROVIDERS, certificate, private_pem(key))
    ledger.transact("monitoring", "init", {"providers_root": authority.roots()[PROVIDERS]})
    document = {"machine": MACHINE, "provider": PROVIDER, "certificate": certificate}
    ledger.transact("monitoring", "enrol_machine", document)
    return Books(ledger, machine, times)


def alone(books: Books, size: int, rounds: int) -> dict[str, Any]:
    """One developer's, one transaction after another."""
    return _loops(books, size, 1, rounds)


def at_once(books: Books, size: int, rounds: int) -> dict[str, Any]:
    """Of several developers at a time: the ledger commits those that wait in one block."""
    return _loops(books, size, IN_FLIGHT, max(1, rounds // IN_FLIGHT))


def verified(books: Books) -> dict[str, Any]:
    began = time.perf_counter()
    with books.times.of("verify"):
        verdict = books.ledger.verify()
    seconds = time.perf_counter() - began
    if not verdict.verified:
        raise WentWrong(f"the ledger does not verify: {verdict.fault}")
    return {"blocks": verdict.height, "blocks_per_s": per_second(verdict.height, seconds)}


def _loops(books: Books, size: int, people: int, rounds: int) -> dict[str, Any]:
    developers = [books.developer() for _ in range(people)]
    for developer in developers:
        developer.prepare(size * rounds)
    books.times.take()
    began = time.perf_counter()
    with ThreadPoolExecutor(people) as threads:
        for loop in [threads.submit(_rounds, developer, size, rounds) for developer in developers]:
            loop.result()
    seconds = time.perf_counter() - began
    return {
        "jobs": size * rounds * people,
        "transactions_per_s": per_second(2 * rounds * people, seconds),
        "jobs_per_s": per_second(size * rounds * people, seconds),
    }


def _rounds(developer: Developer, size: int, rounds: int) -> None:
    for _ in range(rounds):
        developer.round(size)


def _all_done(answers: list[dict[str, Any]]) -> None:
    for answer in answers:
        if not answer["ok"]:
            raise WentWrong(f"the ledger refused a job: {answer['code']} {answer['detail']}")
