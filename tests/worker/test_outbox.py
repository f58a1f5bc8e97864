"""Reports reach the broker in order, or whoever waits for them hears that they did not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from celery import Celery

from tasks.messages import Started
from tests.worker import moody
from tests.worker.controller import Controller, make_app
from worker.outbox import Outbox, Undelivered

JOB = "0192f0c1-2b3c-7d4e-8f5a-6b7c8d9e0f1a"
MACHINE = "outbox1"


@pytest.fixture
def outbox() -> Iterator[Callable[[Celery], Outbox]]:
    with ExitStack() as running:

        def start(app: Celery) -> Outbox:
            outbox = Outbox(app, MACHINE)
            outbox.start()
            running.callback(outbox.stop)
            return outbox

        yield start


@pytest.fixture
def broken_app() -> Celery:
    return Celery("tests", broker="amqp://nobody:s3cret@127.0.0.1:1//", set_as_current=False, fixups=[])


def report(number: int) -> Started:
    return Started(JOB, number, 1.0)


def test_reports_arrive_in_order(outbox: Callable[[Celery], Outbox]) -> None:
    app = make_app()
    controller = Controller(app)
    controller.enrol(MACHINE)

    sender = outbox(app)
    last = [sender.send(report(n)) for n in range(1, 100)][-1]
    last.result(5)

    assert [controller.report(MACHINE).attempt for _ in range(99)] == list(range(1, 100))


def test_a_broken_connection_delays_but_neither_loses_nor_reorders(
    outbox: Callable[[Celery], Outbox],
) -> None:
    app = make_app()
    controller = Controller(app)
    controller.enrol(MACHINE)
    moody.Channel.failures = 3

    sender = outbox(app)
    futures = [sender.send(report(n)) for n in (1, 2)]
    futures[-1].result(5)

    assert [controller.report(MACHINE).attempt for _ in range(2)] == [1, 2]


def test_a_stop_ends_the_wait_for_a_broker_that_is_away(
    outbox: Callable[[Celery], Outbox], broken_app: Celery, capsys: pytest.CaptureFixture[str]
) -> None:
    sender = outbox(broken_app)
    futures = [sender.send(report(n)) for n in (1, 2)]
    time.sleep(0.3)
    assert not futures[0].done()

    began = time.monotonic()
    sender.stop()

    assert time.monotonic() - began < 3
    for future in futures:
        with pytest.raises(Undelivered):
            future.result(0)
    assert "report.delayed" in (told := capsys.readouterr().out)
    assert "s3cret" not in told
