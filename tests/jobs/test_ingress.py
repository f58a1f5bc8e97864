"""What strangers' machines send, and what becomes of it. Most of it would stop or hijack a Celery worker."""

from __future__ import annotations

import gzip
import json
import pickle
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery import current_app
from django.db import OperationalError as DatabaseAway
from django.db import connections
from kombu import Exchange, Producer
from kombu.exceptions import OperationalError

from chainfaas import dispatch, ingress
from chainfaas.ingress import Ingress
from chainfaas.models import Job
from tasks import limits, messages, topology
from tests.cast import Ended
from tests.jobs.world import Twin, World

RESULT_OF_NOTHING = {
    "type": "result",
    "job": "00000000-0000-7000-8000-000000000000",
    "attempt": 1,
    "outcome": "exited",
    "exit_code": 0,
    "run_ms": 1,
    "pull_ms": 0,
    "output": "",
    "log": "",
    "signature": "",
}


class Reader:
    """The real ingress in a thread of its own, as in the product, and what it handed on."""

    def __init__(self, world: World, patch: pytest.MonkeyPatch) -> None:
        self.taken: list[tuple[str, str]] = []
        self.ingress = Ingress(world.app)
        self.thread = threading.Thread(target=self._run)
        patch.setattr(dispatch, "record_result", self._record)

    def __enter__(self) -> Reader:
        self.thread.start()
        assert self.ingress.ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.ingress.stop()
        self.thread.join(5)
        assert not self.thread.is_alive()

    def _run(self) -> None:
        try:
            self.ingress.run(safety_interval=0.05)
        finally:
            connections.close_all()

    def _record(self, machine: str, seen_ms: float, text: str) -> None:
        self.taken.append((machine, text))

    def next(self) -> tuple[str, str]:
        end = time.monotonic() + 10
        while not self.taken:
            assert self.thread.is_alive(), "the ingress died"
            assert time.monotonic() < end, "nothing was taken"
            time.sleep(0.002)
        return self.taken.pop(0)


@pytest.fixture
def reader(world: World, machine: Twin, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    with Reader(world, monkeypatch) as reading:
        yield reading


def honest(machine: Twin) -> str:
    """A good report."""
    return json.dumps(RESULT_OF_NOTHING)


@contextmanager
def nothing_but_what_is_honest_passes(reader: Reader, machine: Twin) -> Iterator[None]:
    """After the attack the consumer lives, and an honest message is the first thing that it takes."""
    yield
    machine.send(honest(machine))
    assert reader.next() == (machine.id, honest(machine))
    assert reader.taken == []
    with current_app.connection_for_read() as link:
        assert link.default_channel._size(topology.inbox(machine.id)) == 0, "all were acknowledged"


def text(**changes: object) -> str:
    return json.dumps(RESULT_OF_NOTHING | changes)


EVIL = {"task": "chainfaas.run", "args": ["{}"], "kwargs": {}, "options": {"queue": "cf.q.victim"}}
CELERY = [["{}"], {}, {"callbacks": [EVIL], "errbacks": [EVIL], "chain": [EVIL], "chord": None}]

BODIES: dict[str, str | bytes] = {
    "a Celery task with callbacks": json.dumps(CELERY),
    "a number": "5",
    "a text": '"result"',
    "a list": "[]",
    "nothing": "",
    "an empty object": "{}",
    "no JSON": "{not json",
    "null": "null",
    "not UTF-8": b'{"type": "\xff\xfe"}',
    "a lone surrogate, escaped": text(detail="x").replace('"x"', '"\\ud800"'),
    "a lone surrogate in the signature": text().replace('"signature": ""', '"signature": "\\udfff"'),
    "NaN": text(pull_ms=1).replace('"pull_ms": 1', '"pull_ms": NaN'),
    "Infinity": text(pull_ms=1).replace('"pull_ms": 1', '"pull_ms": Infinity'),
    "a float too large": text(pull_ms=1).replace('"pull_ms": 1', '"pull_ms": 1e999'),
    "a huge integer": text(run_ms=10**40),
    "a negative time": text(run_ms=-1),
    "a boolean time": text(run_ms=True),
    "deep nesting": "[" * 200_000,
    "deep objects": '{"a":' * 100_000,
    "a forged __type__": json.dumps({"__type__": "bytes", "__value__": "AAAA"}),
    "an unknown type": text(type="evil"),
    "an unknown field": text(evil=1),
    "an unknown outcome": text(outcome="rich"),
    "another version": text(version=2),
    "a job that is a path": text(job="../../etc/passwd"),
    "a job with a line break": text(job=RESULT_OF_NOTHING["job"] + "\n"),
    "attempt 0": text(attempt=0),
    "exit code 256": text(exit_code=256),
    "output that is not base64": text(output="%%%"),
    "output over the limit": text(output="A" * (limits.BODY * 4 // 3 + 8)),
    "a log over the limit": text(log="A" * (limits.LOG * 4 // 3 + 8)),
    "a body over the limit": '"' + "A" * limits.MESSAGE + '"',
    "control characters": text(detail="\x1b[2J"),
    "a NUL": text(detail="\x00"),
    "a NUL in the signature": text(signature="\x00"),
    "a long signature": text(signature="A" * 257),
}
PROPERTIES: dict[str, dict[str, Any]] = {
    "no user": {"user_id": None},
    "another user": {"user_id": "victim"},
    "pickle": {"content_type": "application/x-python-serialize", "content_encoding": "binary"},
    "YAML": {"content_type": "application/x-yaml"},
    "no content type": {"content_type": None},
    "gzip, declared": {"headers": {"compression": "application/x-gzip"}},
    "an unknown compression": {"headers": {"compression": "evil"}},
    "a compression that is a number": {"headers": {"compression": 5}},
    "a wrong routing key": {"routing_key": "celery"},
    "Celery headers": {
        "headers": {"task": "celery.group", "id": "x", "timelimit": [0.001, 0.001], "eta": "2099-01-01"},
        "content_type": "application/data",
    },
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_no_machine_may_send_is_dropped(reader: Reader, machine: Twin, name: str) -> None:
    with nothing_but_what_is_honest_passes(reader, machine):
        machine.send(BODIES[name])


@pytest.mark.parametrize("name", PROPERTIES)
def test_an_envelope_that_no_machine_may_use_is_dropped(reader: Reader, machine: Twin, name: str) -> None:
    properties = dict(PROPERTIES[name])
    with nothing_but_what_is_honest_passes(reader, machine):
        to_inbox(machine, topology.upstream(machine.id), honest(machine), **properties)


def test_a_bomb_is_not_inflated(reader: Reader, machine: Twin) -> None:
    bomb = gzip.compress(b"0" * (64 * 2**20))
    with nothing_but_what_is_honest_passes(reader, machine):
        machine.send(bomb, headers={"compression": "application/x-gzip"}, content_encoding="binary")
        machine.send(bomb, headers={"compression": "gzip"}, content_encoding="binary")


def test_a_pickle_is_not_opened(reader: Reader, machine: Twin) -> None:
    with nothing_but_what_is_honest_passes(reader, machine):
        machine.send(
            pickle.dumps(RESULT_OF_NOTHING),
            content_type="application/x-python-serialize",
            content_encoding="binary",
        )


@pytest.mark.parametrize(
    "exchange", ["", "amq.direct", "cf.up.victim", "cf.internal", "cf.up.PETE", "xcf.up.abcd"]
)
def test_a_message_from_another_exchange_is_dropped(reader: Reader, machine: Twin, exchange: str) -> None:
    with nothing_but_what_is_honest_passes(reader, machine):
        to_inbox(machine, exchange, honest(machine))


def test_an_honest_started_passes_too(reader: Reader, machine: Twin) -> None:
    report = messages.Started(job=RESULT_OF_NOTHING["job"], attempt=1, prepared_ms=0.5)  # type: ignore[arg-type]
    machine.send(report)

    assert reader.next() == (machine.id, report.dump())


def test_a_thousand_damaged_messages_pass_or_are_dropped_and_the_last_honest_one_passes(
    reader: Reader, machine: Twin
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    with current_app.connection_for_write() as link:
        exchange = topology.upstream_exchange(machine.id)
        producer = Producer(link.default_channel, exchange, topology.RESULT_KEY, auto_declare=False)
        for _ in range(1000):
            producer.publish(
                damaged(dice, honest(machine)),
                content_type=dice.choice(["application/json"] * 5 + ["", "application/data", None]),
                content_encoding=dice.choice(["utf-8", "binary", "evil"]),
                headers=dice.choice([{}, {}, {"compression": "gzip"}, {"id": 5}, {"task": None}]),
                user_id=dice.choice([machine.id] * 5 + [None, "victim"]),
            )
    report = messages.Started(job=RESULT_OF_NOTHING["job"], attempt=1, prepared_ms=0.5)  # type: ignore[arg-type]
    machine.send(report)
    while (taken := reader.next()) != (machine.id, report.dump()):
        messages.load_report(taken[1])


def damaged(dice: random.Random, good: str) -> bytes:
    raw = bytearray(good.encode())
    for _ in range(dice.choice([0, 1, 1, 3, 30])):
        at = dice.randrange(len(raw))
        match dice.randrange(4):
            case 0:
                raw[at] = dice.randrange(256)
            case 1:
                del raw[at : at + dice.randrange(1, 20)]
            case 2:
                raw[at:at] = dice.choice([b"\x00", b"{", b"[", b'"', b"\\ud800", b"NaN", b"1e999", b"-"])
            case 3:
                raw[at:at] = dice.randbytes(dice.randrange(1, 50))
        if not raw:
            break
    return bytes(raw)


# --- when the house is not in order ------------------------------------------------------------------------


def test_a_result_is_kept_while_the_internal_queue_is_away(
    reader: Reader, machine: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    def away_twice(machine: str, seen_ms: float, text: str) -> None:
        tries.append(text)
        if len(tries) < 3:
            raise OperationalError("the queue is full")
        reader.taken.append((machine, text))

    monkeypatch.setattr(dispatch, "record_result", away_twice)
    machine.send(honest(machine))

    assert reader.next() == (machine.id, honest(machine))
    assert len(tries) == 3


def test_it_goes_on_while_the_database_is_away(
    reader: Reader, machine: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def away() -> list[str]:
        asked.set()
        raise DatabaseAway("the server closed the connection unexpectedly")

    monkeypatch.setattr(reader.ingress, "_machines", away)
    reader.ingress._refreshed = 0.0
    assert asked.wait(5)

    machine.send(honest(machine))
    assert reader.next() == (machine.id, honest(machine))


def test_it_hears_machines_that_come_and_no_more_those_that_left(
    reader: Reader, world: World, machine: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingress, "REFRESH_S", 0.0)
    newcomer = world.machine(world.eve, "newcomer")
    newcomer.send(honest(newcomer))
    assert reader.next()[0] == newcomer.id

    from chainfaas import machines

    machines.leave(newcomer.row)
    wait_until(lambda: newcomer.id not in reader.ingress._known)
    machine.send(honest(machine))
    assert reader.next()[0] == machine.id


def test_what_it_takes_reaches_the_job(world: World, machine: Twin) -> None:
    job = world.placed()
    run = machine.next()
    machine.start(run)
    world.pump()
    world.later(1)
    machine.end(run, Ended(output=b'{"__type__": "bytes", "__value__": "AAAA"}', run_ms=100))
    world.pump()

    assert bytes(Job.objects.get(id=job.id).output.body) == b'{"__type__": "bytes", "__value__": "AAAA"}'
    world.check_books()


def wait_until(so: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not so():
        assert time.monotonic() < end
        time.sleep(0.002)


def to_inbox(machine: Twin, exchange: str, body: str | bytes, **properties: Any) -> None:
    """Whatever delivery information, straight into the machine's inbox: more than a broker would let pass."""
    envelope: dict[str, Any] = {
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "user_id": machine.id,
        "headers": {},
    }
    envelope |= properties
    key = envelope.pop("routing_key", topology.RESULT_KEY)
    with current_app.connection_for_write() as link:
        channel = link.default_channel
        producer = Producer(channel, Exchange("", no_declare=True), auto_declare=False)
        message = producer.channel.prepare_message(
            body, None, envelope["content_type"], envelope["content_encoding"], envelope["headers"], {}
        )
        channel._inplace_augment_message(message, exchange, key)
        message["properties"]["user_id"] = envelope["user_id"]
        channel._put(topology.inbox(machine.id), message)
