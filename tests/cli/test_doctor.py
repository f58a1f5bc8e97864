"""doctor: every part, and what to do about the broken ones."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Ran, Run
from tests.cli.fake import Answer, FakeServer, problem


def broken(ran: Ran) -> dict[str, str]:
    return {check["name"]: check["cure"] for check in ran.json["checks"] if not check["ok"]}


def test_all_is_well(dora: Run) -> None:
    ran = dora("doctor")

    assert ran.code == 0, ran.out
    for part in ("python", "server", "database", "broker", "ledger", "login", "balance"):
        assert f"ok  {part}: " in ran.out
    assert dora("doctor", "--json").json["ok"] is True


def test_a_server_that_is_away(dora: Run) -> None:
    ran = dora("doctor", "--json", "--url", "http://127.0.0.1:1")

    assert ran.code == 1
    assert "chainfaas up" in broken(ran)["server"]


def test_a_part_of_the_server_that_is_not_ready(dora: Run, server: FakeServer) -> None:
    server.script(
        "GET", "/readyz", Answer(503, {"database": "ok", "broker": "down", "ledger": {"ok": False}})
    )

    ran = dora("doctor", "--json")

    assert ran.code == 1
    assert set(broken(ran)) == {"broker", "ledger"}
    assert "no  broker: down" in dora("doctor").out


def test_readiness_in_other_words_is_understood(dora: Run, server: FakeServer) -> None:
    for answer in (
        Answer(json={"status": "ok", "parts": {"database": True}}),
        Answer(json={"checks": {"database": {"status": "ok"}}}),
        Answer(body=b"ok"),
    ):
        server.script("GET", "/readyz", answer)
        assert dora("doctor").code == 0

    server.script("GET", "/readyz", problem(503, "not-ready", "Not ready", fault="platform"))
    assert dora("doctor").code == 1


def test_nobody_is_logged_in(run: Run) -> None:
    ran = run("doctor", "--json")

    assert ran.code == 1
    assert "chainfaas login" in broken(ran)["login"]


def test_a_token_that_is_not_valid_any_more(dora: Run) -> None:
    ran = dora("doctor", "--json", "--token", "cfs_old")

    assert ran.code == 1
    assert "chainfaas login" in broken(ran)["login"]
    assert "cfs_old" not in ran.out


def test_no_money(dora: Run, server: FakeServer) -> None:
    server.users["dora"]["balance"] = 0

    assert "ledger deposit" in broken(dora("doctor", "--json"))["balance"]


def test_a_config_file_that_others_can_read(dora: Run, home: Path) -> None:
    home.mkdir(parents=True)
    (home / "config.json").write_text('{"url": null, "accounts": {}}')
    (home / "config.json").chmod(0o644)

    assert "chmod 600" in broken(dora("doctor", "--json"))["config"]


def test_a_spoilt_config_file(dora: Run, home: Path) -> None:
    home.mkdir(parents=True)
    (home / "config.json").write_text("{")

    ran = dora("doctor", "--json")

    assert ran.code == 1
    assert "config" in broken(ran)
