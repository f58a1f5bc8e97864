"""Takes in what machines send. No Celery worker ever reads a provider's message: one that is malformed stops
the worker, and one that is forged makes it run tasks (docs/adr/0004-no-celery-worker-reads-a-provider.md).

This is a plain kombu consumer of every machine's inbox. It believes the exchange that a message came from,
which only that machine may write to, and hands the text on, unread, as an internal task.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import kombu.compression
import structlog
from celery import Celery
from django.db import Error as DatabaseError
from django.db import close_old_connections
from kombu import Consumer
from kombu.exceptions import OperationalError
from kombu.mixins import ConsumerMixin

from chainfaas import dispatch
from chainfaas.models import Machine
from tasks import limits, messages, topology

log = structlog.get_logger()

# kombu inflates a message before anybody can look at it: 400 KB on the wire become a gigabyte.
kombu.compression._decoders.clear()  # type: ignore[attr-defined] # there is no public way

PREFETCH = 4
"""Messages taken ahead of each inbox: the same for every machine, so that none can crowd the others out."""
REFRESH_S = 1.0


class Refused(ValueError):
    """A message is not what a machine may send. It is dropped."""


def accept(message: Any) -> tuple[str, str]:
    """The machine that sent a message and its text. Raises Refused.

    `delivery_info` and `user_id` are the broker's word; body and headers are the sender's."""
    machine = topology.sender(str(message.delivery_info.get("exchange", "")))
    if machine is None or message.delivery_info.get("routing_key") != topology.RESULT_KEY:
        raise Refused("it did not come through a machine's exchange")
    if message.properties.get("user_id") != machine:
        raise Refused("its user_id is not its sender's")
    if message.content_type != "application/json" or "compression" in (message.headers or {}):
        raise Refused("it is not plain JSON")
    if len(message.body) > limits.MESSAGE:
        raise Refused("it is over the limit")
    try:
        text = message.body if isinstance(message.body, str) else bytes(message.body).decode()
        messages.load_report(text)
    except (UnicodeDecodeError, messages.Malformed) as error:
        raise Refused(str(error)) from error
    return machine, text


class Ingress(ConsumerMixin):
    """Consumes the inboxes of all machines that have not left, until told to stop."""

    def __init__(self, app: Celery, machines: Callable[[], Iterable[str]] | None = None) -> None:
        self.connection = app.connection_for_read()
        self.ready = threading.Event()
        self._app = app
        self._machines = machines or _present
        self._known: set[str] = set()
        self._refreshed = 0.0
        self._consumer: Consumer | None = None

    def get_consumers(self, _: Any, channel: Any) -> list[Consumer]:
        self._known = set()
        self._consumer = Consumer(
            channel,
            [],
            on_message=self._take,
            on_decode_error=self._drop,  # a compressed one; without this it would end the loop
            accept=["json"],
            prefetch_count=PREFETCH,
            auto_declare=False,
        )
        return [self._consumer]

    def on_consume_ready(self, *_: Any, **__: Any) -> None:
        self._refresh()
        self.ready.set()

    def on_iteration(self) -> None:
        if time.monotonic() - self._refreshed > REFRESH_S:
            self._refresh()

    def stop(self) -> None:
        """End the loop of run() within a second."""
        self.should_stop = True

    def _refresh(self) -> None:
        assert self._consumer is not None  # noqa: S101 - get_consumers comes first
        self._refreshed = time.monotonic()
        try:
            present = set(self._machines())
        except DatabaseError as error:  # nobody left or came, as far as is known
            log.warning("database.away", why=str(error))
            return
        for machine in present - self._known:
            self._consumer.add_queue(topology.existing(topology.inbox(machine)))
        for machine in self._known - present:
            self._consumer.cancel_by_queue(topology.inbox(machine))
        self._consumer.consume()
        self._known = present

    def _take(self, message: Any) -> None:
        seen_ms = time.time() * 1000
        try:
            machine, text = accept(message)
        except Refused as error:
            self._drop(message, error)
            return
        try:
            dispatch.record_result(machine, seen_ms, text)
        except OperationalError:
            message.requeue()  # the internal queue did not take it: keep the result
        else:
            message.ack()

    def _drop(self, message: Any, error: Exception) -> None:
        log.warning("message.refused", exchange=message.delivery_info.get("exchange"), why=str(error)[:200])
        message.ack()


def _present() -> list[str]:
    close_old_connections()
    return list(Machine.objects.filter(left_at=None).values_list("id", flat=True))
