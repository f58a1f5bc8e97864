"""What a report means for a job, and whether it is billed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chainfaas.jobs import verdicts
from chainfaas.models import Job, State
from tasks.messages import RAN, Outcome, Result

START = datetime(2026, 1, 1, tzinfo=UTC)


def job(**fields: object) -> Job:
    return Job(**{"started_at": START, "timeout_s": 10, "memory_mb": 128, **fields})


def report(outcome: Outcome, exit_code: int = 0, detail: str = "") -> Result:
    return Result("", 1, outcome, exit_code, 5, 0, b"", b"", "", detail)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("outcome", "exit_code", "state", "says"),
    [
        (Outcome.EXITED, 0, State.SUCCEEDED, ""),
        (Outcome.EXITED, 1, State.FAILED, "The function ended with exit code 1."),
        (Outcome.SIGNALLED, 137, State.FAILED, "The function was killed by signal 9."),
        (Outcome.OUT_OF_MEMORY, 137, State.FAILED, "The function needed more memory than its 128 MiB."),
        (Outcome.OUTPUT_LIMIT, 137, State.FAILED, "The function wrote more than 1 MiB to stdout."),
    ],
)
def test_ends_by_the_functions_own_doing(outcome: Outcome, exit_code: int, state: State, says: str) -> None:
    verdict = verdicts.judge(job(), report(outcome, exit_code), after(1.0005))

    assert (verdict.state, verdict.detail, verdict.wall_ms) == (state, says, 1001)


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - RAN))
def test_ends_by_the_machines_fault_end_the_attempt_only(outcome: Outcome) -> None:
    verdict = verdicts.judge(job(), report(outcome, detail="no disk"), after(1))

    assert verdict.state is None
    assert verdict.problem
    assert verdict.detail.endswith("no disk")


@pytest.mark.parametrize(
    ("timeout_s", "wall_s", "true"),
    [
        (10, 10, True),
        (10, 9.51, True),
        (10, 9.49, False),
        (1, 0.76, True),
        (1, 0.74, False),
        (900, 800, False),
    ],
)
def test_a_timeout_is_believed_if_the_controller_saw_the_time_pass(
    timeout_s: int, wall_s: float, true: bool
) -> None:
    verdict = verdicts.judge(job(timeout_s=timeout_s), report(Outcome.TIMED_OUT), after(wall_s))

    assert verdict.state == (State.TIMED_OUT if true else None)


def test_a_stop_counts_only_if_the_owner_asked_for_it() -> None:
    stopped = report(Outcome.CANCELLED)

    assert verdicts.judge(job(), stopped, after(1)).state is None
    assert verdicts.judge(job(cancel_requested_at=START), stopped, after(1)).state == State.CANCELLED


def test_a_result_seen_before_its_start_took_no_time() -> None:
    assert verdicts.judge(job(), report(Outcome.EXITED), after(-5)).wall_ms == 0
    assert verdicts.judge(job(started_at=None), report(Outcome.EXITED), after(5)).wall_ms == 0


@pytest.mark.parametrize("state", list(State))
def test_who_pays(state: State) -> None:
    always = state in (State.SUCCEEDED, State.FAILED, State.TIMED_OUT)

    assert verdicts.is_billed(job(state=state, run_ms=5)) is (always or state == State.CANCELLED)
    assert verdicts.is_billed(job(state=state, run_ms=None)) is always
    assert verdicts.is_billed(job(state=state, run_ms=0, started_at=None)) is always
