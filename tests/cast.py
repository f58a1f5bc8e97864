"""Who acts in the tests: dora deploys, pete lends a machine, eve is a stranger."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from celery import current_app
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import connections
from django.test import Client
from django.utils import timezone
from kombu import Consumer

from chaincode.receipt import Receipt
from chainfaas import accounts, machines
from chainfaas import models as rows
from chainfaas.identity.embedded import request
from chainfaas.jobs import lifecycle
from chainfaas.ledger.connection import CHANNEL
from chainfaas.models import Token, User
from tasks import messages, topology
from tasks.messages import Outcome

PASSWORD = "correct horse 7"


@dataclass
class Person:
    """Somebody with an account and a token."""

    user: User
    token: str

    @classmethod
    def registered(cls, name: str, *roles: str) -> Person:
        user = accounts.register(name, PASSWORD, roles=list(roles))
        return cls(user, Token.issue(user, "test", ["deploy", "invoke", "provider", "read"])[1])

    @property
    def name(self) -> str:
        return self.user.username

    def with_scopes(self, *scopes: str) -> Person:
        """The same person with a token that may do less."""
        return Person(self.user, Token.issue(self.user, "less", list(scopes))[1])

    def call(self, method: str, path: str, json: object = None, **headers: str) -> Any:
        """What the API answers to this person."""
        return call(method, path, json, Authorization=f"Bearer {self.token}", **headers)

    def get(self, path: str, **headers: str) -> Any:
        return self.call("GET", path, **headers)

    def post(self, path: str, json: object = None, **headers: str) -> Any:
        return self.call("POST", path, json, **headers)

    def invoke(self, function: str, body: bytes = b"", **headers: str) -> Any:
        return invoke(function, body, Authorization=f"Bearer {self.token}", **headers)

    def deploy(self, name: str, **fields: Any) -> None:
        answer = self.post("/functions", {"name": name, "image": "chainfaas/echo", **fields})
        assert answer.status_code == 201, answer.content

    def settled(self, job: str) -> dict[str, Any]:
        """The job, once its hold is closed."""
        until(lambda: self.get(f"/jobs/{job}").json()["settled"])
        found: dict[str, Any] = self.get(f"/jobs/{job}").json()
        return found

    def balance(self) -> int:
        return accounts.balance(self.user).total


def call(method: str, path: str, json: object = None, **headers: str) -> Any:
    """What the API answers to whoever has these headers."""
    return Client(raise_request_exception=False).generic(
        method,
        f"/api/v1{path}",
        b"" if json is None else messages.msgspec.json.encode(json),
        content_type="application/json",
        headers=_dashed(headers),
    )


def invoke(function: str, body: bytes = b"", **headers: str) -> Any:
    """The answer to a call of a function."""
    return Client(raise_request_exception=False).generic(
        "POST",
        f"/api/v1/functions/{function}/invoke",
        body,
        content_type="application/octet-stream",
        headers=_dashed(headers),
    )


def at_once(*steps: Callable[[], Any]) -> list[Any]:
    """What the steps answer, started together."""
    start = threading.Barrier(len(steps))

    def run(step: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return step()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(steps)) as pool:
        return list(pool.map(run, steps))


def until(done: Callable[[], object], seconds: float = 10) -> None:
    """Wait for what other threads do."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


@dataclass
class Ended:
    """How a machine says that a run ended."""

    output: bytes = b""
    outcome: Outcome = Outcome.EXITED
    exit_code: int = 0
    run_ms: int = 20
    log: bytes = b""


Behaviour = Callable[[messages.Run], Ended]


@dataclass
class Machine:
    """A connected machine with a key that can sign. It runs nothing; it says what a test has it say."""

    row: rows.Machine
    key: ec.EllipticCurvePrivateKey
    behave: Behaviour = field(default=lambda run: Ended(output=run.input))  #: an echo, if nothing is said
    runs: list[messages.Run] = field(default_factory=list)  #: what it was sent

    @classmethod
    def of(cls, owner: Person, name: str = "laptop", **offer: Any) -> Machine:
        key = ec.generate_private_key(ec.SECP256R1())
        terms = {"cpus": 4.0, "memory_mb": 4096, "slots": 4, **offer}
        enrolment = machines.host(owner.user, request(key, name), name=name, **terms)
        return cls(enrolment.machine, key)

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"machine {self.row.name}")
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def started(self, run: messages.Run, seen: datetime | None = None) -> None:
        """Report that the function starts."""
        report = messages.Started(job=run.job, attempt=run.attempt, prepared_ms=1.0)
        lifecycle.started(self.row.id, report, seen or timezone.now())

    def ended(self, run: messages.Run, end: Ended) -> str | None:
        """Report how the run ended, and have it settled, as the controller's workers would."""
        report = self.report(run, end)
        job = lifecycle.finished(self.row.id, report, timezone.now())
        if job is not None:
            lifecycle.settle(rows.Job.objects.get(id=job))
        return job

    def report(self, run: messages.Run, end: Ended) -> messages.Result:
        """The signed report."""
        ran = end.outcome in messages.RAN
        receipt = Receipt(
            channel=CHANNEL,
            job=run.job,
            attempt=run.attempt,
            run_ms=end.run_ms,
            exit_code=end.exit_code,
            result_sha256=hashlib.sha256(end.output).hexdigest(),
        )
        return messages.Result(
            job=run.job,
            attempt=run.attempt,
            outcome=end.outcome,
            exit_code=end.exit_code,
            run_ms=end.run_ms,
            pull_ms=0.0,
            output=end.output,
            log=end.log,
            signature=receipt.sign(self.key) if ran else "",
        )

    def _work(self) -> None:
        try:
            with current_app.connection_for_read() as connection:
                channel = connection.default_channel
                queue = topology.existing(topology.task_queue(self.row.id))
                with Consumer(channel, [queue], on_message=self._take, auto_declare=False, accept=["json"]):
                    self._ready.set()
                    while not self._stop.is_set():
                        try:
                            connection.drain_events(timeout=0.05)
                        except TimeoutError:
                            continue
        finally:
            connections.close_all()

    def _take(self, message: Any) -> None:
        message.ack()
        run = messages.Run.load(message.payload[0][0])
        self.runs.append(run)
        self.started(run)
        self.ended(run, self.behave(run))


def close_connections() -> None:
    """Let go of this thread's database."""
    connections.close_all()


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
