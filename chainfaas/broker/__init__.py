"""Queues and rights of each machine on the broker, and which machines are connected.

`connect(url)` picks the adapter: `memory://` is kombu's transport within this process.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol
from urllib.parse import urlsplit

from chainfaas.errors import ChainFaaSError


@dataclass(frozen=True)
class Credentials:
    """How a machine reaches the broker. Shown once."""

    url: str  #: with the machine's own user and password
    task_queue: str
    control_queue: str
    upstream: str


class Broker(Protocol):
    """Provisioning may be repeated: what is there already is left as it is."""

    durable: bool  #: whether messages outlive this process
    remote: bool  #: whether machines elsewhere can reach it

    def enrol(self, machine: str) -> Credentials:
        """Make the machine's queues, its exchange and its user."""
        ...

    def remove(self, machine: str) -> None:
        """Take them away and close the machine's connections."""
        ...

    def connected(self) -> set[str]:
        """The machines whose task queue has a consumer: the broker's word, not theirs.
        Raises kombu's OperationalError while the broker is away."""
        ...


@lru_cache(maxsize=1)
def connect(url: str) -> Broker:
    """The broker behind an URL."""
    from chainfaas.broker.memory import MemoryBroker

    scheme = urlsplit(url).scheme
    if scheme == "memory":
        return MemoryBroker()
    raise ChainFaaSError(f"BROKER_URL with {scheme}:// is not supported: use memory://")
