"""Listens on the machine's control queue. Celery's own remote control needs rights that no machine has."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import structlog
from celery import Celery
from kombu import Connection, Consumer, Message
from kombu.mixins import ConsumerMixin

from tasks import messages, names, topology

log = structlog.get_logger()

LOOK_S = 0.2
"""How often it looks whether to stop."""
STOP_S = 3.0


class Control(ConsumerMixin):
    """Calls `cancel`, in its own thread, with the task id of each attempt that shall stop."""

    def __init__(self, app: Celery, machine: str, cancel: Callable[[str], None]) -> None:
        self.connection: Connection = app.connection_for_read()
        self._queue = topology.existing(topology.control_queue(machine))
        self._machine = machine
        self._cancel = cancel
        self._ready = threading.Event()
        self._thread = threading.Thread(
            target=self.run,
            kwargs={"safety_interval": LOOK_S},
            name=f"control-{machine}",
            daemon=True,
        )

    def start(self, timeout_s: float | None = None) -> bool:
        """Begin to listen; whether it does after `timeout_s` seconds (None: however long it takes)."""
        self._thread.start()
        return self._ready.wait(timeout_s)

    def stop(self) -> None:
        """Returns when no more messages are taken, or when the broker does not let go in time."""
        self.should_stop = True
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def get_consumers(self, consumer: Callable[..., Consumer], channel: Any) -> list[Consumer]:
        return [consumer([self._queue], on_message=self._on_message, accept=["json"])]

    def on_consume_ready(self, connection: Any, channel: Any, consumers: Any, **kwargs: Any) -> None:
        self._ready.set()

    def on_connection_error(self, exc: Exception, interval: float) -> None:
        log.warning("control.disconnected", machine=self._machine, error=type(exc).__name__)

    def _on_message(self, message: Message) -> None:
        try:
            cancel = messages.Cancel.load(_text(message))
        except messages.Malformed as error:
            log.warning("control.malformed", machine=self._machine, error=str(error)[:200])
        else:
            log.info("job.cancel", job=cancel.job, attempt=cancel.attempt)
            self._cancel(names.task_id(cancel.job, cancel.attempt))
        message.ack()


def _text(message: Message) -> str:
    try:
        return message.body if isinstance(message.body, str) else bytes(message.body or b"").decode()
    except (TypeError, UnicodeError) as error:
        raise messages.Malformed("not a text") from error
