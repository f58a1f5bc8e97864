"""The command, run in this process against a fake server; each test has a config folder of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chainfaas.cli.main import cli
from tests.cli.fake import TOKENS, FakeServer


@dataclass
class Ran:
    code: int
    out: str
    err: str
    raw: bytes  #: stdout, byte for byte

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    yield fake
    fake.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the command keeps what it remembers."""
    return tmp_path / "config" / "chainfaas"


@pytest.fixture
def run(server: FakeServer, home: Path) -> Run:
    """`run("jobs", "--json")` is what somebody without a login gets."""
    return lambda *arguments, **others: start(arguments, {"CHAINFAAS_URL": server.url}, home, **others)


@pytest.fixture
def dora(server: FakeServer, home: Path) -> Run:
    """The same, with Dora's token in the environment."""
    environment = {"CHAINFAAS_URL": server.url, "CHAINFAAS_TOKEN": TOKENS["dora"]}
    return lambda *arguments, **others: start(arguments, environment, home, **others)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainfaas.cli.client.PAUSES_S", (0, 0))


def start(
    arguments: tuple[str, ...],
    environment: dict[str, str],
    home: Path,
    *,
    stdin: str | bytes = b"",
    **changed: str | None,
) -> Ran:
    # What the tester's own shell says must not matter.
    nothing = {name: None for name in os.environ if name.startswith("CHAINFAAS_")}
    env = {**nothing, "XDG_CONFIG_HOME": str(home.parent), **environment, **changed}
    result: Result = CliRunner(env=env).invoke(cli, list(arguments), input=stdin, prog_name="chainfaas")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert "Traceback" not in result.output
    return Ran(result.exit_code, result.stdout, result.stderr, result.stdout_bytes)
