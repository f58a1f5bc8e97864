"""The provider's Celery task. Its body is the executor's; here is only which machine it came to."""

from __future__ import annotations

from celery import Task, shared_task
from celery.exceptions import Reject

from tasks import names, topology
from worker.executor import Executor
from worker.outbox import Undelivered

_executors: dict[str, Executor] = {}


def host(machine: str, executor: Executor) -> None:
    """Let this process run the machine's tasks. Several machines may live in one process."""
    _executors[topology.task_queue(machine)] = executor


def leave(machine: str) -> None:
    """The machine's tasks go back to its queue."""
    _executors.pop(topology.task_queue(machine), None)


@shared_task(bind=True, name=names.RUN, acks_late=True, ignore_result=True)
def run(self: Task[[object], None], text: object) -> None:
    # The queue tells the machine. `self.request.hostname` does not: Celery keeps one for the whole process,
    # that of the worker which was started last (celery.app.trace._localized).
    delivery = self.request.delivery_info or {}
    executor = _executors.get(delivery.get("routing_key") or "")
    if executor is None:
        raise Reject("the machine is gone", requeue=True)
    try:
        executor.accept(text)
    except Undelivered as error:
        raise Reject(error, requeue=True) from error
