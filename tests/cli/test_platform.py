"""up and demo: another process in place of this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run

EMBEDDED = """
import signal, sys, time
try:
    print("ready", *sys.argv[1:], flush=True)
    time.sleep(30)
except KeyboardInterrupt:
    sys.exit(int(sys.argv[2]))
"""


class Became(Exception):
    """What this process would be now."""


@pytest.fixture
def becomes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    arguments: list[str] = []

    def execv(_path: str, argv: list[str]) -> None:
        arguments.extend(argv[1:])
        raise SystemExit(0)

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setenv("PYTHONPATH", "")  # become() extends it: put back what was there
    return arguments


def test_up_becomes_the_embedded_platform(run: Run, becomes: list[str]) -> None:
    run("up")

    assert becomes == ["-P", "-m", "ops.embedded", "--port", "8000", "--providers", "1"]


def test_up_passes_its_options_on(run: Run, becomes: list[str], tmp_path: Path) -> None:
    run("up", "--port", "9000", "--data", str(tmp_path), "--providers", "2")

    assert becomes[3:] == ["--port", "9000", "--data", str(tmp_path), "--providers", "2"]


def test_ledger_serve_becomes_the_served_ledger(run: Run, becomes: list[str], tmp_path: Path) -> None:
    run("ledger", "serve", "--data", str(tmp_path), "--listen", "0.0.0.0:7051", "--name", "a", "--name", "b")

    assert becomes[:4] == ["-P", "-m", "ops.ledger", "--data"]
    assert becomes[4:] == [str(tmp_path), "--listen", "0.0.0.0:7051", "--name", "a", "--name", "b"]


def test_ledger_serve_passes_chaincode_servers_on(run: Run, becomes: list[str]) -> None:
    named = ["--chaincode", "monitoring=h:1", "--chaincode", "monetary=h:2", "--chaincode-root", "ca.pem"]
    run("ledger", "serve", *named)

    assert becomes[3:] == ["--listen", "127.0.0.1:7051", *named]


@pytest.mark.parametrize(
    "options", [["--port", "70000"], ["--port", "x"], ["--providers", "-1"], ["--stack"]]
)
def test_up_refuses_what_cannot_be(run: Run, becomes: list[str], options: list[str]) -> None:
    assert run("up", *options).code == 2
    assert becomes == []


def test_demo_becomes_the_story(run: Run, becomes: list[str]) -> None:
    run("demo", "--json", "--data", "here")

    assert becomes == ["-P", "-m", "ops.demo", "--json", "--data", "here"]


def test_demo_on_a_served_ledger(run: Run, becomes: list[str]) -> None:
    run("demo", "--ledger", "served")

    assert becomes == ["-P", "-m", "ops.demo", "--ledger", "served"]


def test_output_ctrl_c_and_exit_code_are_the_platforms_own(tmp_path: Path) -> None:
    (tmp_path / "ops").mkdir()
    (tmp_path / "ops" / "__init__.py").touch()
    (tmp_path / "ops" / "embedded.py").write_text(EMBEDDED)
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"}
    command = [sys.executable, "-m", "chainfaas.cli.main", "up", "--port", "17"]

    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready --port 17 --providers 1\n"
        process.send_signal(signal.SIGINT)

        assert process.wait(timeout=10) == 17
