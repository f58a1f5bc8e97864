"""The embedded broker: kombu's memory transport, with two things that a broker has and it lacks.

It knows how many consumers a queue has, and it wakes them instead of letting them poll.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from queue import Empty
from typing import Any

from celery import current_app
from kombu import Exchange, Queue
from kombu.transport import memory

from chainfaas.broker import Credentials
from tasks import topology

LONGEST_NAP_S = 0.25
"""Whatever event is missed here, a consumer looks again after so long."""


class _Bell:
    """Wakes one connection's consumers when something may have become deliverable to them: a message came
    into one of their queues, or an acknowledgement made room."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rings = 0

    @property
    def rings(self) -> int:
        return self._rings

    def ring(self) -> None:
        with self._condition:
            self._rings += 1
            self._condition.notify_all()

    def wait(self, heard: int, timeout_s: float) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._rings != heard, timeout_s)


_consumers: defaultdict[str, dict[tuple[int, str], _Bell]] = defaultdict(dict)
"""By queue, the channel and tag of each consumer, and what wakes it."""
_counting = threading.Lock()


class Channel(memory.Channel):
    """A channel that knows the consumers of each queue and wakes them, and only them."""

    def __init__(self, transport: Transport, **kwargs: Any) -> None:
        self._consuming: dict[str, str] = {}
        self._bell = transport.bell
        super().__init__(transport, **kwargs)

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        super()._put(queue, message, **kwargs)
        with _counting:
            bells = set(_consumers[queue].values())
        for bell in bells:
            bell.ring()

    def basic_ack(self, *args: Any, **kwargs: Any) -> None:
        super().basic_ack(*args, **kwargs)
        self._bell.ring()

    def basic_consume(  # type: ignore[override] # kombu's own returns nothing either
        self, queue: str, no_ack: bool, callback: Any, consumer_tag: str | None, **kwargs: Any
    ) -> None:
        super().basic_consume(queue, no_ack, callback, consumer_tag, **kwargs)
        with _counting:
            self._consuming[str(consumer_tag)] = queue
            _consumers[queue][id(self), str(consumer_tag)] = self._bell
        self._bell.ring()

    def basic_cancel(self, consumer_tag: str) -> Any:
        self._uncount(consumer_tag)
        return super().basic_cancel(consumer_tag)

    def queue_delete(
        self, queue: str, if_unused: bool = False, if_empty: bool = False, **kwargs: Any
    ) -> None:
        """With its consumers, as a broker does. kombu's own leaves a queue that is bound to no exchange."""
        if if_empty and self._size(queue):
            return
        super().queue_delete(queue, **kwargs)
        self._delete(queue)
        with _counting:
            _consumers.pop(queue, None)

    def close(self) -> None:
        for tag in list(self._consuming):
            self._uncount(tag)
        super().close()

    def _uncount(self, tag: str) -> None:
        with _counting:
            queue = self._consuming.pop(tag, None)
            if queue is not None and queue in _consumers:
                _consumers[queue].pop((id(self), tag), None)


class Transport(memory.Transport):
    """`broker_transport = "chainfaas.broker.memory:Transport"`."""

    Channel = Channel
    default_connection_params: dict[str, Any] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.bell = _Bell()
        super().__init__(*args, **kwargs)

    def drain_events(self, connection: Any, timeout: float | None = None, **_: Any) -> None:
        """Deliver one message, waiting at most `timeout` seconds for it (None: for ever)."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            heard = self.bell.rings
            try:
                self.cycle.get(self._deliver, timeout=timeout)  # type: ignore[union-attr] # set by __init__
                return
            except Empty:
                left = LONGEST_NAP_S if end is None else min(LONGEST_NAP_S, end - time.monotonic())
                if left <= 0:
                    raise TimeoutError from None
                self.bell.wait(heard, left)


class MemoryBroker:
    """Provisioning on the memory transport. Messages die with the process: the job's row is the outbox."""

    durable = False
    remote = False

    def enrol(self, machine: str) -> Credentials:
        exchange = Exchange(topology.upstream(machine), type="topic", durable=False)
        with current_app.connection_for_write() as connection:
            channel = connection.default_channel
            for queue in (
                Queue(topology.task_queue(machine)),
                Queue(topology.control_queue(machine)),
                Queue(topology.inbox(machine), exchange, routing_key=topology.RESULT_KEY),
            ):
                queue.bind(channel).declare()
        return Credentials(
            "memory://",
            topology.task_queue(machine),
            topology.control_queue(machine),
            topology.upstream(machine),
        )

    def remove(self, machine: str) -> None:
        with current_app.connection_for_write() as connection:
            for name in (topology.task_queue, topology.control_queue, topology.inbox):
                Queue(name(machine), channel=connection.default_channel).delete()

    def connected(self) -> set[str]:
        prefix = topology.task_queue("")
        with _counting:
            return {
                queue.removeprefix(prefix)
                for queue, consumers in _consumers.items()
                if consumers and queue.startswith(prefix)
            }
