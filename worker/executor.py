"""The story of one attempt on a machine, from the task's text to the delivered report."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import structlog

from chaincode.receipt import Signer
from tasks import messages, names
from tasks.messages import Outcome, Result, Run
from worker import reports
from worker.config import Config
from worker.journal import Journal
from worker.outbox import Outbox
from worker.runtime import ImageUnavailable, Runtime, RuntimeBroken
from worker.settle import Settler

log = structlog.get_logger()

CANCELS_KEPT = 1000
"""How many cancelled attempts are remembered in case that their task comes later."""


class Executor:
    """Runs what one machine is told to run; `accept` is called from as many threads as it has slots."""

    def __init__(
        self,
        config: Config,
        *,
        runtime: Runtime,
        journal: Journal,
        outbox: Outbox,
        settler: Settler,
        identity: Signer,
    ) -> None:
        self._config = config
        self._runtime = runtime
        self._journal = journal
        self._outbox = outbox
        self._settler = settler
        self._identity = identity
        self._here: set[str] = set()
        self._cancelled: dict[str, None] = {}
        self._lock = threading.Lock()

    def accept(self, text: object) -> None:
        """See a task through until the broker has its result. May be repeated: the function runs once.

        Raises Undelivered if the program stops first; the result is on disk then, and sent when the task
        comes again.
        """
        arrived = time.monotonic()
        task = self._read(text)
        if task is None:
            return
        with self._alone(_id(task)) as alone:
            if alone:
                result = self._remembered(task) or self._kept(self._attempt(task, arrived))
                self._settler.watch(result)  # first, or one that was sent could be forgotten
                self._outbox.send(result).result()
            else:
                log.info("task.duplicate", job=task.job, attempt=task.attempt)

    def cancel(self, task_id: str) -> None:
        """Stop an attempt, or do not begin it. May be repeated, and may come before the task."""
        with self._lock:
            self._cancelled[task_id] = None
            if len(self._cancelled) > CANCELS_KEPT:
                del self._cancelled[next(iter(self._cancelled))]  # the oldest
        self._runtime.stop(task_id)

    def _read(self, text: object) -> Run | None:
        """A task that cannot be read is dropped: it would be no better the next time."""
        try:
            if not isinstance(text, str):
                raise messages.Malformed("a task's argument is not a text")
            return Run.load(text)
        except messages.Malformed as error:
            log.warning("task.malformed", machine=self._config.machine, error=str(error)[:200])
            return None

    def _remembered(self, task: Run) -> Result | None:
        """What came of an earlier delivery of the same task."""
        if result := self._journal.result(_id(task)):
            log.info("job.resent", job=task.job, attempt=task.attempt)
            return result
        if self._journal.started(_id(task)):
            return self._kept(reports.not_run(task, Outcome.LOST, "the machine stopped while it ran"))
        return None

    def _attempt(self, task: Run, arrived: float) -> Result:
        try:
            return self._run(task, arrived)
        except ImageUnavailable as error:
            return reports.not_run(task, Outcome.IMAGE_UNAVAILABLE, str(error))
        except RuntimeBroken as error:
            return reports.not_run(task, Outcome.RUNTIME_BROKEN, str(error))
        except Exception as error:  # told, or the controller would wait until the attempt's lease is over
            log.exception("job.broke", job=task.job, attempt=task.attempt)
            return reports.not_run(task, Outcome.RUNTIME_BROKEN, type(error).__name__)

    def _run(self, task: Run, arrived: float) -> Result:
        if why := reports.misfit(task, self._config):
            return reports.not_run(task, Outcome.REFUSED, why)
        pull_ms = self._runtime.prepare(task.image)
        if self._is_cancelled(_id(task)):
            finished = reports.NOT_BEGUN
        else:
            self._journal.start(_id(task))
            finished = self._runtime.run(task, partial(self._started, task, arrived))
        return reports.ended(
            task, finished, pull_ms=pull_ms, channel=self._config.channel, signer=self._identity
        )

    def _started(self, task: Run, arrived: float) -> None:
        prepared_ms = (time.monotonic() - arrived) * 1000
        self._outbox.send(messages.Started(task.job, task.attempt, prepared_ms))
        log.info("job.started", job=task.job, attempt=task.attempt, image=task.image[:200])
        # A cancel that came after the last look and before the start found nothing to stop.
        if self._is_cancelled(_id(task)):
            self._runtime.stop(_id(task))

    def _kept(self, result: Result) -> Result:
        log.info(
            "job.ended",
            job=result.job,
            attempt=result.attempt,
            outcome=result.outcome.value,
            exit_code=result.exit_code,
            run_ms=result.run_ms,
            detail=result.detail,
        )
        try:
            self._journal.keep(result)
        except OSError as error:  # a full disk is no reason to keep the result from its owner
            log.error("journal.failed", job=result.job, error=error.strerror)
        return result

    def _is_cancelled(self, task_id: str) -> bool:
        with self._lock:
            return task_id in self._cancelled

    @contextmanager
    def _alone(self, task_id: str) -> Iterator[bool]:
        """Whether no other delivery of the same task is being worked on right now."""
        with self._lock:
            alone = task_id not in self._here
            self._here.add(task_id)
        try:
            yield alone
        finally:
            if alone:
                with self._lock:
                    self._here.discard(task_id)


def _id(task: Run) -> str:
    return names.task_id(task.job, task.attempt)
