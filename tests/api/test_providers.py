"""`/providers`."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from chainfaas import broker
from chainfaas.broker import Credentials
from chainfaas.broker.memory import MemoryBroker
from chainfaas.identity.embedded import request
from chainfaas.models import Job
from chainfaas.models import Machine as MachineRow
from tests.cast import Machine, Person

CSR = request(ec.generate_private_key(ec.SECP256R1()), "laptop")
OFFER = {"name": "laptop", "cpus": 2, "memory_mb": 2048, "slots": 2, "rate": 10, "csr": CSR}


class RemoteBroker(MemoryBroker):
    """One that other machines can reach."""

    remote = True

    def enrol(self, machine: str) -> Credentials:
        made = super().enrol(machine)
        return Credentials(f"amqp://{machine}:secret@broker/cf", *(vars(made)[name] for name in QUEUES))


QUEUES = ("task_queue", "control_queue", "upstream")


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "connect", lambda url: RemoteBroker())


def test_the_embedded_broker_hosts_its_machines_itself(pete: Person) -> None:
    answer = pete.post("/providers", OFFER)

    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/embedded-broker"
    assert "up --providers" in answer.json()["detail"]
    assert not MachineRow.objects.exists()


def test_enrolling_answers_all_that_a_machine_needs(pete: Person, remote: None) -> None:
    answer = pete.post("/providers", OFFER)

    enrolled = answer.json()
    assert answer.status_code == 201, answer.content
    assert enrolled["broker_url"] == f"amqp://{enrolled['id']}:secret@broker/cf"
    assert enrolled["task_queue"] == f"cf.q.{enrolled['id']}"
    certificate = x509.load_pem_x509_certificate(enrolled["certificate"].encode())
    assert certificate.subject.rfc4514_string().startswith(f"CN={enrolled['id']}")
    shown = pete.get(f"/providers/{enrolled['id']}").json()
    assert {name: shown[name] for name in ("name", "cpus", "memory_mb", "slots", "rate", "state")} == {
        "name": "laptop", "cpus": 2.0, "memory_mb": 2048, "slots": 2, "rate": 10, "state": "away",
    }  # fmt: skip
    assert "certificate" not in shown
    assert "broker_url" not in shown
    assert pete.post("/providers", OFFER).status_code == 409


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "My Laptop"),
        ("cpus", 0),
        ("cpus", "2"),
        ("memory_mb", 1),
        ("memory_mb", 2**65),
        ("slots", 0),
        ("rate", -1),
        ("csr", "nonsense"),
        ("csr", CSR.replace("M", "N", 1)),
        ("csr", "x" * 9000),
        ("paused", True),
        ("containers", False),
    ],
)
def test_bad_input_is_named(pete: Person, remote: None, field: str, value: Any) -> None:
    answer = pete.post("/providers", {**OFFER, field: value})

    assert answer.status_code == 400
    assert field in answer.json()["detail"].lower() or "certificate request" in answer.json()["detail"]
    assert not MachineRow.objects.exists()


def test_a_machine_shows_what_it_did(dora: Person, pete: Person, machine: Machine) -> None:
    dora.settled(dora.invoke("dora/example")["ChainFaaS-Job-Id"])

    shown = pete.get(f"/providers/{machine.row.id}").json()

    assert (shown["state"], shown["under_way"], shown["done"], shown["earned"]) == ("connected", 0, 1, 2)
    assert pete.get("/providers").json()["results"][0]["id"] == machine.row.id


def test_a_paused_machine_gets_no_jobs(dora: Person, pete: Person, machine: Machine) -> None:
    assert pete.post(f"/providers/{machine.row.id}/pause").json()["state"] == "paused"
    assert dora.invoke("dora/example").status_code == 503

    assert pete.post(f"/providers/{machine.row.id}/resume").json()["state"] == "connected"
    assert dora.invoke("dora/example").status_code == 200


def test_what_a_machine_offers_can_change(pete: Person, machine: Machine) -> None:
    changed = pete.call("PATCH", f"/providers/{machine.row.id}", {"rate": 20, "slots": 1}).json()

    assert (changed["rate"], changed["slots"]) == (20, 1)
    assert pete.call("PATCH", f"/providers/{machine.row.id}", {"rate": 0}).status_code == 400
    assert pete.call("PATCH", f"/providers/{machine.row.id}", {"csr": CSR}).status_code == 400


def test_a_machine_that_left_is_gone(dora: Person, pete: Person, machine: Machine) -> None:
    assert pete.call("DELETE", f"/providers/{machine.row.id}").status_code == 204

    assert pete.get(f"/providers/{machine.row.id}").status_code == 404
    assert pete.get("/providers").json()["results"] == []
    assert dora.invoke("dora/example").status_code == 503
    assert not Job.objects.filter(machine=machine.row).exists()
