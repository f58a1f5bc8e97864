"""The chaincode server as a program."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fabric_protos.peer.chaincode_pb2 import ChaincodeID

import chaincode
from chaincode import server
from chaincode.identity import Identity
from chaincode.stream import KIND
from tests.chaincode.peer import Peer
from tests.chaincode.processes import ServerProcess
from tests.contracts.authority import Authority

ROOT = Path(chaincode.__file__).parents[1]


def registered(process: ServerProcess, dora: Identity) -> str:
    peer = Peer(process.address, dora, register=False)
    first = peer.hear()
    peer.close()
    assert first.type == KIND.REGISTER
    return str(ChaincodeID.FromString(first.payload).name)


def test_it_says_when_it_is_ready_and_ends_clean(dora: Identity) -> None:
    with ServerProcess("monitoring") as process:
        assert process.said == ["ready", process.address]
        assert registered(process, dora) == "monitoring"

        code, logged = process.end()

        assert code == 0
        assert "Traceback" not in logged


def test_signal_ends_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The same within this process."""
    handlers: dict[int, Callable[..., None]] = {}
    codes: list[int] = []
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    options = ["--contract", "monitoring", "--listen", "127.0.0.1:0"]
    program = threading.Thread(target=lambda: codes.append(server.main(options)))
    program.start()

    deadline = time.monotonic() + 10
    while not (said := capsys.readouterr().out) and time.monotonic() < deadline:
        time.sleep(0.01)
    handlers[signal.SIGTERM]()
    program.join(10)

    assert said.startswith("ready 127.0.0.1:")
    assert codes == [0]


def test_it_is_called_as_fabric_calls_it(dora: Identity) -> None:
    with ServerProcess("monetary", CHAINCODE_ID="monetary_1.0:cafe") as process:
        assert registered(process, dora) == "monetary_1.0:cafe"
    with ServerProcess("monetary", "--id", "monetary_1.0:beef", CHAINCODE_ID="no") as process:
        assert registered(process, dora) == "monetary_1.0:beef"


def test_transaction_under_way_may_end_before_the_server_does(dora: Identity) -> None:
    with ServerProcess("monitoring") as process:
        peer = Peer(process.address, dora)
        tx_id = peer.begin(b"read", b'{"job":"j"}')
        peer.hear()

        process.process.terminate()
        time.sleep(0.2)
        late = peer.begin(b"read", b'{"job":"j"}')
        assert peer.failure(late) == "the chaincode server is ending"
        peer.say(KIND.RESPONSE, b"", tx_id)

        assert peer.hear().type == KIND.COMPLETED
        assert peer.end().name == "OK"
        assert process.process.wait(5) == 0
        peer.close()


def test_transaction_that_does_not_end_keeps_it_for_a_moment_only(dora: Identity) -> None:
    with ServerProcess("monitoring") as process:
        peer = Peer(process.address, dora)
        peer.begin(b"read", b'{"job":"j"}')
        peer.hear()

        began = time.monotonic()
        code, _ = process.end()

        assert code == 0
        assert time.monotonic() - began < 5
        peer.close()


def test_port_in_use_is_said_in_one_line() -> None:
    with ServerProcess("monitoring") as first, ServerProcess("monetary", listen=first.address) as second:
        assert second.said == []
        assert second.process.wait(10) == 1
        assert second.process.stderr
        assert f"Failed to bind to address {first.address}" in second.process.stderr.read()


@pytest.mark.parametrize(
    "options",
    [("--tls-key", "k.pem"), ("--tls-clients", "c.pem"), ("--contract", "nobody"), ("--listen",)],
)
def test_wrong_options_are_refused(options: tuple[str, ...]) -> None:
    with ServerProcess("monitoring", *options) as process:
        assert process.said == []
        assert process.process.wait(10) == 2


def test_missing_key_is_said(tmp_path: Path) -> None:
    options = ("--tls-key", str(tmp_path / "k.pem"), "--tls-certificate", str(tmp_path / "c.pem"))
    with ServerProcess("monitoring", *options) as process:
        assert process.process.wait(10) == 1


def test_it_speaks_tls(tmp_path: Path, platform: Authority) -> None:
    from chaincode.ledgers.served.chaincodes import Chaincodes, ChaincodeServer

    certificate, key = platform.server("localhost")
    mine, my_key = platform.server("peer")
    files = {"key": key, "certificate": certificate, "clients": platform.pem}
    options: list[str] = []
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        options += [f"--tls-{name}", str(tmp_path / name)]
    with ServerProcess("monitoring", *options) as process:
        address = process.address.replace("127.0.0.1", "localhost")
        there = ChaincodeServer(address, platform.pem, mine, my_key)
        with Chaincodes({"monitoring": there}) as chaincodes:
            assert chaincodes._links["monitoring"]._launch().end_reason is None


def test_its_requirements_suffice() -> None:
    """What the program imports that is neither Python's nor ours."""
    listing = (
        "import sys; import chaincode.server; from importlib.metadata import packages_distributions as known;"
        "top = {name.partition('.')[0] for name in sys.modules};"
        "print(*{dist for name, dists in known().items() if name in top for dist in dists})"
    )
    ran = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=True, cwd=ROOT
    )
    lines = (ROOT / "chaincode" / "requirements.txt").read_text().splitlines()
    required = {line.partition("==")[0].lower() for line in lines if not line.startswith("#")}

    assert {name.lower() for name in ran.stdout.split()} - {"chainfaas", "setuptools"} <= required
