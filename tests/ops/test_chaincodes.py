"""`python -m ops.ledger` with its contracts in chaincode servers: two programs die and come back."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chaincode import client
from chaincode.client import Ledger, NetworkConfig
from chaincode.errors import Unavailable
from chainfaas.identity.embedded import EmbeddedAuthority
from tests.chaincode.processes import ServerProcess

DEPOSIT = {"account": "dora", "amount": 1}


def start(opened: ExitStack, data: Path, *options: str) -> str:
    """The URL of a served ledger."""
    command = [sys.executable, "-m", "ops.ledger", "--data", str(data), "--listen", "127.0.0.1:0", *options]
    process = opened.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    opened.callback(process.terminate)
    assert process.stdout
    return process.stdout.readline().split()[-1]


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def connect(opened: ExitStack, tmp_path: Path) -> Callable[..., Ledger]:
    def connect(**addresses: str) -> Ledger:
        named = [text for pair in addresses.items() for text in ("--chaincode", "=".join(pair))]
        url = start(opened, tmp_path, *named)
        authority = EmbeddedAuthority(tmp_path / "identity")
        config = NetworkConfig("chainfaas", authority.roots())
        return opened.enter_context(client.connect(url, authority.controller(), config=config))

    return connect


def test_chaincode_that_is_killed_is_away_and_comes_back(
    monkeypatch: pytest.MonkeyPatch, opened: ExitStack, connect: Callable[..., Ledger]
) -> None:
    monkeypatch.setattr("chaincode.ledgers.gateway.connection.PATIENCE_S", 0.0)
    monitoring, monetary = (opened.enter_context(ServerProcess(name)) for name in ("monitoring", "monetary"))
    ledger = connect(monitoring=monitoring.address, monetary=monetary.address)
    ledger.transact("monetary", "deposit", {"op": "before", **DEPOSIT})

    monetary.kill()
    began = time.monotonic()
    for ask in (ledger.evaluate, ledger.endorse):
        with pytest.raises(Unavailable, match="ABORTED"):
            ask("monetary", "balance", {"account": "dora"})
    assert time.monotonic() - began < 1

    opened.enter_context(ServerProcess("monetary", listen=monetary.address))
    time.sleep(0.2)
    ledger.transact("monetary", "deposit", {"op": "after", **DEPOSIT})
    assert ledger.evaluate("monetary", "balance", {"account": "dora"})["free"] == 2


@pytest.mark.parametrize(
    "options",
    [
        ("--chaincode", "monitoring=127.0.0.1:1"),
        ("--chaincode", "monitoring=127.0.0.1:1", "--chaincode", "money=127.0.0.1:1"),
        ("--chaincode", "monitoring=127.0.0.1:1", "--chaincode", "monetary"),
        ("--chaincode", "monitoring=10.0.0.1:1", "--chaincode", "monetary=10.0.0.1:1"),
    ],
)
def test_servers_that_do_not_do_are_refused(tmp_path: Path, options: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "ops.ledger", "--data", str(tmp_path), *options]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30)

    assert ran.returncode == 1
    assert ran.stderr.startswith("error: ")
    assert ran.stderr.count("\n") == 1
