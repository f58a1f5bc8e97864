"""The cast of the ledger's tests, and the sentences they speak. Only the client's API is used.

Names are new for each world, so that worlds can share one ledger that is never emptied.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chaincode.client import Ledger
from chaincode.identity import Identity
from chaincode.receipt import Receipt
from tests.contracts.authority import Authority

CHANNEL = "chainfaas"
DIGEST = hashlib.sha256(b"the result").hexdigest()

Connect = Callable[[Identity], Ledger]


def new_name(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex[:12]}"


@dataclass
class World:
    """A ledger, a controller, two providers with a machine each, a developer dora, and eve, a stranger."""

    connect: Connect
    platform: Authority
    providers: Authority
    dora: str = field(default_factory=lambda: new_name("dora"))
    pete: str = field(default_factory=lambda: new_name("pete"))
    paul: str = field(default_factory=lambda: new_name("paul"))
    machine: str = field(default_factory=lambda: new_name("m"))
    other_machine: str = field(default_factory=lambda: new_name("m"))

    def __post_init__(self) -> None:
        self.petes_key = self.machine_identity(self.pete)
        self.pauls_key = self.machine_identity(self.paul)
        self.controllers_key = self.platform.enrol("controller", chainfaas_role="controller")
        self.controller = self.connect(self.controllers_key)
        self.petes = self.connect(self.petes_key)
        self.pauls = self.connect(self.pauls_key)
        self.eve = self.connect(self.providers.enrol("eve"))
        self.staff = self.connect(self.platform.enrol("staff", chainfaas_role="staff"))
        self.enrol(self.machine, self.pete, self.petes_key)
        self.enrol(self.other_machine, self.paul, self.pauls_key)

    def machine_identity(self, user: str) -> Identity:
        return self.providers.enrol(new_name("machine"), chainfaas_role="machine", chainfaas_user=user)

    def enrol(self, machine: str, provider: str, identity: Identity) -> None:
        document = {"machine": machine, "provider": provider, "certificate": identity.certificate}
        self.do("enrol_machine", document)

    def do(self, function: str, document: dict[str, Any], by: Ledger | None = None) -> Any:
        """A monitoring transaction's result; the controller's, if nobody else is named."""
        return (by or self.controller).transact("monitoring", function, document)[0]

    def ask(self, function: str, document: dict[str, Any], by: Ledger | None = None) -> Any:
        contract = "monetary" if function in ("balance", "totals") else "monitoring"
        return (by or self.controller).evaluate(contract, function, document)

    # Money.

    def pay(self, function: str, document: dict[str, Any], by: Ledger | None = None) -> Any:
        return (by or self.controller).transact("monetary", function, document)[0]

    def deposit(self, account: str, amount: int = 10_000_000, op: str = "") -> Any:
        return self.pay("deposit", {"op": op or new_name("op"), "account": account, "amount": amount})

    def balance(self, account: str) -> tuple[int, int]:
        found = self.ask("balance", {"account": account})
        return found["free"], found["held"]

    def credits(self, account: str) -> list[str]:
        found: list[str] = self.ask("balance", {"account": account})["credits"]
        return found

    # Jobs.

    def new_job(self, **changes: Any) -> dict[str, Any]:
        terms = {
            "job": str(uuid.uuid4()),
            "developer": self.dora,
            "function": "dora/wordcount",
            "memory_mb": 1024,
            "timeout_ms": 1000,
            "max_rate": 64,
            "machine": self.machine,
            "rate": 16,
        }
        return {**terms, **changes}

    def create(self, *items: object, credits: dict[str, list[str]] | None = None) -> list[dict[str, Any]]:
        named = {} if credits is None else {"credits": credits}
        answers: list[dict[str, Any]] = self.do("create", {"items": list(items), **named})
        return answers

    def created(self, **changes: Any) -> str:
        """The id of a job that stands on the ledger."""
        [answer] = self.create(self.new_job(**changes))
        assert answer["ok"], answer
        job: str = answer["job"]
        return job

    def confirmation(self, job: str, **changes: Any) -> dict[str, Any]:
        return {"job": job, "attempt": 1, "wall_ms": 300, "outcome": "succeeded", **changes}

    def finished(
        self, job: str, run_ms: int = 250, signer: Identity | None = None, **changes: Any
    ) -> dict[str, Any]:
        """An item of a `finish`: pete's machine ran it for 250 ms, the controller saw 300."""
        item = self.confirmation(job, **changes)
        receipt = Receipt(CHANNEL, job, item["attempt"], run_ms, 0, DIGEST)
        signed = {"run_ms": run_ms, "exit_code": 0, "result_sha256": DIGEST}
        return {**item, "receipt": {**signed, "signature": receipt.sign(signer or self.petes_key)}}

    def finish(self, *items: object) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = self.do("finish", {"items": list(items)})
        return answers

    def confirm(self, *items: object) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = self.do("confirm", {"items": list(items)})
        return answers

    def set_time(self, job: str, by: Ledger | None = None, **changes: Any) -> Any:
        time = {"job": job, "attempt": 1, "run_ms": 250, "exit_code": 0, "result_sha256": DIGEST}
        return self.do("set_time", {**time, **changes}, by or self.petes)

    def release(self, job: str, why: str = "lost", by: Ledger | None = None) -> Any:
        return self.do("release", {"job": job, "why": why}, by)

    def reassign(self, job: str, attempt: int = 2, by: Ledger | None = None, **changes: Any) -> Any:
        document = {"job": job, "attempt": attempt, "machine": self.other_machine, "rate": 32, **changes}
        return self.do("reassign", document, by)

    def read(self, job: str, by: Ledger | None = None) -> dict[str, Any]:
        record: dict[str, Any] = self.ask("read", {"job": job}, by)
        return record
