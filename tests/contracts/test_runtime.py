"""One suite for every runtime: what a machine may rely on, whatever runs the functions."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tasks import limits, names
from tasks.messages import Outcome, Run
from tests.worker.making import make_run, nothing
from worker.runtime import Finished, ImageUnavailable, Runtime, RuntimeBroken
from worker.runtime.process import ProcessRuntime


@pytest.fixture(params=["process"])
def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runtime]:
    machine = f"pete{tmp_path.name[-8:]}".replace("_", "")
    runtime: Runtime = {"process": ProcessRuntime}[request.param](machine, tmp_path / "scratch")
    runtime.reap()
    yield runtime
    runtime.close()


def call(runtime: Runtime, task: Run) -> Finished:
    runtime.prepare(task.image)
    return runtime.run(task, nothing)


def test_stdin_goes_in_and_stdout_comes_out(runtime: Runtime) -> None:
    every_byte = bytes(range(256)) * 16

    finished = call(runtime, make_run("chainfaas/echo", input=every_byte))

    assert finished == Finished(Outcome.EXITED, 0, finished.run_ms, every_byte, b"")


def test_a_body_of_the_largest_size_passes(runtime: Runtime) -> None:
    body = b"\n" * limits.BODY

    assert call(runtime, make_run("chainfaas/echo", input=body)).output == body


def test_the_exit_code_and_the_log_of_a_failure_are_told(runtime: Runtime) -> None:
    finished = call(runtime, make_run("chainfaas/fail"))

    assert (finished.outcome, finished.exit_code) == (Outcome.EXITED, 3)
    assert finished.log == b"this function always fails\n"


def test_a_crash_is_told_as_its_signal(runtime: Runtime) -> None:
    finished = call(runtime, make_run("chainfaas/crash"))

    assert (finished.outcome, finished.exit_code) == (Outcome.SIGNALLED, 134)


def test_memory_over_the_limit_ends_a_function(runtime: Runtime) -> None:
    finished = call(runtime, make_run("chainfaas/greedy"))

    assert (finished.outcome, finished.exit_code) == (Outcome.OUT_OF_MEMORY, 137)


def test_output_over_the_limit_ends_a_function(runtime: Runtime) -> None:
    finished = call(runtime, make_run("chainfaas/flood"))

    assert (finished.outcome, finished.output) == (Outcome.OUTPUT_LIMIT, b"")


def test_time_over_the_limit_ends_a_function(runtime: Runtime) -> None:
    finished = call(runtime, make_run("chainfaas/sleep", input=b"60", timeout_s=1))

    assert (finished.outcome, finished.exit_code) == (Outcome.TIMED_OUT, 137)
    assert 1000 <= finished.run_ms < 2000


def test_run_time_is_the_functions_own_rounded_up(runtime: Runtime) -> None:
    finished = call(runtime, make_run("chainfaas/sleep", input=b"0.3"))

    assert isinstance(finished.run_ms, int)
    assert 300 <= finished.run_ms < 600


def test_the_latest_tag_is_the_same_image(runtime: Runtime) -> None:
    assert call(runtime, make_run("chainfaas/echo:latest", input=b"hi")).output == b"hi"


@pytest.mark.parametrize(
    "image",
    [
        *("chainfaas/unheard-of", "chainfaas/", "chainfaas/echo:v2", "chainfaas/ECHO", "echo", ""),
        *("../../../etc/passwd", "chainfaas/../echo", "chainfaas/echo/../fail", "/chainfaas/echo"),
        *("chainfaas/a\0b", "chainfaas/echo\n"),
    ],
)
def test_an_image_that_is_not_to_be_had_is_told_before_the_start(runtime: Runtime, image: str) -> None:
    with pytest.raises(ImageUnavailable):
        runtime.prepare(image)
    with pytest.raises(ImageUnavailable):
        runtime.run(make_run(image), pytest.fail)


def test_functions_run_side_by_side(runtime: Runtime) -> None:
    tasks = [make_run("chainfaas/sleep", input=b"1") for _ in range(4)]
    began = time.monotonic()

    with ThreadPoolExecutor(4) as pool:
        outcomes = {finished.outcome for finished in pool.map(lambda task: call(runtime, task), tasks)}

    assert outcomes == {Outcome.EXITED}
    assert time.monotonic() - began < 2


def test_a_running_function_can_be_stopped_by_another_thread(runtime: Runtime) -> None:
    task = make_run("chainfaas/sleep", input=b"60")
    task_id = names.task_id(task.job, task.attempt)
    stopper = threading.Timer(0.2, runtime.stop, [task_id])
    began = time.monotonic()

    finished = runtime.run(task, stopper.start)
    runtime.stop(task_id)

    assert (finished.outcome, finished.exit_code) == (Outcome.CANCELLED, 137)
    assert time.monotonic() - began < 2


def test_a_function_can_be_stopped_from_the_moment_of_its_start(runtime: Runtime) -> None:
    task = make_run("chainfaas/sleep", input=b"60")

    finished = runtime.run(task, lambda: runtime.stop(names.task_id(task.job, task.attempt)))

    assert finished.outcome == Outcome.CANCELLED


def test_stopping_what_does_not_run_does_nothing(runtime: Runtime) -> None:
    task = make_run("chainfaas/echo", input=b"hi")

    runtime.stop(names.task_id(task.job, task.attempt))

    assert call(runtime, task).output == b"hi"


def test_one_function_can_be_stopped_while_another_runs_on(runtime: Runtime) -> None:
    one, other = (make_run("chainfaas/sleep", input=b"0.5") for _ in range(2))

    with ThreadPoolExecutor(2) as pool:
        stopped = pool.submit(runtime.run, one, lambda: runtime.stop(names.task_id(one.job, one.attempt)))
        left_alone = pool.submit(runtime.run, other, nothing)

    assert (stopped.result().outcome, left_alone.result().outcome) == (Outcome.CANCELLED, Outcome.EXITED)


def test_closing_ends_what_runs_and_begins_nothing_more(runtime: Runtime) -> None:
    finished = runtime.run(make_run("chainfaas/sleep", input=b"60"), runtime.close)

    assert finished.outcome == Outcome.LOST
    with pytest.raises(RuntimeBroken):
        runtime.run(make_run("chainfaas/echo"), pytest.fail)
    runtime.close()


def test_reaping_may_be_repeated_and_finds_nothing_after_a_good_end(
    runtime: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    call(runtime, make_run("chainfaas/echo"))
    call(runtime, make_run("chainfaas/sleep", input=b"60", timeout_s=1))

    runtime.reap()
    runtime.reap()

    assert "runtime.reaped" not in capsys.readouterr().out
