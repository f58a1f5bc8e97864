"""A provider's machine in operation: its Celery worker, its control listener, its outbox, its settler.

The embedded process hosts several, one after another started; a provider's own program hosts one.
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import Any

import structlog
from celery import Celery
from celery.app import trace
from celery.worker import WorkController

from chaincode.identity import Identity
from tasks import topology
from worker import runtime as runtimes
from worker import tasks
from worker.config import Config
from worker.control import Control
from worker.executor import Executor
from worker.journal import Journal
from worker.outbox import Outbox
from worker.runtime import Runtime
from worker.settle import Settler

log = structlog.get_logger()

DRAIN_S = 10.0
"""How long running functions may still take when the machine stops."""


class AlreadyRunning(Exception):
    """Another program uses this machine's data folder."""


class NotConnected(Exception):
    """The broker was not reached in time."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class Worker(WorkController):
    """Celery's worker without the program around it: no signal handlers, no logging set-up, no banner."""

    hostname: str
    ready: threading.Event

    def on_before_init(self, **kwargs: Any) -> None:
        self.ready = threading.Event()
        trace.setup_worker_optimizations(self.app, self.hostname)

    def on_consumer_ready(self, consumer: Any) -> None:
        self.ready.set()


class Provider:
    """One machine, for one life: `start` once, then `stop`."""

    def __init__(self, config: Config, app: Celery, *, runtime: Runtime | None = None) -> None:
        """The app is the process's only one. Another runtime than the configured one is for tests.

        Raises ValueError if the configuration does not fit together, Refused if key and certificate do not.
        """
        self._config = config
        self._app = app
        self._runtime = runtime or runtimes.connect(config)
        identity = Identity.load(config.msp, config.certificate.read_text(), config.key.read_text())
        self._outbox = Outbox(app, config.machine)
        self._settler = Settler(config, identity)
        self._executor = Executor(
            config,
            runtime=self._runtime,
            journal=Journal(config.data / "journal"),
            outbox=self._outbox,
            settler=self._settler,
            identity=identity,
        )
        self._control = Control(app, config.machine, self._executor.cancel)
        self._worker: Worker | None = None
        self._thread: threading.Thread | None = None
        self._held: int | None = None

    @property
    def alive(self) -> bool:
        """Whether it takes tasks. It stops by itself only if the broker threw it out."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, timeout_s: float | None = 30.0) -> None:
        """Clean up behind an earlier life, then take tasks. Several machines: one after another.

        Raises AlreadyRunning, or NotConnected if the broker is not there within the time (None: waits).
        """
        self._held = _hold(self._config.data / "lock")
        try:
            self._runtime.reap()
            self._outbox.start()
            self._settler.start()
            tasks.host(self._config.machine, self._executor)
            if not (self._control.start(timeout_s) and self._start_worker(timeout_s)):
                raise NotConnected
        except BaseException:  # half a machine would take cancels and never act on them
            self.stop(drain_s=0)
            raise
        log.info("provider.ready", machine=self._config.machine, slots=self._config.slots)

    def stop(self, drain_s: float = DRAIN_S) -> None:
        """Take no more tasks, give running functions `drain_s` seconds to end, end them, send all results.

        May be repeated.
        """
        out_of_time = threading.Timer(drain_s, self._give_up)
        out_of_time.start()
        if self._worker is not None:
            self._worker.stop()  # returns when no function runs any more
        out_of_time.cancel()
        self._control.stop()
        self._runtime.close()
        self._outbox.stop()
        self._settler.stop()
        tasks.leave(self._config.machine)
        held, self._held = self._held, None
        if held is not None:
            os.close(held)
            log.info("provider.stopped", machine=self._config.machine)

    def _start_worker(self, timeout_s: float | None) -> bool:
        queue = topology.existing(topology.task_queue(self._config.machine))
        self._app.amqp.queues.add(queue)
        self._worker = Worker(
            app=self._app,
            hostname=topology.hostname(self._config.machine),
            queues=[queue.name],
            pool="threads",
            concurrency=self._config.slots,
            prefetch_multiplier=1,
            task_events=False,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        self._thread = threading.Thread(
            target=self._worker.start, name=f"worker-{self._config.machine}", daemon=True
        )
        self._thread.start()
        return self._worker.ready.wait(timeout_s)

    def _give_up(self) -> None:
        self._runtime.close()
        self._outbox.hurry()


def _hold(path: Path) -> int:
    """Keep other programs off this machine's folder. The kernel lets go when this one dies."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AlreadyRunning(f"another program uses {path.parent}") from None
    return descriptor
