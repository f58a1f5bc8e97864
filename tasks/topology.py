"""Queues and exchanges, by name. Who may touch which is the broker's policy (chainfaas/broker).

    controller ──cf.q.<machine>────▶ machine ──cf.up.<machine>──▶ cf.in.<machine> ──▶ ingress
               ──cf.ctl.<machine>──▶                             controller ◀──cf.internal──┘

Whoever wrote to the exchange cf.up.<machine> is that machine: only its broker user has the right.
"""

import re

from kombu import Exchange, Queue

MACHINE_ID = re.compile(r"[a-z0-9]{4,32}")
"""A machine's id stands in queue names and in the broker's permission patterns."""

RESULT_KEY = "result"
"""Routing key of everything that a machine reports about jobs."""

INTERNAL = "cf.internal"
"""Carries `record_result` only: the ingress may write here, and the ingress reads what providers send."""
CONTROLLER = "cf.controller"
LEDGER = "cf.ledger"

WAITING_PER_SLOT = 4
"""Jobs that a machine has at once, running and queued, for each of its slots."""

_UPSTREAM = re.compile(rf"cf\.up\.({MACHINE_ID.pattern})")


def task_queue(machine: str) -> str:
    """The machine's Celery queue."""
    return f"cf.q.{machine}"


def control_queue(machine: str) -> str:
    """Where the controller tells a machine to stop a job."""
    return f"cf.ctl.{machine}"


def inbox(machine: str) -> str:
    """What the machine reported and the ingress has not yet read."""
    return f"cf.in.{machine}"


def upstream(machine: str) -> str:
    """The exchange to which only this machine may publish."""
    return f"cf.up.{machine}"


def sender(exchange: str) -> str | None:
    """The machine that a message came from, by the exchange that the broker delivered it from."""
    match = _UPSTREAM.fullmatch(exchange)
    return match[1] if match else None


def hostname(machine: str) -> str:
    """The name of the machine's Celery worker."""
    return f"{machine}@cf"


def existing(name: str) -> Queue:
    """A queue that provisioning made; declaring it again with other arguments would be refused."""
    return Queue(name, no_declare=True)


def upstream_exchange(machine: str) -> Exchange:
    """The machine's own exchange, as provisioning made it."""
    return Exchange(upstream(machine), type="topic", no_declare=True)
