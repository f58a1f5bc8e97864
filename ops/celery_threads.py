"""Celery workers and beat as threads of this process, one worker a queue.

One app serves all: a second app's worker in one process receives tasks and never runs them.
"""

from __future__ import annotations

import threading
from typing import Any

from celery import Celery
from celery.beat import EmbeddedService
from celery.signals import worker_ready

from tasks import topology

START_S = 30


class QueueWorker:
    """A Celery worker of one of the controller's own queues."""

    def __init__(self, app: Celery, queue: str, threads: int) -> None:
        self._hostname = f"{queue.replace('.', '-')}@cf"
        self._ready = threading.Event()
        self._worker = app.Worker(
            queues=[queue],
            pool="threads",
            concurrency=threads,
            hostname=self._hostname,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            task_events=False,
            quiet=True,
            loglevel="WARNING",
        )
        self._thread = threading.Thread(target=self._worker.start, name=self._hostname, daemon=True)

    def start(self) -> None:
        """Return when it consumes its queue. Workers are started one after another: Celery's start-up is not
        made for two at once."""
        worker_ready.connect(self._on_ready)
        self._thread.start()
        if not self._ready.wait(START_S):
            raise RuntimeError(f"the worker of {self._hostname} did not start within {START_S} s")
        worker_ready.disconnect(self._on_ready)

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _on_ready(self, sender: Any, **_: Any) -> None:
        if sender.hostname == self._hostname:
            self._ready.set()


class Controller:
    """The controller's workers and the clock that orders sweeps."""

    # The ledger's calls are gathered into batches, so many may wait; the database has one writer anyway.
    THREADS = {topology.INTERNAL: 1, topology.CONTROLLER: 4, topology.LEDGER: 16}

    def __init__(self, app: Celery) -> None:
        self._workers = [QueueWorker(app, queue, threads) for queue, threads in self.THREADS.items()]
        self._beat = EmbeddedService(app, thread=True)

    def start(self) -> None:
        for worker in self._workers:
            worker.start()
        self._beat.daemon = True
        self._beat.start()

    def join(self, timeout_s: float) -> None:
        """Wait for the workers to end, once Celery was told to stop."""
        for worker in self._workers:
            worker.join(timeout_s)
