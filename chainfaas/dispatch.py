"""The only sender of tasks and of commands to machines. Names and plain values only, never rows."""

from __future__ import annotations

from typing import Any

from celery import current_app
from kombu import Producer

from chainfaas.models import Job
from tasks import messages, names, topology


def run(job: Job) -> None:
    """Send this attempt to its machine's queue. May be repeated: the machine runs an attempt once.
    Raises kombu's OperationalError if the broker is away or the queue is full."""
    message = messages.Run(
        job=job.key,
        attempt=job.attempt,
        image=job.image,
        memory_mb=job.memory_mb,
        cpus=job.cpus,
        timeout_s=job.timeout_s,
        env=job.env,
        network=job.network,
        input=bytes(job.input.body),
    )
    assert job.machine_id is not None  # noqa: S101 - a recorded job has one
    _send(
        names.RUN,
        message.dump(),
        task_id=job.task_id,
        queue=topology.existing(topology.task_queue(job.machine_id)),
        mandatory=True,  # else a publish to a queue that is gone is confirmed, and lost
    )


def cancel(job: Job) -> None:
    """Tell the machine to stop this attempt, or not to begin it."""
    assert job.machine_id is not None  # noqa: S101 - a placed job has one
    command = messages.Cancel(job=job.key, attempt=job.attempt)
    with current_app.connection_for_write() as connection:
        Producer(connection.default_channel, auto_declare=False).publish(
            command.dump(),
            exchange="",
            routing_key=topology.control_queue(job.machine_id),
            content_type="application/json",
            content_encoding="utf-8",
        )


def place(job: str) -> None:
    """Have a worker find a machine for the job."""
    _send(names.PLACE, job)


def record_result(machine: str, seen_ms: float, text: str, **options: Any) -> None:
    """Hand what a machine reported to the controller, as text: nothing here has looked into it yet."""
    _send(names.RECORD_RESULT, machine, seen_ms, text, **options)


def confirm_received(job: str) -> None:
    """Have the ledger worker confirm and pay the job."""
    _send(names.CONFIRM_RECEIVED, job)


def _send(name: str, *args: object, **options: Any) -> None:
    # Without argsrepr Celery puts the beginning of the arguments, somebody's data, into a header.
    current_app.send_task(name, args, ignore_result=True, argsrepr="", kwargsrepr="", **options)
