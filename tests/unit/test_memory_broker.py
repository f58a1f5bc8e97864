"""The embedded broker's own: who waits for a message is woken, not polling."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection, Consumer, Producer

from chainfaas.celery import app
from tasks import topology


@pytest.fixture
def link() -> Iterator[Connection]:
    with app.connection_for_read() as opened:
        yield opened


@pytest.fixture
def queue(link: Connection) -> Iterator[str]:
    name = f"test.{secrets.token_hex(4)}"
    link.default_channel.queue_declare(name)
    yield name
    link.default_channel.queue_delete(name)


def send(queue: str, body: str = "x") -> None:
    with app.connection_for_write() as link:
        producer = Producer(link.default_channel, auto_declare=False)
        producer.publish(
            body, exchange="", routing_key=queue, content_type="text/plain", content_encoding="utf-8"
        )


def consume(link: Connection, queue: str, on_message: Any, prefetch: int = 0) -> Consumer:
    consumer = Consumer(
        link.default_channel,
        [topology.existing(queue)],
        on_message=on_message,
        auto_declare=False,
        prefetch_count=prefetch,
    )
    consumer.consume()
    return consumer


def test_who_waits_is_woken_at_once(link: Connection, queue: str) -> None:
    got: list[float] = []
    consume(link, queue, lambda message: got.append(time.monotonic()))
    for _ in range(5):
        sent: list[float] = []
        timer = threading.Timer(0.02, lambda: (sent.append(time.monotonic()), send(queue)))  # noqa: B023
        timer.start()
        link.drain_events(timeout=5)
        timer.join()
        assert got[-1] - sent[-1] < 0.2, "a nap is 0.25 s"


def test_who_waits_for_another_queue_sleeps_on(link: Connection, queue: str) -> None:
    consume(link, queue, print)
    other = f"{queue}.other"
    link.default_channel.queue_declare(other)
    heard = link.transport.bell.rings

    send(other)
    assert link.transport.bell.rings == heard
    send(queue)
    assert link.transport.bell.rings > heard

    link.default_channel.queue_delete(other)


def test_a_wait_ends_when_it_should(link: Connection, queue: str) -> None:
    consume(link, queue, print)
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        link.drain_events(timeout=0.05)
    assert 0.05 <= time.monotonic() - begun < 2
    with pytest.raises(TimeoutError):
        link.drain_events(timeout=0)


def test_an_acknowledgement_makes_room_for_the_next_message(link: Connection, queue: str) -> None:
    got: list[Any] = []
    consume(link, queue, got.append, prefetch=1)
    send(queue, "one")
    send(queue, "two")
    link.drain_events(timeout=1)
    with pytest.raises(TimeoutError):
        link.drain_events(timeout=0.02)

    threading.Timer(0.02, got[0].ack).start()
    link.drain_events(timeout=5)
    assert [message.body for message in got] == [b"one", b"two"]


def test_what_is_given_back_comes_again(link: Connection, queue: str) -> None:
    got: list[Any] = []
    consume(link, queue, got.append, prefetch=1)
    send(queue)
    link.drain_events(timeout=1)
    got[0].requeue()
    link.drain_events(timeout=1)
    assert got[1].body == b"x"
    got[1].ack()


def test_only_an_empty_queue_is_deleted_if_that_is_asked(link: Connection, queue: str) -> None:
    send(queue)
    link.default_channel.queue_delete(queue, if_empty=True)
    assert link.default_channel.basic_get(queue).body == b"x"
