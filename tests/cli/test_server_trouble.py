"""Servers that are away, in trouble, or something else altogether. Always one line, never a traceback."""

from __future__ import annotations

import socket

import pytest

from tests.cli.conftest import Run
from tests.cli.fake import Answer, FakeServer, problem


def a_closed_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def test_a_server_that_is_away_is_said_with_what_to_do(dora: Run) -> None:
    url = f"http://127.0.0.1:{a_closed_port()}"

    ran = dora("jobs", "--url", url)

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"error: cannot reach {url}: ")
    assert "chainfaas up" in ran.err


def test_a_name_that_does_not_resolve_is_one_failure(dora: Run) -> None:
    ran = dora("jobs", "--url", "http://nowhere.invalid", NO_PROXY="*")

    assert ran.code == 1
    assert ran.err.startswith("error: cannot reach http://nowhere.invalid: ")
    assert "chainfaas doctor" in ran.err


@pytest.mark.parametrize(
    "url",
    ["localhost:8000", "ftp://x", "http://", "http://u:p@x", "http://x:port", "http://x?a", "http://[x"],
)
def test_what_is_no_address_is_a_wrong_command_line(dora: Run, url: str) -> None:
    assert dora("jobs", "--url", url).code == 2


def test_a_broken_connection_is_tried_again_where_that_does_no_harm(dora: Run, server: FakeServer) -> None:
    server.script(
        "GET", "/api/v1/me", Answer(broken=True), Answer(broken=True), Answer(json={"username": "dora"})
    )

    assert dora("whoami").code == 0


def test_it_gives_up_after_three_times(dora: Run, server: FakeServer) -> None:
    server.script("GET", "/api/v1/me", Answer(broken=True))

    assert dora("whoami").code == 1
    assert len(server.seen) == 3


def test_a_creation_is_not_sent_twice(dora: Run, server: FakeServer) -> None:
    server.script("POST", "/api/v1/functions", Answer(broken=True))

    assert dora("deploy", "hello", "--image", "chainfaas/echo").code == 1
    assert len(server.asked("POST", "/api/v1/functions")) == 1


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[1, 2]", b'"x"', b'{"results": 3}', b'{"results": [1]}', b"{"]
)
def test_an_answer_from_something_else_is_one_failure(dora: Run, server: FakeServer, body: bytes) -> None:
    server.script("GET", "/api/v1/jobs", Answer(body=body))

    ran = dora("jobs")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"error: {server.url} did not answer")


def test_a_proxys_error_page_is_one_failure(dora: Run, server: FakeServer) -> None:
    server.script("GET", "/api/v1/jobs", Answer(502, body=b"<html>nginx</html>"))

    ran = dora("jobs")

    assert ran.code == 1
    assert ran.err == f"error: {server.url} answered 502 Bad Gateway and no reason\n"


def test_a_redirect_is_not_followed_with_a_token(dora: Run, server: FakeServer) -> None:
    server.script("GET", "/api/v1/jobs", Answer(301, headers={"Location": "https://elsewhere.example/"}))

    ran = dora("jobs")

    assert ran.code == 1
    assert "https://elsewhere.example/" in ran.err
    assert len(server.seen) == 1


def test_a_problem_says_whose_fault_it_is_and_when_to_come_back(dora: Run, server: FakeServer) -> None:
    answer = problem(
        503, "ledger-away", "The ledger is away", "It is restarted.", "platform", Retry_After="7"
    )
    server.script("GET", "/api/v1/jobs", answer)

    ran = dora("jobs")

    assert ran.err.splitlines() == [
        "error: The ledger is away: It is restarted. (the platform's fault)",
        "Try again in 7 s.",
    ]


def test_a_problem_cannot_write_to_the_terminal(dora: Run, server: FakeServer) -> None:
    server.script("GET", "/api/v1/jobs", problem(409, "x", "Odd\x1b[2J", "two\nlines\x07"))

    assert dora("jobs").err == "error: Odd\\x1b[2J: two lines\\x07\n"


def test_a_missing_field_is_a_failure_and_no_traceback(dora: Run, server: FakeServer) -> None:
    server.script("GET", "/api/v1/me", Answer(json={}))

    ran = dora("ledger", "balance")

    assert ran.code == 1
    assert ran.err.startswith("error: ")


def test_pages_are_followed_on_the_address_by_which_we_came(dora: Run, server: FakeServer) -> None:
    for _ in range(5):
        server.make_job()

    assert len(dora("jobs", "--json").json) == 5
    assert len(dora("jobs", "--json", "--limit", "3").json) == 3


def test_a_server_below_a_path_is_reached_there(dora: Run, server: FakeServer) -> None:
    server.script("GET", "/faas/api/v1/me", Answer(json={"username": "dora", "balance": 5}))

    ran = dora("whoami", "--json", "--url", f"{server.url}/faas/")

    assert ran.json["balance"] == 5


def test_debug_shows_requests_without_the_token(dora: Run, server: FakeServer) -> None:
    ran = dora("jobs", "--json", CHAINFAAS_DEBUG="1")

    assert f"> GET {server.url}/api/v1/jobs" in ran.err
    assert "< 200" in ran.err
    assert "cfs_" not in ran.err
    assert ran.json == []
