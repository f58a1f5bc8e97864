"""A machine that is killed (kill -9) and comes back: it cleans up, and nothing runs or counts twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tasks.messages import Outcome, Report, Result, Run, Started, load_report
from tests.worker.machine import MACHINE
from tests.worker.making import make_run
from worker.runtime import strays

ROOT = Path(__file__).parents[2]


class Machine:
    """One life of a machine, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.worker.machine", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        assert self._line() == "ready"

    def send(self, task: Run) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(task.dump() + "\n")
        self._process.stdin.flush()

    def report(self) -> Report:
        return load_report(self._line())

    def result(self) -> Result:
        while not isinstance(report := self.report(), Result):
            pass
        return report

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@pytest.fixture
def born(tmp_path: Path) -> Iterator[Callable[[], Machine]]:
    with ExitStack() as lives:

        def born() -> Machine:
            machine = Machine(tmp_path)
            lives.callback(machine.kill)
            return machine

        yield born
    strays.kill_machine(MACHINE)


def processes() -> set[int]:
    """The processes of the machine's functions."""
    return strays._find(f"{strays.MARKER}={MACHINE}/".encode())


def wait_until(condition: Callable[[], bool], timeout_s: float = 5) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_a_function_dies_with_its_machine_and_is_lost(born: Callable[[], Machine]) -> None:
    task = make_run("chainfaas/stubborn")
    machine = born()
    machine.send(task)
    assert isinstance(machine.report(), Started)
    wait_until(lambda: len(processes()) == 1)
    time.sleep(0.1)  # the function itself, past the launcher

    machine.kill()
    wait_until(lambda: not processes(), timeout_s=1)

    machine = born()
    machine.send(task)
    result = machine.report()
    assert isinstance(result, Result)
    assert (result.outcome, result.signature) == (Outcome.LOST, "")


def test_what_escaped_is_killed_by_the_next_life(born: Callable[[], Machine], tmp_path: Path) -> None:
    machine = born()
    machine.send(make_run("chainfaas/runaway", input=b"stay"))
    machine.report()
    wait_until(lambda: len(processes()) == 2)

    machine.kill()
    wait_until(lambda: len(processes()) == 1)
    assert len(list((tmp_path / "scratch").iterdir())) == 1
    born()

    assert processes() == set()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_result_on_disk_is_sent_again_and_nothing_runs(born: Callable[[], Machine]) -> None:
    task = make_run("chainfaas/exact", input=b"3")
    machine = born()
    machine.send(task)
    first = machine.result()

    machine.kill()
    machine = born()
    machine.send(task)

    assert machine.report() == first
    assert first.output == b"\xff\xff\xff"


def test_lost_stays_lost_however_often_it_is_asked(born: Callable[[], Machine]) -> None:
    task = make_run("chainfaas/stubborn")
    machine = born()
    machine.send(task)
    machine.report()
    machine.kill()

    for _ in range(2):
        machine = born()
        machine.send(task)
        assert machine.result().outcome == Outcome.LOST
        machine.kill()


def start_program(**environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "worker"],
        env={"PATH": os.environ["PATH"]} | environment,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_ends_clean_when_it_is_asked_to(
    born: Callable[[], Machine], tmp_path: Path, number: signal.Signals
) -> None:
    born().kill()  # it made key and certificate
    program = start_program(
        CHAINFAAS_MACHINE=MACHINE,
        CHAINFAAS_DATA=str(tmp_path),
        BROKER_URL="memory://",
        RUNTIME_URL="process://",
    )
    assert program.stderr is not None
    while "provider.ready" not in (line := program.stderr.readline()):
        assert line, "it ended"

    program.send_signal(number)
    _, rest = program.communicate(timeout=15)

    assert program.returncode == 0
    assert "provider.stopped" in rest
    assert "Traceback" not in rest


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({}, "CHAINFAAS_MACHINE"),
        ({"CHAINFAAS_MACHINE": "Pete's", "BROKER_URL": "memory://"}, "enrol this machine first"),
        ({"BROKER_URL": "amqp://pete:s3cret@broker//", "RUNTIME_URL": "process://"}, "use docker://"),
        ({"BROKER_URL": "memory://", "RUNTIME_URL": "magic://"}, "is not supported"),
    ],
    ids=["nothing set", "no machine id", "process and a remote broker", "unknown runtime"],
)
def test_the_program_says_in_a_line_what_is_missing(environment: dict[str, str], why: str) -> None:
    known = {"CHAINFAAS_MACHINE": "pete0001"} if environment else {}
    program = start_program(**(known | environment))
    _, said = program.communicate(timeout=15)

    assert program.returncode == 2
    assert why in said
    assert "Traceback" not in said
    assert "s3cret" not in said
