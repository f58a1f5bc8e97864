"""What every broker does for the platform. Another one joins as a parameter of the fixture `house`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from celery import current_app
from kombu import Connection, Consumer, Producer

from chainfaas import broker as brokers
from chainfaas.broker import Broker, Credentials
from chainfaas.celery import app
from chainfaas.errors import ChainFaaSError
from tasks import topology


@dataclass
class House:
    """A broker, and how a machine reaches it."""

    broker: Broker
    url: str | None  #: None: as the process does by default

    def enter(self, credentials: Credentials) -> Connection:
        return Connection(credentials.url) if self.url else app.connection_for_read()


@pytest.fixture(params=["memory://"])
def house(request: pytest.FixtureRequest) -> House:
    assert current_app.main == app.main
    return House(brokers.connect(request.param), None if request.param == "memory://" else request.param)


@pytest.fixture
def machine(house: House) -> Iterator[str]:
    name = secrets.token_hex(10)
    yield name
    house.broker.remove(name)


def listen(link: Connection, credentials: Credentials, got: list[Any]) -> Consumer:
    queue = topology.existing(credentials.task_queue)
    consumer = Consumer(link.default_channel, [queue], on_message=got.append, auto_declare=False)
    consumer.consume()
    return consumer


def test_a_machine_gets_names_of_its_own(house: House, machine: str) -> None:
    credentials = house.broker.enrol(machine)

    assert credentials.task_queue == topology.task_queue(machine)
    assert credentials.control_queue == topology.control_queue(machine)
    assert credentials.upstream == topology.upstream(machine)


def test_enrolling_twice_keeps_what_waits_in_the_queue(house: House, machine: str) -> None:
    credentials = house.broker.enrol(machine)
    send(credentials.task_queue, "a task")
    house.broker.enrol(machine)

    with house.enter(credentials) as link:
        got: list[Any] = []
        listen(link, credentials, got)
        link.drain_events(timeout=5)
    assert got[0].body == b"a task"


def test_connected_is_who_consumes_its_task_queue(house: House, machine: str) -> None:
    credentials = house.broker.enrol(machine)
    assert machine not in house.broker.connected()

    with house.enter(credentials) as link:
        consumer = listen(link, credentials, [])
        assert machine in house.broker.connected()
        consumer.cancel()
        assert machine not in house.broker.connected()
        consumer.consume()
        assert machine in house.broker.connected()
    assert machine not in house.broker.connected(), "its connection is closed"


def test_a_machine_is_connected_as_long_as_one_of_its_consumers_is(house: House, machine: str) -> None:
    credentials = house.broker.enrol(machine)
    with house.enter(credentials) as one:
        listen(one, credentials, [])
        with house.enter(credentials) as two:
            listen(two, credentials, [])
            listen(two, credentials, [])
        assert machine in house.broker.connected()
    assert machine not in house.broker.connected()


def test_who_listens_to_commands_only_is_not_connected(house: House, machine: str) -> None:
    credentials = house.broker.enrol(machine)
    with house.enter(credentials) as link:
        queue = topology.existing(credentials.control_queue)
        with Consumer(link.default_channel, [queue], on_message=print, auto_declare=False):
            assert machine not in house.broker.connected()


def test_what_a_machine_reports_is_in_its_inbox_with_its_exchange(house: House, machine: str) -> None:
    credentials = house.broker.enrol(machine)
    exchange = topology.upstream_exchange(machine)
    with house.enter(credentials) as link:
        Producer(link.default_channel, exchange, topology.RESULT_KEY, auto_declare=False).publish("done")

    with app.connection_for_read() as link:
        message = link.default_channel.basic_get(topology.inbox(machine), no_ack=True)
    assert message is not None
    assert topology.sender(message.delivery_info["exchange"]) == machine
    assert message.delivery_info["routing_key"] == topology.RESULT_KEY


def test_a_machine_that_is_removed_is_gone_with_its_messages(house: House, machine: str) -> None:
    credentials = house.broker.enrol(machine)
    with house.enter(credentials) as link:
        listen(link, credentials, [])
        house.broker.remove(machine)
        assert machine not in house.broker.connected()
    house.broker.enrol(machine)
    send(credentials.task_queue, "of a former life")
    house.broker.remove(machine)
    house.broker.remove(machine)

    house.broker.enrol(machine)
    with app.connection_for_read() as link:
        assert link.default_channel.basic_get(credentials.task_queue) is None


def test_it_says_whether_messages_outlive_the_process_and_others_can_reach_it(house: House) -> None:
    assert (house.broker.durable, house.broker.remote) == (house.url is not None,) * 2


def test_another_broker_than_the_known_is_refused() -> None:
    with pytest.raises(ChainFaaSError, match="carrier"):
        brokers.connect("carrier-pigeon://roof")


def send(queue: str, body: str) -> None:
    with app.connection_for_write() as link:
        Producer(link.default_channel, auto_declare=False).publish(
            body, exchange="", routing_key=queue, content_type="text/plain", content_encoding="utf-8"
        )
