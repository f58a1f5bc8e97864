"""Sends reports to the machine's own exchange, in order, for as long as it takes.

One thread and one connection: a function's start is reported without holding up the function, and no report
overtakes another. Nothing is declared, since a machine has no right to.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from contextlib import suppress
from itertools import chain, repeat

import structlog
from celery import Celery
from kombu import Connection, Producer
from kombu.exceptions import OperationalError

from tasks import topology
from tasks.messages import Report

log = structlog.get_logger()

PAUSES_S = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Before trying again; the last one is repeated until the program stops."""


class Undelivered(Exception):
    """The program stops before the broker took the report."""


class Outbox:
    """`start` first; after `stop` nothing is sent."""

    def __init__(self, app: Celery, machine: str) -> None:
        self._machine = machine
        self._waiting: queue.SimpleQueue[tuple[Report, Future[None]] | None] = queue.SimpleQueue()
        self._hurried = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"outbox-{machine}", daemon=True)
        self._connection: Connection = app.connection_for_write()  # connects when it is first needed
        self._troubles: tuple[type[BaseException], ...] = (
            OperationalError,
            OSError,
            *self._connection.connection_errors,
            *self._connection.channel_errors,
        )

    def start(self) -> None:
        self._thread.start()

    def hurry(self) -> None:
        """From now on try each report once."""
        self._hurried.set()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Send what can be sent at once; the rest fails with Undelivered."""
        self.hurry()
        self._waiting.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def send(self, report: Report) -> Future[None]:
        """Put a report in line. The future is done when the broker has it, or fails with Undelivered."""
        future: Future[None] = Future()
        self._waiting.put((report, future))
        return future

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            report, future = item
            try:
                self._deliver(report)
            except Exception as error:  # noqa: BLE001 - whoever waits is told; the thread must live on
                future.set_exception(error)
            else:
                future.set_result(None)
        self._disconnect()

    def _deliver(self, report: Report) -> None:
        for pause in chain(PAUSES_S, repeat(PAUSES_S[-1])):
            try:
                return self._publish(report)
            except self._troubles as error:
                self._disconnect()
                log.warning("report.delayed", job=report.job, error=type(error).__name__, again_in_s=pause)
            if self._hurried.wait(pause):
                break
        raise Undelivered(f"attempt {report.attempt} of job {report.job}")

    def _publish(self, report: Report) -> None:
        # Try once: the pauses are ours, and default_channel by itself would try for ever.
        self._connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        Producer(
            self._connection.default_channel,
            topology.upstream_exchange(self._machine),
            routing_key=topology.RESULT_KEY,
            auto_declare=False,
        ).publish(
            report.dump(),
            content_type="application/json",
            content_encoding="utf-8",
            delivery_mode=2,
            user_id=self._machine,  # checked by the broker: it must be who is connected
        )

    def _disconnect(self) -> None:
        """Without a farewell, which would wait for an answer of a broker that may be gone."""
        with suppress(*self._troubles):
            self._connection.collect(socket_timeout=1.0)
