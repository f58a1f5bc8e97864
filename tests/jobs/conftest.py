"""The platform without threads (world.py), and its cast."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chainfaas.celery import app
from chainfaas.jobs import recovery
from chainfaas.ledger import connection
from chainfaas.ledger import jobs as ledger_jobs
from tests.cast import Person
from tests.jobs.world import Twin, World


@pytest.fixture
def world(dora: Person, pete: Person, eve: Person) -> Iterator[World]:
    for batches in (ledger_jobs._creates, ledger_jobs._finishes):
        batches.cache_clear()
    recovery._BrokerSeen.since, recovery._BrokerSeen.last = None, 0.0
    with app.connection_for_write() as link:
        for queue in app.conf.task_queues:
            queue.bind(link.default_channel).declare()
            link.default_channel._purge(queue.name)
    world = World(app, dora, pete, eve)
    yield world
    for twin in world.twins:
        twin.disconnect()
    connection.close()


@pytest.fixture
def machine(world: World) -> Twin:
    """Pete's machine, connected."""
    return world.machine()
