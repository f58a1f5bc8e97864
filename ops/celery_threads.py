"""Celery workers and beat as threads of this process, one worker a queue.

One app serves all: a second app's worker in one process receives tasks and never runs them.
"""

from __future__ import annotations

import threading
import time

from celery import Celery
from celery.beat import EmbeddedService, Scheduler

from tasks import topology
from worker.provider import Worker

START_S = 30


class QueueWorker:
    """A Celery worker of one of the controller's own queues."""

    def __init__(self, app: Celery, queue: str, threads: int) -> None:
        self._app, self._queue, self._threads = app, queue, threads
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Return when it consumes its queue. Workers are made and started one after another: which queues are
        consumed is a setting of the app, and the next worker changes it."""
        name = f"{self._queue.replace('.', '-')}@cf"
        worker = Worker(
            app=self._app,
            hostname=name,
            queues=[self._queue],
            pool="threads",
            concurrency=self._threads,
            task_events=False,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        self._thread = threading.Thread(target=worker.start, name=name, daemon=True)
        self._thread.start()
        if not worker.ready.wait(START_S):
            raise RuntimeError(f"the worker {name} did not start within {START_S} s")

    def join(self, timeout_s: float) -> None:
        if self._thread is not None:
            self._thread.join(timeout_s)


class Controller:
    """The controller's workers and the clock that orders sweeps."""

    # The ledger's calls are gathered into batches, so many may wait; the database has one writer anyway.
    THREADS = {topology.INTERNAL: 1, topology.CONTROLLER: 4, topology.LEDGER: 16}

    def __init__(self, app: Celery) -> None:
        self._workers = [QueueWorker(app, queue, threads) for queue, threads in self.THREADS.items()]
        # Not the default scheduler, whose file a kill would damage.
        self._beat: threading.Thread = EmbeddedService(app, thread=True, scheduler_cls=Scheduler)  # type: ignore[assignment] # with thread=True

    def start(self) -> None:
        for worker in self._workers:
            worker.start()
        self._beat.daemon = True
        self._beat.start()

    def join(self, timeout_s: float) -> None:
        """Wait for the workers to end, once Celery was told to stop, `timeout_s` for all of them."""
        end = time.monotonic() + timeout_s
        for worker in self._workers:
            worker.join(max(0.0, end - time.monotonic()))
