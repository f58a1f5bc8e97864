"""provider enrol, status, pause, resume, leave."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.cli.conftest import Run
from tests.cli.fake import FakeServer, problem

ENROL = ("provider", "enrol", "laptop", "--cpus", "2", "--memory-mb", "2048")


def test_enrol_makes_its_key_here_and_sends_a_request_only(dora: Run, server: FakeServer, home: Path) -> None:
    ran = dora(*ENROL, "--slots", "3", "--rate", "16")

    assert (ran.code, ran.out) == (0, "m0\n"), ran.err
    body = server.asked("POST", "/api/v1/providers")[0].json
    csr = body.pop("csr")
    assert body == {"name": "laptop", "cpus": 2, "memory_mb": 2048, "slots": 3, "rate": 16}

    kept = json.loads((home / "machine-laptop.json").read_text())
    key = serialization.load_pem_private_key(kept["key"].encode(), password=None)
    request = x509.load_pem_x509_csr(csr.encode())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert request.is_signature_valid
    assert request.public_key() == key.public_key()
    assert b"PRIVATE" not in b"".join(request.body for request in server.seen)


def test_enrol_writes_one_file_that_only_its_owner_reads(dora: Run, server: FakeServer, home: Path) -> None:
    ran = dora(*ENROL, "--json")

    files = list(home.iterdir())
    assert [file.name for file in files] == ["machine-laptop.json"]
    assert files[0].stat().st_mode & 0o777 == 0o600
    kept = json.loads(files[0].read_text())
    assert (kept["server"], kept["enrolment"]["id"]) == (server.url, "m0")
    assert ran.json == {"id": "m0", "name": "laptop", "file": str(files[0])}
    assert "broker-secret" not in ran.out + ran.err
    assert "PRIVATE" not in ran.out + ran.err


def test_enrol_offers_this_computer_if_nothing_is_said(dora: Run, server: FakeServer) -> None:
    assert dora("provider", "enrol").code == 0

    body = server.asked("POST", "/api/v1/providers")[0].json
    assert body["cpus"] >= 1
    assert body["memory_mb"] >= 1
    assert body["slots"] == body["cpus"]
    assert "rate" not in body


def test_this_computers_name_is_made_fit(dora: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "Dora's_PC-.example.org")

    assert dora("provider", "enrol", "--json").json["name"] == "dora-s-pc"


def test_a_part_of_a_cpu_can_be_offered(dora: Run, server: FakeServer) -> None:
    dora("provider", "enrol", "--cpus", "0.5")

    body = server.asked("POST", "/api/v1/providers")[0].json
    assert (body["cpus"], body["slots"]) == (0.5, 1)


def test_an_embedded_server_says_what_to_do_instead(dora: Run, server: FakeServer, home: Path) -> None:
    detail = "This server hosts its own machines: `chainfaas up --providers N`."
    server.script(
        "POST", "/api/v1/providers", problem(409, "embedded-broker", "No machines from outside", detail)
    )

    ran = dora(*ENROL)

    assert (ran.code, ran.out) == (1, "")
    assert detail in ran.err
    assert list(home.iterdir()) == []


def test_enrol_does_not_overwrite_an_earlier_one(dora: Run, server: FakeServer, home: Path) -> None:
    dora(*ENROL)
    before = (home / "machine-laptop.json").read_text()

    assert dora(*ENROL).code == 1
    assert (home / "machine-laptop.json").read_text() == before
    assert dora(*ENROL, "--force").code == 0
    assert (home / "machine-laptop.json").read_text() != before


def test_nothing_is_enrolled_that_could_not_be_kept(dora: Run, server: FakeServer, home: Path) -> None:
    home.parent.mkdir(parents=True)
    home.write_text("a file where the folder should be")

    assert dora(*ENROL).code == 1
    assert not server.seen


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "x" * 64, "ä b"])
def test_a_name_must_be_fit_for_a_file(dora: Run, server: FakeServer, name: str) -> None:
    assert dora("provider", "enrol", name).code == 2
    assert not server.seen


@pytest.mark.parametrize(
    "options", [["--cpus", "0"], ["--memory-mb", "-1"], ["--slots", "0"], ["--rate", "x"]]
)
def test_enrol_refuses_what_cannot_be(dora: Run, server: FakeServer, options: list[str]) -> None:
    assert dora("provider", "enrol", "laptop", *options).code == 2
    assert not server.seen


def test_status_lists_machines_or_shows_one(dora: Run) -> None:
    assert "chainfaas provider enrol" in dora("provider", "status").err
    dora(*ENROL)

    assert dora("provider", "status").out.splitlines()[1].split()[:3] == ["m0", "laptop", "ready"]
    assert "2048" in dora("provider", "status", "laptop").out
    assert dora("provider", "status", "m0", "--json").json["name"] == "laptop"
    assert len(dora("provider", "status", "--json").json) == 1


def test_pause_and_resume_the_only_machine(dora: Run, server: FakeServer) -> None:
    dora(*ENROL)

    assert dora("provider", "pause").code == 0
    assert server.providers["m0"]["state"] == "paused"
    assert dora("provider", "resume", "laptop").out == "laptop\n"
    assert server.providers["m0"]["state"] == "ready"


def test_of_several_machines_one_must_be_named(dora: Run) -> None:
    assert dora("provider", "pause").code == 2
    dora(*ENROL)
    dora("provider", "enrol", "desktop")

    assert dora("provider", "pause").code == 2
    assert dora("provider", "pause", "desktop").code == 0
    assert dora("provider", "pause", "nothing").code == 1


def test_leave_ends_the_machine_and_its_file(dora: Run, server: FakeServer, home: Path) -> None:
    dora(*ENROL)
    dora("provider", "enrol", "desktop")

    assert dora("provider", "leave", "laptop").code == 0

    assert list(server.providers) == ["m1"]
    assert [file.name for file in home.glob("machine-*")] == ["machine-desktop.json"]
    assert dora("provider", "leave").code == 2
