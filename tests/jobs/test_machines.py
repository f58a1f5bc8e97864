"""Machines: enrolled whole or not at all, changed field by field, and let go without owing them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from kombu.exceptions import OperationalError
from pytest_django.fixtures import Settings

from chainfaas import broker, machines
from chainfaas.broker.memory import MemoryBroker
from chainfaas.errors import BadInput, ChainFaaSError, HostedHere, LedgerAway, Taken
from chainfaas.identity.embedded import EmbeddedAuthority, request
from chainfaas.ledger import connection
from chainfaas.ledger import machines as ledger
from chainfaas.models import Machine, State
from tests.cast import Person
from tests.jobs.world import Twin, World, fresh, state

OFFER: dict[str, Any] = {"name": "laptop", "cpus": 2.0, "memory_mb": 1024}


def csr(name: str = "laptop") -> str:
    return request(ec.generate_private_key(ec.SECP256R1()), name)


def on_ledger(machine: str) -> dict[str, Any]:
    record: dict[str, Any] = connection.evaluate("monitoring", "machine", {"machine": machine})
    return record


def test_an_enrolled_machine_is_on_the_ledger_under_its_owner(pete: Person) -> None:
    machine = machines.host(pete.user, csr(), **OFFER).machine

    record = on_ledger(machine.id)
    assert (record["provider"], record["revoked"]) == (str(pete.user.id), False)
    assert record["certificate"] == machine.certificate


def test_elsewhere_no_machine_could_reach_the_embedded_broker(pete: Person) -> None:
    with pytest.raises(HostedHere):
        machines.enrol(pete.user, csr(), **OFFER)


def test_with_a_broker_that_others_reach_machines_enrol(
    pete: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryBroker, "remote", True)

    assert machines.enrol(pete.user, csr(), **OFFER).credentials.url == "memory://"


def test_a_machine_that_left_has_no_certificate_that_counts(pete: Person, settings: Settings) -> None:
    machine = machines.host(pete.user, csr(), **OFFER).machine
    authority = EmbeddedAuthority(Path(urlsplit(settings.IDENTITY_URL).path))
    assert authority.revocation_lists() == []

    machines.leave(machine)

    (crl,) = authority.revocation_lists()
    serial = x509.load_pem_x509_certificate(machine.certificate.encode()).serial_number
    assert x509.load_pem_x509_crl(crl).get_revoked_certificate_by_serial_number(serial) is not None


@pytest.mark.parametrize(
    "offer",
    [
        {"name": "Laptop"},
        {"name": ""},
        {"name": "a" * 41},
        {"name": "lap\ntop"},
        {"cpus": 0},
        {"cpus": math.nan},
        {"cpus": math.inf},
        {"memory_mb": 1},
        {"memory_mb": "much"},
        {"slots": 0},
        {"slots": 257},
        {"rate": 0},
        {"rate": 1_000_001},
    ],
)
def test_an_offer_that_makes_no_sense_is_refused(pete: Person, offer: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        machines.host(pete.user, csr(), **{**OFFER, **offer})

    machine = machines.host(pete.user, csr(), **OFFER).machine
    with pytest.raises(BadInput):
        machines.change(machine, **offer)
    machine.refresh_from_db()
    assert (machine.name, machine.cpus, machine.memory_mb) == ("laptop", 2.0, 1024)


def test_a_bad_request_for_a_certificate_leaves_nothing(pete: Person) -> None:
    with pytest.raises(BadInput):
        machines.host(pete.user, "no request", **OFFER)

    assert not Machine.objects.exists()


def test_a_name_is_taken_once_an_owner_until_the_machine_leaves(pete: Person, eve: Person) -> None:
    first = machines.host(pete.user, csr(), **OFFER).machine
    other = machines.host(pete.user, csr(), **{**OFFER, "name": "desktop"}).machine
    machines.host(eve.user, csr(), **OFFER)

    with pytest.raises(Taken):
        machines.host(pete.user, csr(), **OFFER)
    with pytest.raises(Taken):
        machines.change(other, name="laptop")
    machines.leave(first)
    machines.change(other, name="laptop")


def test_of_two_that_enrol_one_name_at_once_one_is_taken_back(
    pete: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    provision = machines.provision
    late: list[str] = []

    def overtaken(machine: Machine) -> broker.Credentials:
        monkeypatch.setattr(machines, "provision", provision)
        late.append(machine.id)
        machines.host(pete.user, csr(), **OFFER)
        return provision(machine)

    monkeypatch.setattr(machines, "provision", overtaken)
    with pytest.raises(Taken):
        machines.host(pete.user, csr(), **OFFER)

    assert Machine.objects.count() == 1
    assert on_ledger(late[0])["revoked"]


@pytest.mark.parametrize("away", ["ledger", "broker"])
def test_an_enrolment_that_was_cut_off_can_be_made_again(
    pete: Person, monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    def gone(*_: object) -> None:
        raise LedgerAway if away == "ledger" else OperationalError

    with monkeypatch.context() as patch:
        patch.setattr(*((ledger, "enrol") if away == "ledger" else (MemoryBroker, "enrol")), gone)
        with pytest.raises((ChainFaaSError, OperationalError)):
            machines.host(pete.user, csr(), **OFFER)
    assert not Machine.objects.exists(), "the ingress would listen for a machine that has no inbox"

    machines.host(pete.user, csr(), **OFFER)


def test_a_machine_that_leaves_is_paid_first(world: World, machine: Twin) -> None:
    job = world.placed()
    run = machine.next()
    machine.start(run)
    world.pump()
    world.later(1)
    machine.ended_unpaid(run)

    machines.leave(machine.row)
    world.sweep()

    assert (state(job), fresh(job).settled) == (State.SUCCEEDED, True)
    assert world.earned(world.pete) == fresh(job).cost > 0  # type: ignore[operator]
    assert on_ledger(machine.id)["revoked"]
    world.check_books()


def test_leaving_twice_does_no_harm_and_can_go_on_after_trouble(
    pete: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = machines.host(pete.user, csr(), **OFFER).machine
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "revoke", lambda _: (_ for _ in ()).throw(LedgerAway()))
        with pytest.raises(LedgerAway):
            machines.leave(machine)
    machine = Machine.objects.get(id=machine.id)
    assert (machine.paused, machine.left_at) == (True, None), "it gets nothing, and can be let go again"

    machines.leave(machine)
    left = Machine.objects.get(id=machine.id).left_at
    machines.leave(machine)
    assert Machine.objects.get(id=machine.id).left_at == left
    assert on_ledger(machine.id)["revoked"]


def test_a_machine_that_the_ledger_never_knew_can_leave(pete: Person) -> None:
    machine = Machine.objects.create(owner=pete.user, **OFFER)

    machines.leave(machine)

    assert Machine.objects.get().left_at is not None


def test_a_change_writes_what_it_names_and_nothing_else(pete: Person) -> None:
    machine = machines.host(pete.user, csr(), **OFFER).machine
    stale = Machine.objects.get(id=machine.id)
    machines.leave(machine)

    machines.change(stale, rate=20)

    found = Machine.objects.get(id=machine.id)
    assert found.left_at is not None
    assert (found.rate, found.paused) == (20, True)


def test_enrolling_again_makes_the_queues_again(pete: Person) -> None:
    machine = machines.host(pete.user, csr(), **OFFER).machine

    assert machines.provision(machine) == machines.provision(machine)
