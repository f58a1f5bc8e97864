"""`/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

from typing import Any

import pytest
from kombu.exceptions import OperationalError
from pytest_django.fixtures import Settings

from chainfaas.broker.memory import MemoryBroker
from tests.cast import Machine, Person


def test_a_process_that_lives_says_so(client: Any) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


def test_each_part_is_named(platform: None, client: Any) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["parts"] == {"database": "ok", "broker": "ok", "ledger": "ok"}


def test_a_part_that_is_away_is_named(platform: None, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryBroker, "connected", away)

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["parts"] == {"database": "ok", "broker": "away", "ledger": "ok"}


def test_the_platform_in_numbers(
    dora: Person, machine: Machine, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dora.invoke("dora/example")
    dora.invoke("dora/example", Prefer="respond-async")

    text = client.get("/metrics").content.decode()

    assert 'chainfaas_calls_total{answer="ok"}' in text
    assert 'chainfaas_unsettled_jobs{state="submitted"} 1.0' in text
    assert "chainfaas_machines_connected 1.0" in text
    assert "chainfaas_waiting_calls 0.0" in text
    assert "chainfaas_ledger_blocks" in text
    monkeypatch.setattr(MemoryBroker, "connected", away)
    assert "chainfaas_machines_connected 1.0" not in client.get("/metrics").content.decode()


def test_numbers_are_for_those_inside(platform: None, client: Any, settings: Settings) -> None:
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.1").status_code == 404
    assert client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 404
    assert client.get("/metrics", REMOTE_ADDR="").status_code == 404

    settings.METRICS_FROM = ["192.0.2.0/24"]
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.1").status_code == 200


def away(_: object) -> set[str]:
    raise OperationalError("gone")
