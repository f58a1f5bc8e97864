"""Functions that mean harm to a machine without containers; each does one thing (tests/worker/hostile)."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from tasks import limits, names
from tasks.messages import Outcome
from tests.worker.making import make_run, nothing
from worker.runtime import Finished, RuntimeBroken, strays
from worker.runtime.process import ProcessRuntime

HOSTILE = Path(__file__).parent / "hostile"
MACHINE = "hostile"


@pytest.fixture
def runtime(tmp_path: Path) -> ProcessRuntime:
    return ProcessRuntime(MACHINE, tmp_path / "scratch", functions=HOSTILE)


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path) -> object:
    """Whatever a function did: afterwards it has no process and no folder."""
    yield
    assert strays.kill_machine(MACHINE) == 0
    assert list((tmp_path / "scratch").glob("*")) == []


def call(runtime: ProcessRuntime, name: str, **others: object) -> Finished:
    return runtime.run(make_run(f"chainfaas/{name}", **others), nothing)


def is_alive(pid: int) -> bool:
    """A zombie is not: nobody has taken note of its death yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_ignoring_every_signal_does_not_help(runtime: ProcessRuntime) -> None:
    finished = call(runtime, "stubborn", timeout_s=1)

    assert finished.outcome == Outcome.TIMED_OUT
    assert finished.run_ms < 2000


def test_a_child_does_not_outlive_the_function(runtime: ProcessRuntime) -> None:
    finished = call(runtime, "parent")

    assert (finished.outcome, finished.exit_code) == (Outcome.EXITED, 0)
    assert not is_alive(int(finished.output))
    assert finished.run_ms < 2000  # and nobody waited for it


def test_a_grandchild_in_a_session_of_its_own_does_not_outlive_it(runtime: ProcessRuntime) -> None:
    finished = call(runtime, "runaway")

    assert finished.outcome == Outcome.EXITED
    assert not is_alive(int(finished.output))


@pytest.mark.parametrize("outcome", [Outcome.TIMED_OUT, Outcome.CANCELLED])
def test_nor_does_it_when_the_function_is_killed(runtime: ProcessRuntime, outcome: Outcome) -> None:
    task = make_run("chainfaas/runaway", input=b"stay", timeout_s=1 if outcome == Outcome.TIMED_OUT else 20)
    stopper = threading.Timer(0.3, runtime.stop, [names.task_id(task.job, task.attempt)])

    finished = runtime.run(task, stopper.start if outcome == Outcome.CANCELLED else nothing)

    assert finished.outcome == outcome
    assert not is_alive(int(finished.output))


def test_fifty_children_in_fifty_sessions_are_found(runtime: ProcessRuntime) -> None:
    assert call(runtime, "hydra").output == b"spread"


def test_an_input_that_nobody_reads_blocks_nobody(runtime: ProcessRuntime) -> None:
    finished = call(runtime, "deaf", input=b"x" * limits.BODY)

    assert finished.output == b"heard nothing"


def test_closing_output_and_log_ends_neither_the_function_nor_the_watch(runtime: ProcessRuntime) -> None:
    finished = call(runtime, "mute")

    assert finished.outcome == Outcome.EXITED
    assert finished.run_ms >= 100


def test_of_a_long_log_the_end_is_kept_byte_for_byte(runtime: ProcessRuntime) -> None:
    log = call(runtime, "diary").log

    assert len(log) == limits.LOG
    assert log.endswith(b"\xff\x00the end")


def test_logging_for_ever_costs_little_and_ends_with_the_time(runtime: ProcessRuntime) -> None:
    busy = time.thread_time()
    finished = call(runtime, "chatter", timeout_s=1)

    assert finished.outcome == Outcome.TIMED_OUT
    assert len(finished.log) == limits.LOG
    assert time.thread_time() - busy < 0.5


@pytest.mark.parametrize(
    ("size", "outcome"),
    [(limits.BODY, Outcome.EXITED), (limits.BODY + 1, Outcome.OUTPUT_LIMIT)],
    ids=["at the limit", "one byte over"],
)
def test_the_limit_of_the_output_is_exact(runtime: ProcessRuntime, size: int, outcome: Outcome) -> None:
    finished = call(runtime, "exact", input=str(size).encode())

    assert finished.outcome == outcome
    assert finished.output == (b"\xff" * size if outcome == Outcome.EXITED else b"")


def test_the_environment_is_the_functions_own(
    runtime: ProcessRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_URL", "amqp://pete:s3cret@broker")
    env = {"GREETING": "hé", "LD_PRELOAD": "/evil.so", "PATH": "/mine", strays.MARKER: "nobody/nothing"}

    finished = call(runtime, "mirror", env=env)
    seen, started_with = finished.output.decode().split("---\n")

    assert "s3cret" not in seen + started_with
    assert {line.partition("=")[0] for line in seen.splitlines()} == (
        {"PATH", "HOME", "TMPDIR", "LANG", strays.MARKER} | {"GREETING", "LD_PRELOAD"}
    )
    assert "GREETING=hé\n" in seen
    assert "PATH=/mine\n" in seen
    assert f"{strays.MARKER}={MACHINE}/" in seen
    assert "\nLD_PRELOAD=" not in f"\n{started_with}"  # the loader has not obeyed it
    assert finished.log == b""


def test_a_function_works_in_a_folder_of_its_own(runtime: ProcessRuntime, tmp_path: Path) -> None:
    here, mode, home, temporary = call(runtime, "where").output.decode().split()

    assert here.startswith(str(tmp_path / "scratch"))
    assert (mode, home, temporary) == ("700", here, here)


@pytest.mark.parametrize("name", ["hoarder", "giant"])
def test_filling_the_disk_ends_early(runtime: ProcessRuntime, name: str) -> None:
    finished = call(runtime, name)

    assert (finished.outcome, finished.exit_code) in {(Outcome.OUTPUT_LIMIT, 137), (Outcome.EXITED, 1)}


def test_folders_that_python_cannot_follow_are_removed(runtime: ProcessRuntime) -> None:
    assert call(runtime, "maze").outcome in {Outcome.EXITED, Outcome.OUTPUT_LIMIT}


def test_a_traceback_says_nothing_of_the_machine(runtime: ProcessRuntime) -> None:
    finished = call(runtime, "buggy")

    assert finished.exit_code == 1
    assert b'File "handler.py"' in finished.log
    assert b"RuntimeError: a bug" in finished.log
    assert b"launcher" not in finished.log
    assert os.fsencode(HOSTILE) not in finished.log


def test_a_reap_kills_the_strays_of_this_machine_only(tmp_path: Path) -> None:
    one, other = (
        ProcessRuntime(machine, tmp_path / machine, functions=HOSTILE) for machine in ("onex", "other")
    )
    (tmp_path / "onex" / "left over").mkdir(parents=True)
    task = make_run("chainfaas/stubborn")
    results: list[Finished] = []
    thread = threading.Thread(target=lambda: results.append(one.run(task, started.set)))
    started = threading.Event()
    thread.start()
    started.wait()

    other.reap()
    assert thread.is_alive()
    one.reap()
    thread.join(5)

    assert results[0].outcome == Outcome.SIGNALLED  # from outside: the machine's own life goes on
    assert list((tmp_path / "onex").iterdir()) == []


def test_a_host_that_cannot_start_processes_says_so(
    runtime: ProcessRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")

    with pytest.raises(RuntimeBroken, match="no process could be run: No such file"):
        call(runtime, "deaf")
