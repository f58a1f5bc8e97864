"""The served ledger is killed (-9) at each stage of a transaction and under load: 0 lost, 0 doubled."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from chaincode import client
from chaincode.client import Envelope, Ledger, NetworkConfig
from chaincode.errors import Conflict, OutcomeUnknown, Unavailable
from chaincode.ledgers.gateway import requests
from chaincode.ledgers.gateway.address import Address
from chaincode.ledgers.gateway.connection import Connection
from chainfaas.identity.embedded import EmbeddedAuthority
from tests.contracts.world import CHANNEL, new_name

AMOUNT = 5


@dataclass
class Process:
    """`python -m ops.ledger` on a folder and a port that stay the same over its deaths."""

    folder: Path
    url: str = ""

    def __post_init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.start()
        authority = EmbeddedAuthority(self.folder / "identity")
        self.controller = authority.controller()
        self.config = NetworkConfig(CHANNEL, authority.roots())

    def start(self) -> None:
        command = [sys.executable, "-m", "ops.ledger", "--data", str(self.folder), "--listen", self.address]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        ready = self._process.stdout.readline()
        assert ready.startswith("ready fabric://"), ready
        self.url = ready.split()[1]

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.kill()
        self.start()

    def interrupt(self) -> int:
        return self._end(signal.SIGINT)

    def connect(self) -> Ledger:
        return client.connect(self.url, self.controller, config=self.config)

    def _end(self, number: signal.Signals) -> int:
        self._process.send_signal(number)
        code = self._process.wait(10)
        assert self._process.stdout
        self._process.stdout.close()
        return code


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    yield process
    process.kill()


@pytest.fixture
def ledger(process: Process) -> Iterator[Ledger]:
    """At the end the chain has to verify."""
    with process.connect() as ledger:
        yield ledger
        assert ledger.verify().verified


def deposit(ledger: Ledger, account: str = "dora") -> Envelope:
    return ledger.endorse("monetary", "deposit", {"op": new_name("op"), "account": account, "amount": AMOUNT})


def balance(ledger: Ledger, account: str = "dora") -> int:
    free: int = ledger.evaluate("monetary", "balance", {"account": account})["free"]
    return free


def test_ends_clean_when_interrupted(tmp_path: Path) -> None:
    process = Process(tmp_path)

    assert process.interrupt() == 0


def test_second_process_on_one_file_is_refused(process: Process) -> None:
    command = [sys.executable, "-m", "ops.ledger", "--data", str(process.folder), "--listen", "127.0.0.1:0"]

    done = subprocess.run(command, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == "error: the ledger ledger.db is open in another process"


def test_same_file_opens_embedded_after_it_was_served(process: Process, ledger: Ledger) -> None:
    ledger.submit(deposit(ledger))
    process.kill()

    with client.connect(f"embedded://{process.folder}/ledger.db", process.controller) as embedded:
        assert balance(embedded) == AMOUNT
        embedded.submit(deposit(embedded))
        assert embedded.verify().verified

    process.start()
    assert balance(ledger) == 2 * AMOUNT


def test_killed_between_endorse_and_submit(process: Process, ledger: Ledger) -> None:
    stored = deposit(ledger).dump()
    process.restart()

    first, again = (ledger.submit(Envelope.load(stored)) for _ in range(2))

    assert first == again
    assert balance(ledger) == AMOUNT


def test_killed_between_submit_and_commit_status(process: Process, ledger: Ledger) -> None:
    envelope = deposit(ledger)
    connection = Connection(Address.parse(process.url))
    connection.call(requests.SUBMIT, requests.submit(CHANNEL, envelope.tx_id, envelope.data))
    process.restart()

    status = connection.call(
        requests.COMMIT_STATUS, requests.commit_status(CHANNEL, envelope.tx_id, process.controller)
    )
    connection.close()

    assert (status.result, status.block_number) == (0, 1)
    assert ledger.submit(envelope).block == 1
    assert balance(ledger) == AMOUNT


def test_killed_while_somebody_waits_for_a_status(process: Process, ledger: Ledger) -> None:
    envelope = deposit(ledger)
    connection = Connection(Address.parse(process.url))
    request = requests.commit_status(CHANNEL, envelope.tx_id, process.controller)
    failures: list[Exception] = []

    def wait() -> None:
        try:
            connection.call(requests.COMMIT_STATUS, request)
        except (Unavailable, grpc.RpcError) as error:
            failures.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.3)
    process.restart()
    waiting.join(10)

    assert len(failures) == 1
    ledger.submit(envelope)
    assert connection.call(requests.COMMIT_STATUS, request).result == 0
    connection.close()


@dataclass
class Depositor(threading.Thread):
    """Pays into an account of its own, one after the other, and keeps count of what was answered."""

    ledger: Ledger
    account: str
    stopped: threading.Event
    committed: list[str] = field(default_factory=list)
    unknown: list[Envelope] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                envelope = deposit(self.ledger, self.account)
            except Unavailable:
                continue  # nothing was submitted
            self.submit(envelope)

    def submit(self, envelope: Envelope) -> None:
        try:
            self.committed.append(self.ledger.submit(envelope).tx_id)
        except OutcomeUnknown:
            self.unknown.append(envelope)
        except Conflict:
            pass  # void for good


def test_killed_three_times_under_load(process: Process, ledger: Ledger) -> None:
    stopped = threading.Event()
    depositors = [Depositor(ledger, f"account-{number}", stopped) for number in range(8)]
    for depositor in depositors:
        depositor.start()
    for _ in range(3):
        time.sleep(1)
        process.restart()
    time.sleep(1)
    stopped.set()
    for depositor in depositors:
        depositor.join(60)

    for depositor in depositors:
        unknown, depositor.unknown = depositor.unknown, []
        for envelope in unknown:
            depositor.submit(envelope)
        assert not depositor.unknown
        assert len(depositor.committed) > 10
        assert balance(ledger, depositor.account) == AMOUNT * len(depositor.committed)
        assert all(ledger.status(tx_id) for tx_id in depositor.committed)
