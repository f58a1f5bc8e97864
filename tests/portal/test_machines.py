"""`/machines`."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from chainfaas import models as rows
from chainfaas.jobs import recovery
from tests.cast import Machine, Person
from tests.portal.pages import Visitor


def test_a_machine_shows_what_it_does_and_earned(
    at_pete: Visitor, at_dora: Visitor, machine: Machine
) -> None:
    job = at_dora.called("dora/example", "x")
    recovery.sweep()

    listed = at_pete.get("/machines")
    page = at_pete.get(f"/machines/{machine.row.id}")

    assert "laptop ready" in listed.text
    assert "Earned, 24 h 2 µ" in listed.text
    assert "Earned 2 µ" in page.text
    assert "Jobs done 1" in page.text
    record = at_pete.get(f"/ledger/jobs/{job.id}")
    assert f"/ledger/jobs/{job.id}" in page.links()
    assert "Provider pete" in record.text
    assert f"/jobs/{job.id}" not in record.links()
    assert at_pete.get(f"/jobs/{job.id}").status == 404


def test_pause_and_resume(at_pete: Visitor, machine: Machine) -> None:
    recovery.sweep()

    paused = at_pete.post(f"/machines/{machine.row.id}/pause")
    assert "laptop is paused" in paused.text
    assert rows.Machine.objects.get().paused

    resumed = at_pete.post(f"/machines/{machine.row.id}/resume")
    assert "takes jobs again" in resumed.text
    assert not rows.Machine.objects.get().paused


@pytest.mark.parametrize(("seconds", "state"), [(None, "new"), (0, "ready"), (120, "offline")])
def test_its_state_is_what_the_last_sweep_saw(
    at_pete: Visitor, machine: Machine, seconds: int | None, state: str
) -> None:
    seen = None if seconds is None else timezone.now() - timedelta(seconds=seconds)
    rows.Machine.objects.update(last_seen=seen)

    assert f"laptop {state}" in at_pete.get("/machines").text


def test_rate_and_name_are_changed(at_pete: Visitor, machine: Machine) -> None:
    address = f"/machines/{machine.row.id}/edit"
    assert 'value="laptop"' in at_pete.get(address).html

    refused = at_pete.post(address, name="desk", rate="0")
    page = at_pete.post(address, name="desk", rate="20")

    assert "greater than" in refused.wrong("rate")
    assert 'value="desk"' in refused.html
    assert "Saved" in page.text
    assert "desk" in page.text
    assert rows.Machine.objects.get().rate == 20


def test_two_machines_cannot_have_one_name(at_pete: Visitor, pete: Person, machine: Machine) -> None:
    other = Machine.of(pete, "desk")

    page = at_pete.post(f"/machines/{other.row.id}/edit", name="laptop", rate="16")

    assert "already" in page.wrong("name")


def test_leaving_asks_first(at_pete: Visitor, machine: Machine) -> None:
    assert "Let laptop leave?" in at_pete.get(f"/machines/{machine.row.id}/leave").text
    assert rows.Machine.objects.get().left_at is None

    page = at_pete.post(f"/machines/{machine.row.id}/leave")

    assert "laptop has left" in page.text
    assert rows.Machine.objects.get().left_at is not None
    assert at_pete.get(f"/machines/{machine.row.id}").status == 404


def test_how_to_enrol_fits_the_broker(at_pete: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "chainfaas up --providers 3" in at_pete.get("/machines/enrol").text

    monkeypatch.setattr("chainfaas.broker.memory.MemoryBroker.remote", True)
    page = at_pete.get("/machines/enrol")

    assert "chainfaas provider enrol laptop" in page.text
    assert "CHAINFAAS_URL=http://testserver" in page.text


def test_a_strangers_machine_is_not_found(at_eve: Visitor, machine: Machine) -> None:
    for end in ("", "/edit", "/leave"):
        assert at_eve.get(f"/machines/{machine.row.id}{end}").status == 404
    for end in ("/edit", "/leave", "/pause", "/resume"):
        assert at_eve.post(f"/machines/{machine.row.id}{end}", name="x", rate="1").status == 404
    assert rows.Machine.objects.get().name == "laptop"
