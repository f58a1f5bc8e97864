"""register, login, logout, whoami."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.fake import PASSWORD, Answer, FakeServer, problem


def saved(home: Path) -> dict[str, dict[str, dict[str, str]]]:
    return json.loads((home / "config.json").read_text())


def test_register_makes_an_account_and_logs_in(run: Run, server: FakeServer, home: Path) -> None:
    ran = run(
        "register", "eve", "--role", "developer", "--role", "provider", "--password-stdin", stdin=PASSWORD
    )

    assert ran.code == 0, ran.err
    assert server.users["eve"]["roles"] == ["developer", "provider"]
    assert saved(home)["accounts"][server.url]["username"] == "eve"
    assert run("whoami", "--json").json["username"] == "eve"


def test_register_sends_the_email_only_if_there_is_one(run: Run, server: FakeServer) -> None:
    run("register", "eve", "--password-stdin", stdin=PASSWORD)
    run("register", "mallory", "--email", "m@example.org", "--password-stdin", stdin=PASSWORD)

    bodies = [request.json for request in server.asked("POST", "/api/v1/register")]
    assert "email" not in bodies[0]
    assert bodies[1]["email"] == "m@example.org"
    assert bodies[0]["roles"] == ["developer"]


def test_register_without_login_stores_nothing(run: Run, home: Path) -> None:
    assert run("register", "eve", "--no-login", "--password-stdin", stdin=PASSWORD).code == 0

    assert not (home / "config.json").exists()


def test_a_taken_name_is_said_in_one_line(run: Run) -> None:
    ran = run("register", "dora", "--password-stdin", stdin=PASSWORD)

    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "error: Already there: The name is taken.\n"


def test_an_unknown_role_is_a_wrong_command_line(run: Run, server: FakeServer) -> None:
    assert run("register", "eve", "--role", "king", "--password-stdin", stdin=PASSWORD).code == 2
    assert not server.seen


def test_login_stores_a_token_named_after_this_computer(run: Run, server: FakeServer, home: Path) -> None:
    ran = run("login", "dora", "--password-stdin", "--scope", "read", stdin=PASSWORD + "\n")

    assert ran.code == 0, ran.err
    body = server.asked("POST", "/api/v1/tokens")[0].json
    assert body == {
        "username": "dora",
        "password": PASSWORD,
        "name": socket.gethostname(),
        "scopes": ["read"],
    }
    assert saved(home)["accounts"][server.url]["token"] in server.tokens


def test_only_the_owner_can_read_what_login_stored(run: Run, home: Path) -> None:
    run("login", "dora", "--password-stdin", stdin=PASSWORD)

    assert (home / "config.json").stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in home.iterdir()] == ["config.json"]


def test_neither_token_nor_password_is_ever_printed(run: Run, home: Path, server: FakeServer) -> None:
    ran = run("login", "dora", "--password-stdin", "--json", stdin=PASSWORD, CHAINFAAS_DEBUG="1")
    token = saved(home)["accounts"][server.url]["token"]
    later = run("whoami", "--json", CHAINFAAS_DEBUG="1")

    for text in (ran.out, ran.err, later.out, later.err):
        assert token not in text
        assert PASSWORD not in text
    assert "> GET" in later.err


def test_a_wrong_password_changes_nothing(run: Run, home: Path) -> None:
    ran = run("login", "dora", "--password-stdin", stdin="wrong")

    assert ran.code == 1
    assert ran.err.startswith("error: Not authenticated: Name or password is wrong.")
    assert not (home / "config.json").exists()


def test_an_empty_password_is_not_sent(run: Run, server: FakeServer) -> None:
    assert run("login", "dora", "--password-stdin", stdin="").code == 2
    assert not server.seen


def test_without_a_terminal_nobody_is_asked(run: Run) -> None:
    ran = run("login", "dora")

    assert ran.code == 2
    assert "--password-stdin" in ran.err
    assert run("login", "--password-stdin", stdin=PASSWORD).code == 2


def test_a_new_login_revokes_the_token_before(run: Run, home: Path, server: FakeServer) -> None:
    run("login", "dora", "--password-stdin", stdin=PASSWORD)
    former = saved(home)["accounts"][server.url]["token"]

    run("login", "dora", "--password-stdin", stdin=PASSWORD)

    assert former not in server.tokens
    assert run("whoami").code == 0


def test_each_server_has_its_own_login(run: Run, home: Path, server: FakeServer) -> None:
    run("login", "dora", "--password-stdin", stdin=PASSWORD)

    elsewhere = server.url.replace("127.0.0.1", "localhost")
    ran = run("whoami", "--url", elsewhere)

    assert ran.code == 1
    assert "Nobody is logged in" in ran.err
    assert run("login", "pete", "--password-stdin", "--url", elsewhere, stdin=PASSWORD).code == 0
    assert set(saved(home)["accounts"]) == {server.url, elsewhere}
    assert run("whoami", "--json").json["username"] == "dora"


def test_later_commands_go_where_the_last_login_went(run: Run, server: FakeServer) -> None:
    run("login", "dora", "--password-stdin", "--url", server.url + "/", stdin=PASSWORD, CHAINFAAS_URL=None)

    assert run("whoami", "--json", CHAINFAAS_URL=None).json["username"] == "dora"


def test_flag_beats_environment_beats_file(run: Run, server: FakeServer) -> None:
    run("login", "dora", "--password-stdin", stdin=PASSWORD)

    assert run("whoami", "--json", CHAINFAAS_TOKEN="cfs_secret_of_pete").json["username"] == "pete"
    ran = run("whoami", "--json", "--token", "cfs_secret_of_dora", CHAINFAAS_TOKEN="cfs_secret_of_pete")
    assert ran.json["username"] == "dora"
    assert run("--token", "cfs_secret_of_pete", "whoami", "--json").json["username"] == "pete"
    assert run("whoami", "--url", server.url, CHAINFAAS_URL="http://127.0.0.1:1").code == 0
    assert run("--url", server.url, "whoami", CHAINFAAS_URL="http://127.0.0.1:1").code == 0


def test_logout_revokes_and_forgets(run: Run, home: Path, server: FakeServer) -> None:
    run("login", "dora", "--password-stdin", stdin=PASSWORD)
    token = saved(home)["accounts"][server.url]["token"]

    assert run("logout").code == 0

    assert token not in server.tokens
    assert server.url not in saved(home)["accounts"]
    assert run("whoami").code == 1


def test_logout_forgets_even_where_it_cannot_revoke(run: Run, home: Path, server: FakeServer) -> None:
    run("login", "dora", "--password-stdin", stdin=PASSWORD)
    token_id = saved(home)["accounts"][server.url]["token_id"]
    server.script("DELETE", f"/api/v1/tokens/{token_id}", problem(500, "broken", "Broken", fault="platform"))

    ran = run("logout")

    assert ran.code == 0
    assert "did not revoke it: Broken (the platform's fault)" in ran.err
    assert server.url not in saved(home)["accounts"]


def test_logout_of_nobody_is_no_failure(run: Run) -> None:
    ran = run("logout")

    assert ran.code == 0
    assert "nobody was logged in" in ran.err


def test_whoami_shows_the_money_for_people(dora: Run) -> None:
    ran = dora("whoami")

    assert ran.code == 0
    assert "10,000,000 µ" in ran.out
    assert "developer" in ran.out


def test_an_invalid_token_is_said_with_its_cure(run: Run) -> None:
    ran = run("whoami", CHAINFAAS_TOKEN="cfs_old")

    assert ran.code == 1
    assert "`chainfaas login`" in ran.err
    assert "cfs_old" not in ran.err


@pytest.mark.parametrize("token", ["cfs_\u00e9", "cfs_\x07"])
def test_a_token_that_cannot_be_one_is_a_wrong_command_line(run: Run, server: FakeServer, token: str) -> None:
    assert run("whoami", "--token", token).code == 2
    assert not server.seen


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"url": null}', '{"url": null, "accounts": {"http://x": {"token": "t"}}}', "\udcff"],
)
def test_a_spoilt_config_file_is_one_line(run: Run, home: Path, content: str) -> None:
    home.mkdir(parents=True)
    (home / "config.json").write_text(content, errors="surrogateescape")

    ran = run("whoami")

    assert ran.code == 1
    assert str(home / "config.json") in ran.err
    assert ran.err.count("\n") == 1


def test_a_login_that_cannot_be_stored_is_one_line(run: Run, home: Path) -> None:
    home.parent.mkdir(parents=True)
    home.write_text("a file where the folder should be")

    ran = run("login", "dora", "--password-stdin", stdin=PASSWORD)

    assert ran.code == 1
    assert ran.err.splitlines()[-1].startswith("error: ")


def test_a_linked_config_file_stays_a_link(run: Run, home: Path, tmp_path: Path) -> None:
    home.mkdir(parents=True)
    real = tmp_path / "dotfiles.json"
    real.write_text('{"url": null, "accounts": {}}')
    (home / "config.json").symlink_to(real)

    run("login", "dora", "--password-stdin", stdin=PASSWORD)

    assert (home / "config.json").is_symlink()
    assert "dora" in real.read_text()


def test_a_login_answer_without_a_token_is_no_login(run: Run, server: FakeServer, home: Path) -> None:
    server.script("POST", "/api/v1/tokens", Answer(201, {"hello": "world"}))

    ran = run("login", "dora", "--password-stdin", stdin=PASSWORD)

    assert ran.code == 1
    assert "did not answer" in ran.err
    assert not (home / "config.json").exists()
