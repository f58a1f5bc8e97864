"""The controller's side of the broker, as little as a machine needs: queues, tasks, cancels, an inbox."""

from __future__ import annotations

import time
from pathlib import Path

from celery import Celery
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from kombu import Exchange, Message, Producer, Queue

from chaincode.identity import Identity
from tasks import messages, names, topology
from tasks.messages import Result, Run
from worker.config import Config


def make_app() -> Celery:
    """One a process, as in the product."""
    app = Celery("tests", broker="memory://", set_as_current=False, fixups=[])
    app.conf.update(
        accept_content=["json"],
        broker_transport="tests.worker.moody:Transport",
        broker_transport_options={"polling_interval": 0.005},
        task_create_missing_queues=False,
        task_ignore_result=True,
        worker_enable_remote_control=False,
    )
    return app


def make_config(machine: str, folder: Path, identity: Identity, **others: object) -> Config:
    """A machine of 256 MiB and two slots, its key and certificate on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    key, certificate = folder / "machine.key.pem", folder / "machine.pem"
    key.write_bytes(identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate.write_text(identity.certificate)
    fields: dict[str, object] = {"slots": 2, "memory_mb": 256, "channel": "testing"}
    return Config(machine, folder, key, certificate, **(fields | others))  # type: ignore[arg-type]


class Controller:
    """Talks to machines through raw messages; every read waits ten seconds at most."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._channel = app.connection_for_write().default_channel
        self._enrolled: set[str] = set()
        self.seen: list[Message] = []

    def enrol(self, machine: str) -> None:
        exchange = Exchange(topology.upstream(machine), type="topic")
        for queue in (
            Queue(topology.task_queue(machine)),
            Queue(topology.control_queue(machine)),
            Queue(topology.inbox(machine), exchange, routing_key=topology.RESULT_KEY),
        ):
            queue.bind(self._channel).declare()
            if machine not in self._enrolled:
                self._channel.queue_purge(queue.name)  # the transport outlives a test
        self._enrolled.add(machine)

    def send(self, machine: str, task: Run | object) -> None:
        text = task.dump() if isinstance(task, Run) else task
        queue = topology.existing(topology.task_queue(machine))
        self._app.send_task(names.RUN, (text,), queue=queue, argsrepr="")

    def cancel(self, machine: str, task: Run) -> None:
        self.control(machine, messages.Cancel(task.job, task.attempt).dump())

    def control(self, machine: str, body: str | bytes) -> None:
        Producer(self._channel).publish(
            body,
            exchange="",
            routing_key=topology.control_queue(machine),
            content_type="application/json",
            content_encoding="utf-8",
        )

    def report(self, machine: str, timeout_s: float = 10) -> messages.Report:
        """The next thing that the machine reports. Raises AssertionError if there is none."""
        inbox = topology.existing(topology.inbox(machine)).bind(self._channel)
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if message := inbox.get(no_ack=True):
                self.seen.append(message)
                return messages.load_report(bytes(message.body).decode())
            time.sleep(0.002)
        raise AssertionError(f"{machine} reported nothing")

    def result(self, machine: str) -> Result:
        """The next result; what is reported before it is skipped."""
        while not isinstance(report := self.report(machine), Result):
            pass
        return report

    def waiting(self, machine: str) -> int:
        """How many tasks are in the machine's queue."""
        return int(self._channel._size(topology.task_queue(machine)))
