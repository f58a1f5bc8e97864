"""deploy, list, describe, start, stop, delete."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Run
from tests.cli.fake import FakeServer, problem


def test_deploy_creates_what_is_not_there(dora: Run, server: FakeServer) -> None:
    ran = dora(
        "deploy",
        "hello",
        "--image",
        "chainfaas/echo",
        "--memory-mb",
        "256",
        "--cpus",
        "0.5",
        "--env",
        "A=b=c",
    )

    assert (ran.code, ran.out) == (0, "hello\n"), ran.err
    assert server.asked("POST", "/api/v1/functions")[0].json == {
        "name": "hello",
        "image": "chainfaas/echo",
        "memory_mb": 256,
        "cpus": 0.5,
        "env": {"A": "b=c"},
    }


def test_deploy_changes_only_what_the_options_say(dora: Run, server: FakeServer) -> None:
    ran = dora("deploy", "example", "--public", "--daily-budget", "1,000,000", "--no-network", "--json")

    assert ran.code == 0
    assert server.asked("PATCH", "/api/v1/functions/dora/example")[0].json == {
        "public": True,
        "daily_budget": 1_000_000,
        "network": False,
    }
    assert ran.json["image"] == "chainfaas/wordcount"


def test_deploy_of_nothing_new_changes_nothing(dora: Run, server: FakeServer) -> None:
    ran = dora("deploy", "example")

    assert ran.code == 0
    assert "unchanged" in ran.err
    assert {request.method for request in server.seen} == {"GET"}


def test_a_new_function_needs_an_image(dora: Run, server: FakeServer) -> None:
    ran = dora("deploy", "hello")

    assert ran.code == 2
    assert "--image" in ran.err
    assert not server.asked("POST", "/api/v1/functions")


def test_a_variable_can_come_from_here(dora: Run, server: FakeServer) -> None:
    dora("deploy", "example", "--env", "API_KEY", "--env", "EMPTY=", API_KEY="k")

    body = server.asked("PATCH", "/api/v1/functions/dora/example")[0].json
    assert body == {"env": {"API_KEY": "k", "EMPTY": ""}}


def test_an_environment_can_be_emptied(dora: Run, server: FakeServer) -> None:
    dora("deploy", "example", "--no-env")

    assert server.asked("PATCH", "/api/v1/functions/dora/example")[0].json == {"env": {}}


@pytest.mark.parametrize(
    "options",
    [
        ["--env", "=x"],
        ["--env", "NOT_SET_ANYWHERE"],
        ["--env", "A=1", "--no-env"],
        ["--memory-mb", "0"],
        ["--memory-mb", "much"],
        ["--cpus", "0"],
        ["--timeout-s", "-1"],
        ["--daily-budget", "1.5"],
        ["--max-rate", "0"],
    ],
)
def test_deploy_refuses_what_cannot_be(dora: Run, server: FakeServer, options: list[str]) -> None:
    ran = dora("deploy", "example", *options)

    assert ran.code == 2
    assert not server.asked("PATCH", "/api/v1/functions/dora/example")


def test_another_owners_function_cannot_be_made(dora: Run, server: FakeServer) -> None:
    ran = dora("deploy", "pete/hello", "--image", "chainfaas/echo")

    assert ran.code == 1
    assert "Not found" in ran.err
    assert not server.asked("POST", "/api/v1/functions")


def test_the_own_name_may_be_said(dora: Run, server: FakeServer) -> None:
    assert dora("deploy", "dora/hello", "--image", "chainfaas/echo").code == 0
    assert "dora/hello" in server.functions


def test_the_servers_refusal_is_shown(dora: Run, server: FakeServer) -> None:
    server.script(
        "PATCH", "/api/v1/functions/dora/example", problem(400, "bad-input", "Bad input", "Needs a budget.")
    )

    ran = dora("deploy", "example", "--public")

    assert (ran.code, ran.err) == (1, "error: Bad input: Needs a budget.\n")


@pytest.mark.parametrize("verb", ["list", "ls"])
def test_list_is_a_table(dora: Run, verb: str) -> None:
    lines = dora(verb).out.splitlines()

    assert lines[0].split() == ["NAME", "IMAGE", "MEMORY", "CPUS", "TIMEOUT", "PUBLIC", "STATE"]
    assert lines[1].split() == [
        "example",
        "chainfaas/wordcount",
        "128",
        "MiB",
        "1",
        "30",
        "s",
        "no",
        "started",
    ]


def test_list_can_be_names_only_or_json(dora: Run, server: FakeServer) -> None:
    assert dora("list", "-q").out == "example\n"
    assert dora("list", "--json").json == [server.functions["dora/example"]]
    assert dora("--json", "list").json == [server.functions["dora/example"]]


def test_an_empty_list_says_what_to_do(dora: Run, server: FakeServer) -> None:
    server.functions.clear()

    ran = dora("list")

    assert (ran.code, ran.out) == (0, "")
    assert "chainfaas deploy" in ran.err
    assert dora("list", "--json").json == []


def test_describe_shows_everything(dora: Run, server: FakeServer) -> None:
    assert "chainfaas/wordcount" in dora("describe", "example").out
    assert dora("describe", "dora/example", "--json").json == server.functions["dora/example"]


def test_stop_and_start(dora: Run, server: FakeServer) -> None:
    assert dora("stop", "example").out == "example\n"
    assert server.functions["dora/example"]["state"] == "stopped"

    assert dora("start", "example", "--json").json["state"] == "started"


@pytest.mark.parametrize("verb", ["delete", "rm"])
def test_delete(dora: Run, server: FakeServer, verb: str) -> None:
    assert dora(verb, "example").code == 0
    assert not server.functions


def test_what_is_not_there_cannot_be_deleted(dora: Run) -> None:
    ran = dora("delete", "nothing")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: Not found")


@pytest.mark.parametrize("name", ["", "..", "/", "dora/", "/example", "../example"])
def test_names_that_name_nothing(dora: Run, server: FakeServer, name: str) -> None:
    assert dora("describe", name).code == 2


def test_a_name_stays_one_segment_of_the_path(dora: Run, server: FakeServer) -> None:
    dora("describe", "a b?c#d%2e/x")

    assert server.seen[-1].path == "/api/v1/functions/a%20b%3Fc%23d%252e/x"


def test_a_bare_name_needs_a_login(run: Run, server: FakeServer) -> None:
    ran = run("describe", "example")

    assert ran.code == 2
    assert "OWNER/example" in ran.err
