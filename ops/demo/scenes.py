"""What the demo does, over real HTTP, as anybody could do it."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from ops.demo import noisy

TEXT = Path(__file__).with_name("genesis.txt")
"""The book of Genesis in the King James version (1611, in the public domain), about 200 kB."""

SETTLE_S = 30

PAYS_BY_RECEIPT = ["create", "finish"]
PAYS_ITSELF = {"create", "confirm", "set_time", "settle"}
"""The transactions of a job that was paid by the receipt in its result; and of one that was not."""


class WentWrong(Exception):
    """Something did not come out as the demo promises."""


@dataclass(frozen=True)
class Call:
    """One call of a function, and what came of it."""

    function: str
    status: int
    answer: bytes
    job: dict[str, Any]
    ledger_before: dict[str, Any]  #: the record as it stood when the hold was made
    ledger_after: dict[str, Any]
    transactions: list[dict[str, Any]]  #: {function, by, tx_id, block}; by: whose organisation signed it

    def document(self) -> dict[str, Any]:
        """What is shown of it beside the first call."""
        return {"status": self.status, "job": self.job, "transactions": self.transactions}


@dataclass(frozen=True)
class Outcome:
    """Everything that the demo shows."""

    url: str
    ledger: str  #: embedded or served
    bytes_in: int
    call: Call
    unreceipted: Call  #: its receipt was damaged on its way
    failed: Call
    timed_out: Call
    balances_before: dict[str, int]
    balances_after: dict[str, int]
    between: dict[str, int]  #: after the first call
    verified: bool
    height: int

    def document(self) -> dict[str, Any]:
        """The demo as one JSON document; the money is that of the first call alone."""
        return {
            "call": {
                "method": "POST",
                "url": f"{self.url}/api/v1/functions/{self.call.function}/invoke",
                "bytes": self.bytes_in,
                "status": self.call.status,
            },
            "result": _json(self.call.answer),
            "job": self.call.job,
            "ledger_before": self.call.ledger_before,
            "ledger_after": self.call.ledger_after,
            "balances_before": self.balances_before,
            "balances_after": self.between,
            "timings": self.call.job["timings"],
            "verified": self.verified,
            "ledger": self.ledger,
            "payments": {
                "by_receipt": self.call.document(),
                "by_the_providers_own_transactions": self.unreceipted.document(),
            },
            "failures": {
                "function_failed": self.failed.document(),
                "timed_out": self.timed_out.document(),
            },
            "balances_at_the_end": self.balances_after,
        }


def play(url: str, data: Path, ledger: str) -> Outcome:
    """Register, call functions, once on a line that damages the receipt, and read the ledger."""
    text = TEXT.read_bytes()
    dora = Person(url, f"dora-{secrets.token_hex(3)}")
    dora.register(["developer"])
    pete = Person(url, "pete")
    pete.sign_in((data / "hosted" / "password").read_text().strip())

    before = _balances(dora, pete)
    call = dora.call("example", text)
    between = _balances(dora, pete)
    (data / noisy.ORDER).touch()
    unreceipted = dora.call("example", text)
    dora.deploy("fails", "chainfaas/fail", timeout_s=30)
    dora.deploy("sleeps", "chainfaas/sleep", timeout_s=1)
    failed = dora.call("fails", b"")
    timed_out = dora.call("sleeps", b"30")
    verified = dora.get("/ledger/verify")
    outcome = Outcome(
        url=url,
        ledger=ledger,
        bytes_in=len(text),
        call=call,
        unreceipted=unreceipted,
        failed=failed,
        timed_out=timed_out,
        balances_before=before,
        between=between,
        balances_after=_balances(dora, pete),
        verified=verified["verified"],
        height=verified["height"],
    )
    _check(outcome)
    return outcome


class Person:
    """Somebody with an account, and the token that speaks for them."""

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self._http = httpx.Client(base_url=f"{url}/api/v1", timeout=120)

    def register(self, roles: list[str]) -> None:
        password = secrets.token_urlsafe(12)
        account = {
            "username": self.name,
            "email": f"{self.name}@example.org",
            "password": password,
            "roles": roles,
        }
        self._post("/register", account)
        self.sign_in(password)

    def sign_in(self, password: str) -> None:
        token = self._post("/tokens", {"username": self.name, "password": password, "name": "demo"})["token"]
        self._http.headers["Authorization"] = f"Bearer {token}"

    def deploy(self, name: str, image: str, timeout_s: int) -> None:
        self._post("/functions", {"name": name, "image": image, "timeout_s": timeout_s})

    def call(self, function: str, body: bytes) -> Call:
        """Call one's own function and wait until the job is paid."""
        response = self._http.post(f"/functions/{self.name}/{function}/invoke", content=body)
        if "ChainFaaS-Job-Id" not in response.headers:
            raise WentWrong(f"the call of {function} was refused: {response.status_code} {response.text}")
        id = response.headers["ChainFaaS-Job-Id"]
        job = self._settled(id)
        history = self.get(f"/ledger/jobs/{id}/history")["results"]
        return Call(
            function=f"{self.name}/{function}",
            status=response.status_code,
            answer=response.content,
            job=job,
            ledger_before=history[0]["value"],
            ledger_after=self.get(f"/ledger/jobs/{id}"),
            transactions=[self._transaction(change["block"], change["tx_id"]) for change in history],
        )

    def money(self) -> int:
        """Micro-units, held ones included."""
        account = self.get(f"/ledger/accounts/{self.name}")
        return int(account["free"] + account["held"])

    def get(self, path: str) -> Any:
        return _answer(self._http.get(path))

    def _transaction(self, block: int, tx_id: str) -> dict[str, Any]:
        transactions = self.get(f"/ledger/blocks/{block}")["transactions"]
        found = next(tx for tx in transactions if tx["id"] == tx_id)
        return {"function": found["function"], "by": found["msp_id"], "tx_id": tx_id, "block": block}

    def _post(self, path: str, document: dict[str, Any]) -> Any:
        return _answer(self._http.post(path, json=document))

    def _settled(self, id: str) -> dict[str, Any]:
        end = time.monotonic() + SETTLE_S
        while time.monotonic() < end:
            job: dict[str, Any] = self.get(f"/jobs/{id}")
            if job["settled"]:
                return job
            time.sleep(0.02)
        raise WentWrong(f"job {id} was not paid within {SETTLE_S} s; it stands at {job['state']}")


def _answer(response: httpx.Response) -> Any:
    if response.is_error:
        raise WentWrong(
            f"{response.request.method} {response.url.path}: {response.status_code} {response.text}"
        )
    return response.json()


def _balances(*people: Person) -> dict[str, int]:
    return {person.name: person.money() for person in people}


def _json(answer: bytes) -> Any:
    import json

    return json.loads(answer)


def _check(outcome: Outcome) -> None:
    """The demo does not end well unless the money went exactly where it should."""
    developer, provider = outcome.balances_before
    expected = {
        "call": (200, "succeeded"),
        "unreceipted": (200, "succeeded"),
        "failed": (502, "failed"),
        "timed_out": (504, "timed_out"),
    }
    for name, (status, state) in expected.items():
        call: Call = getattr(outcome, name)
        if (call.status, call.job["state"]) != (status, state):
            raise WentWrong(f"{call.function} was answered {call.status} and stands at {call.job['state']}")
    cost = outcome.call.job["cost"]
    moved = {name: outcome.between[name] - outcome.balances_before[name] for name in outcome.between}
    if moved != {developer: -cost, provider: cost} or cost <= 0:
        raise WentWrong(f"the call cost {cost}, and the balances moved by {moved}")
    _check_payments(outcome)
    if sum(outcome.balances_after.values()) != sum(outcome.balances_before.values()):
        raise WentWrong("the sum of the balances changed")
    if not outcome.verified:
        raise WentWrong("the ledger does not verify")


def _check_payments(outcome: Outcome) -> None:
    """The first was paid by its receipt; the second, whose receipt was damaged, by its machine itself."""
    by_receipt = [step["function"] for step in outcome.call.transactions]
    if by_receipt != PAYS_BY_RECEIPT:
        raise WentWrong(f"the first call was paid by {by_receipt}")
    signed = {step["function"]: step["by"] for step in outcome.unreceipted.transactions}
    if set(signed) != PAYS_ITSELF or signed["set_time"] != "ProvidersMSP":
        raise WentWrong(f"the call whose receipt was damaged was paid by {signed}")
