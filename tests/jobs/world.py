"""A platform without threads: a test says when messages travel, when time passes, and when machines act.

Database, ledger, broker, ingress and task bodies are the product's; only nobody reads a queue by itself. A
machine is connected to the broker and signs real receipts; it runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from celery import Celery, current_app
from django.db import connection as database
from django.db.models import F
from django.utils import timezone
from kombu import Connection, Consumer, Producer

from chaincode import client
from chaincode.identity import PROVIDERS, Identity
from chainfaas import models as rows
from chainfaas.ingress import Ingress
from chainfaas.jobs import lifecycle, recovery
from chainfaas.ledger import connection
from chainfaas.models import Function, Job, JobOutput, Move, State
from chainfaas.models.states import ENDED
from tasks import messages, names, topology
from tests import cast
from tests.cast import Ended, Person

QUEUES = (topology.INTERNAL, topology.CONTROLLER, topology.LEDGER)
MOMENTS = {
    Job: ("created_at", "moved_at", "started_at", "finished_at", "confirmed_at", "cancel_requested_at"),
    rows.Machine: ("last_seen", "created_at"),
    rows.LedgerEnvelope: ("stored_at", "tried_at"),
}
"""What moves into the past when time passes."""


class Twin(cast.Machine):
    """A machine that acts when a test says so: `take`, `start`, `end`; `work` is all of it.

    Like a real one it keeps a journal: an attempt is run once, and its result is sent again when asked.
    """

    def __enter__(self) -> Twin:
        self.results: dict[str, messages.Result] = {}
        self.begun: set[str] = set()
        self.under_way: set[str] = set()  #: begun in this life of the machine
        self.tasks: list[messages.Run] = []
        self.cancelled: set[str] = set()
        self._link: Connection | None = None
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    @property
    def id(self) -> str:
        return self.row.id

    def connect(self) -> None:
        self._link = current_app.connection_for_read()
        channel = self._link.default_channel
        self._consumers = [
            Consumer(channel, [topology.existing(name)], on_message=take, accept=["json"], auto_declare=False)
            for name, take in (
                (topology.task_queue(self.id), self._task),
                (topology.control_queue(self.id), self._command),
            )
        ]
        for consumer in self._consumers:
            consumer.consume()

    def disconnect(self) -> None:
        if self._link is not None:
            for consumer in self._consumers:
                consumer.cancel()
            self._link.release()
            self._link = None

    def take(self) -> list[messages.Run]:
        """Read the queues, as far as this machine is connected; the tasks that it now has."""
        if self._link is not None:
            with suppress(TimeoutError):
                while True:
                    self._link.drain_events(timeout=0)
        return self.tasks

    def start(self, run: messages.Run) -> None:
        for noted in (self.begun, self.under_way):
            noted.add(names.task_id(run.job, run.attempt))
        self.send(messages.Started(job=run.job, attempt=run.attempt, prepared_ms=1.5))

    def end(self, run: messages.Run, end: Ended | None = None) -> messages.Result:
        """Keep the result and send it."""
        result = self.report(run, end or self.behave(run))
        self.results[names.task_id(run.job, run.attempt)] = result
        self.send(result)
        return result

    def ended_unpaid(self, run: messages.Run) -> None:
        """The controller has the result, and died before it paid."""
        result = self.report(run, self.behave(run))
        assert lifecycle.finished(self.id, result, timezone.now()) == run.job

    def next(self) -> messages.Run:
        """The only task that came."""
        [run] = self.take()
        self.tasks.clear()
        return run

    def work(self, pump: Callable[[], None], pause: Callable[[], None] = lambda: None) -> None:
        """Do with every task that came what a real machine would."""
        self.take()
        while self.tasks:
            run = self.tasks[0]
            task = names.task_id(run.job, run.attempt)
            if task in self.results:
                self.send(self.results[task])
            elif task in self.begun and task not in self.under_way:
                self.end(run, Ended(outcome=messages.Outcome.LOST, run_ms=0))
            elif task in self.cancelled and task not in self.begun:
                self.end(run, Ended(outcome=messages.Outcome.CANCELLED, run_ms=0))
            else:
                self._execute(run, pump, pause)
            self.tasks.remove(run)
            pump()

    def _execute(self, run: messages.Run, pump: Callable[[], None], pause: Callable[[], None]) -> None:
        task = names.task_id(run.job, run.attempt)
        if task not in self.begun:
            self.start(run)
        pump()
        pause()
        self.take()
        stopped = Ended(outcome=messages.Outcome.CANCELLED, run_ms=30)
        self.end(run, stopped if task in self.cancelled else None)

    def fell(self) -> None:
        """The process that it runs in died: its journal is on disk, the rest is gone."""
        self.take()
        self.tasks.clear()
        self.cancelled.clear()
        self.under_way.clear()

    def send(self, report: messages.Report | str | bytes, **properties: Any) -> None:
        """Publish to one's own exchange, as the broker's rights allow, with whatever properties."""
        text = report if isinstance(report, str | bytes) else report.dump()
        envelope = {"content_type": "application/json", "content_encoding": "utf-8", "user_id": self.id}
        with current_app.connection_for_write() as link:
            exchange = topology.upstream_exchange(self.id)
            producer = Producer(link.default_channel, exchange, topology.RESULT_KEY, auto_declare=False)
            producer.publish(text, **(envelope | properties))

    @contextmanager
    def ledger(self) -> Iterator[client.Ledger]:
        """The ledger as this machine sees it, with its own identity."""
        from django.conf import settings

        identity = Identity(PROVIDERS, self.row.certificate, self.key)
        with client.connect(settings.LEDGER_URL, identity, config=connection.network()) as opened:
            yield opened

    def _task(self, message: Any) -> None:
        message.ack()
        self.tasks.append(messages.Run.load(message.payload[0][0]))
        self.runs.append(self.tasks[-1])

    def _command(self, message: Any) -> None:
        message.ack()
        command = messages.Cancel.load(message.body)
        self.cancelled.add(names.task_id(command.job, command.attempt))


@dataclass
class World:
    """The controller's side, and the cast."""

    app: Celery
    dora: Person
    pete: Person
    eve: Person
    twins: list[Twin] = field(default_factory=list)
    durable: bool = False  #: whether the broker gives a message back that a dead worker had
    failures: list[Exception] = field(default_factory=list)  #: what task bodies raised

    def __post_init__(self) -> None:
        self._ingress = Ingress(self.app)

    def machine(self, owner: Person | None = None, name: str = "laptop", **offer: Any) -> Twin:
        twin = Twin.of(owner or self.pete, name, **offer)
        twin.behave = lambda run: Ended(output=run.input, run_ms=120)
        self.twins.append(twin.__enter__())
        return twin

    def function(self, **fields: Any) -> Function:
        terms = {"image": "chainfaas/echo", "timeout_s": 10, **fields}
        name = terms.pop("name", f"f{Function.objects.count()}")
        return Function.objects.create(owner=self.dora.user, name=name, **terms)

    def call(self, function: Function | None = None, body: bytes = b"hello", **options: Any) -> Job:
        """Submit a call of dora's."""
        return lifecycle.submit(function or self.function(), self.dora.user, body, **options)[0]

    def placed(self, function: Function | None = None, body: bytes = b"hello") -> Job:
        job = self.call(function, body)
        lifecycle.place(job)
        return job

    # --- messages and time ---

    def pump(self) -> None:
        """Let every message travel, and every task run, until nothing is left to do."""
        with self.app.connection_for_read() as link:
            channel = link.default_channel
            while self._inboxes(channel) or any(self._run_one(channel, queue) for queue in QUEUES):
                pass

    def later(self, seconds: float) -> None:
        """Time passes."""
        ago = timedelta(seconds=seconds)
        for model, moments in MOMENTS.items():
            model.objects.update(**{name: F(name) - ago for name in moments})
        if recovery._BrokerSeen.since is not None:
            recovery._BrokerSeen.since -= seconds

    def sweep(self) -> None:
        """Much later than the last one: whatever is left is stale."""
        self.later(6)
        recovery.sweep()
        self.pump()

    def run(self, pause_s: float = 0.15) -> None:
        """Everybody does their work, each function taking so long on the wall, until nobody has any."""
        self.pump()
        while any(twin.take() for twin in self.twins):
            for twin in self.twins:
                twin.work(self.pump, lambda: self.later(pause_s))
        self.pump()

    def restart(self) -> None:
        """The process came back: what was in memory is gone, database and ledger are not. If the broker was
        elsewhere, the messages and the machines are as they were."""
        database.close()
        recovery._BrokerSeen.since, recovery._BrokerSeen.last = None, 0.0
        if not self.durable:
            for twin in self.twins:
                twin.fell()
            self.forget_messages()
            recovery.after_restart()

    def forget_messages(self) -> None:
        with self.app.connection_for_read() as link:
            boxes = [topology.inbox(twin.id) for twin in self.twins]
            for queue in (*QUEUES, *boxes):
                link.default_channel._purge(queue)

    def _inboxes(self, channel: Any) -> bool:
        found = False
        for twin in self.twins:
            while message := channel.basic_get(topology.inbox(twin.id)):
                found = True
                with self._given_back(channel, topology.inbox(twin.id), message):
                    self._ingress._take(message)
        return found

    def _run_one(self, channel: Any, queue: str) -> bool:
        message = channel.basic_get(queue)
        if message is None:
            return False
        args, kwargs, _ = message.payload
        task = self.app.tasks[message.headers["task"]]
        with self._given_back(channel, queue, message):
            end = task.apply(args, kwargs, task_id=message.headers["id"], throw=False)
            if isinstance(end.result, Exception):
                self.failures.append(end.result)
        message.ack()
        return True

    @contextmanager
    def _given_back(self, channel: Any, queue: str, message: Any) -> Iterator[None]:
        try:
            yield
        except BaseException:
            if self.durable:
                channel._put(queue, message._raw)
            raise

    # --- what must be so ---

    def totals(self) -> dict[str, int]:
        sums: dict[str, int] = connection.evaluate("monetary", "totals", {})
        return sums

    def earned(self, person: Person) -> int:
        """What came to a person beside the welcome deposit."""
        from django.conf import settings

        return person.balance() - int(settings.WELCOME_CREDIT)

    def check_books(self, *, withdrawn: int = 0) -> None:
        """No money came or went, each end was paid or freed once, as its row says, and the chain is sound."""
        totals = self.totals()
        assert totals["free"] + totals["held"] == totals["deposited"] - totals["withdrawn"]
        spent = 0
        for job in Job.objects.order_by("id"):
            check_job(job)
            spent += job.cost or 0
        assert self.earned(self.dora) == -spent - withdrawn
        assert self.earned(self.pete) + self.earned(self.eve) == spent
        if not Job.objects.filter(settled=False).exists():
            assert totals["held"] == 0
        verification = connection.ledger().verify()
        assert verification.verified, verification


def check_job(job: Job) -> None:
    """Row, timeline and ledger tell the same story of a job."""
    ends = Move.objects.filter(job=job, state__in=ENDED)
    assert ends.count() == (1 if job.ended else 0), f"{job.key} ended {ends.count()} times"
    if not job.settled:
        return
    from chainfaas.ledger import jobs as ledger

    record = ledger.read(job.key)
    if record is None:
        assert job.cost == 0
        return
    assert record["payment_done"] or record["outcome"] == "released"
    assert record["cost"] == job.cost
    changes = {change["tx_id"]: change["value"] for change in ledger.history(job.key)}
    assert job.created_tx == next(iter(changes))
    assert job.settled_tx == list(changes)[-1]
    if record["payment_done"]:
        assert record["billed_ms"] == job.billed_ms
        assert record["outcome"] == job.state
        assert changes[job.received_tx]["received"]
        assert changes[job.time_tx]["time_ms"] is not None


def fresh(job: Job) -> Job:
    return Job.objects.get(id=job.id)


def state(job: Job) -> State:
    return State(fresh(job).state)


def output(job: Job) -> bytes:
    return bytes(JobOutput.objects.get(job=job).body)


def story(job: Job) -> list[str]:
    """The states that it had, in order."""
    return list(Move.objects.filter(job=job).order_by("id").values_list("state", flat=True))
