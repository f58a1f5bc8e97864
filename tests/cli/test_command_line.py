"""What holds for every verb: help with examples, quick start, colours, terminals."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import chainfaas
from chainfaas.cli.main import cli
from tests.cli.conftest import Run
from tests.cli.fake import PASSWORD, TOKENS, FakeServer


def verbs(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from verbs(command, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("verb", list(verbs(cli)), ids=" ".join)
def test_every_help_ends_with_examples(run: Run, verb: tuple[str, ...]) -> None:
    ran = run(*verb, "--help")

    assert ran.code == 0
    _, found, examples = ran.out.partition("Examples:\n")
    assert found
    assert all(line.startswith("  ") for line in examples.splitlines())
    assert "chainfaas " + " ".join(verb) in " ".join(examples.split())


@pytest.mark.parametrize("verb", list(verbs(cli)), ids=" ".join)
def test_every_verb_answers_programs_but_those_that_serve(run: Run, verb: tuple[str, ...]) -> None:
    command: click.Command = cli
    for name in verb:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    if not isinstance(command, click.Group) and verb not in (("up",), ("ledger", "serve")):
        assert "--json" in run(*verb, "--help").out


def test_the_version_is_the_packages(run: Run) -> None:
    assert run("--version").out == f"chainfaas {chainfaas.__version__}\n"


def test_an_unknown_verb_is_a_wrong_command_line(run: Run) -> None:
    assert run("fly").code == 2
    assert run("provider", "fly").code == 2
    assert run().code == 2


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from chainfaas.cli.main import cli\n"
        "heavy = {'httpx', 'rich', 'cryptography', 'django', 'celery', 'kombu', 'worker', 'ops', 'portal'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def on_a_terminal(arguments: list[str], env: dict[str, str], typed: bytes = b"") -> tuple[int, str]:
    """What somebody sees who types this."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-m", "chainfaas.cli.main", *arguments], env)
    seen = b""
    try:
        while chunk := os.read(terminal, 4096):
            seen += chunk
            if typed and seen.rstrip().endswith(b":"):
                line, _, typed = typed.partition(b"\n")
                os.write(terminal, line + b"\n")
    except OSError:
        pass  # Linux says EIO when the other side has closed
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()


@pytest.fixture
def environment(server: FakeServer, home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "CHAINFAAS_DEBUG"}}
    return {
        **kept,
        "CHAINFAAS_URL": server.url,
        "CHAINFAAS_TOKEN": TOKENS["dora"],
        "XDG_CONFIG_HOME": str(home.parent),
        "TERM": "xterm",
        "PYTHONWARNINGS": "ignore",
    }


def test_a_terminal_gets_colours_unless_told_not_to(server: FakeServer, environment: dict[str, str]) -> None:
    server.make_job()

    assert "\x1b[32msucceeded" in on_a_terminal(["jobs"], environment)[1]
    assert "\x1b" not in on_a_terminal(["jobs"], {**environment, "NO_COLOR": "1"})[1]


def test_a_password_is_asked_for_and_not_shown(
    server: FakeServer, environment: dict[str, str], home: Path
) -> None:
    del environment["CHAINFAAS_TOKEN"]

    code, seen = on_a_terminal(["login"], environment, b"dora\n" + PASSWORD.encode() + b"\n")

    assert code == 0, seen
    assert PASSWORD not in seen
    assert json.loads((home / "config.json").read_text())["accounts"][server.url]["username"] == "dora"


def test_ctrl_c_at_a_prompt_is_a_failure_without_a_traceback(environment: dict[str, str]) -> None:
    code, seen = on_a_terminal(["login", "dora"], environment, b"\x03\n")

    assert code == 1
    assert "Traceback" not in seen


def test_a_log_cannot_command_the_terminal(server: FakeServer, environment: dict[str, str]) -> None:
    from tests.cli.fake import Answer

    job = server.make_job()
    server.script("GET", f"/api/v1/jobs/{job}/logs", Answer(body=b"\x1b]0;title\x07\n"))

    assert "\x1b" not in on_a_terminal(["logs", job], environment)[1]


def test_a_closed_pipe_is_no_traceback(server: FakeServer, environment: dict[str, str]) -> None:
    for _ in range(3):
        server.make_job()
    command = f"{sys.executable} -m chainfaas.cli.main jobs --limit 3 | true"

    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False)

    assert "Traceback" not in done.stderr


def test_a_terminal_without_a_micro_sign_is_no_traceback(
    server: FakeServer, environment: dict[str, str]
) -> None:
    env = {**environment, "PYTHONIOENCODING": "iso8859-5"}

    done = subprocess.run(
        [sys.executable, "-m", "chainfaas.cli.main", "whoami"], env=env, capture_output=True, check=False
    )

    assert done.returncode == 0
    assert b"10,000,000 ?" in done.stdout
