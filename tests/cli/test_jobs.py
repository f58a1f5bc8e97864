"""jobs, logs, cancel."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Run
from tests.cli.fake import Answer, FakeServer, problem


def test_jobs_are_a_table(dora: Run, server: FakeServer) -> None:
    job = server.make_job()

    lines = dora("jobs").out.splitlines()

    assert lines[0].split()[:3] == ["JOB", "FUNCTION", "STATE"]
    assert lines[1].startswith(job)
    assert "1,234 µ" in lines[1]
    assert "\x1b" not in dora("jobs").out


def test_jobs_can_be_ids_only_or_json(dora: Run, server: FakeServer) -> None:
    job = server.make_job()

    assert dora("jobs", "-q").out == f"{job}\n"
    assert dora("jobs", "--json").json == [server.jobs[job]]


def test_no_jobs_says_what_to_do(dora: Run) -> None:
    ran = dora("jobs")

    assert (ran.code, ran.out) == (0, "")
    assert "chainfaas invoke" in ran.err


def test_one_job_has_timeline_timings_and_ledger(dora: Run, server: FakeServer) -> None:
    job = server.make_job()

    text = dora("jobs", job).out

    assert "finished to paid:" in text
    assert "31.7 ms" in text
    assert "submitted:" in text
    assert "settled:" in text
    assert dora("jobs", job, "--json").json == server.jobs[job]


def test_a_state_that_came_twice_is_shown_twice(dora: Run, server: FakeServer) -> None:
    again = [{"state": state, "at": f"10:0{i}"} for i, state in enumerate(["assigned", "assigned", "queued"])]
    job = server.make_job(timeline=again)

    assert dora("jobs", job).out.count("assigned:") == 2


def test_a_job_that_has_hardly_begun_can_be_shown(dora: Run, server: FakeServer) -> None:
    unknown = dict.fromkeys(
        ["provider", "finished_at", "exit_code", "billed_ms", "cost", "ledger", "timings"]
    )
    job = server.make_job(state="submitted", **unknown)

    assert dora("jobs", job).code == 0
    assert dora("jobs").code == 0


def test_result_is_the_result_and_nothing_else(dora: Run, server: FakeServer) -> None:
    job = server.make_job()
    server.results[job] = b"\x00\xff"

    ran = dora("jobs", job, "--result")

    assert (ran.code, ran.raw, ran.err) == (0, b"\x00\xff", "")
    assert dora("jobs", job, "--result", "--json").json == {"job": job, "result_base64": "AP8="}


def test_wait_is_for_the_end(dora: Run, server: FakeServer) -> None:
    job = server.make_job()
    running, done = {"id": job, "state": "running"}, server.jobs[job]
    server.script("GET", f"/api/v1/jobs/{job}", Answer(json=running), Answer(json=running), Answer(json=done))

    assert dora("jobs", job, "--wait", "5", "--result").raw == server.results[job]


def test_wait_has_an_end_itself(dora: Run, server: FakeServer) -> None:
    job = server.make_job(state="running")

    ran = dora("jobs", job, "--wait", "0.05")

    assert ran.code == 1
    assert "has not ended within 0.05 s" in ran.err


def test_a_result_that_is_not_there_yet_is_a_failure(dora: Run, server: FakeServer) -> None:
    job = server.make_job(state="running")
    server.script(
        "GET", f"/api/v1/jobs/{job}/result", problem(409, "not-ready", "Not ready", "It has not ended.")
    )

    ran = dora("jobs", job, "--result")

    assert (ran.code, ran.out) == (1, "")
    assert "--wait" in ran.err


@pytest.mark.parametrize("arguments", [["--result"], ["--wait", "3"], ["--limit", "0"], ["..", "--result"]])
def test_wrong_command_lines(dora: Run, server: FakeServer, arguments: list[str]) -> None:
    assert dora("jobs", *arguments).code == 2
    assert not server.seen


def test_anothers_job_is_not_there(dora: Run) -> None:
    for arguments in (["jobs", "x"], ["jobs", "x", "--result"], ["logs", "x"], ["cancel", "x"]):
        ran = dora(*arguments)
        assert (ran.code, ran.out) == (1, "")
        assert "Not found" in ran.err


def test_logs_are_written_as_they_are(dora: Run, server: FakeServer) -> None:
    job = server.make_job()

    assert dora("logs", job).out == "first line\nsecond line\n"
    assert dora("logs", job, "--tail", "1").out == "second line\n"
    assert dora("logs", job, "--tail", "0").out == ""
    assert dora("logs", job, "--json").json == {"job": job, "log": "first line\nsecond line\n"}


def test_logs_inside_json_are_taken_out(dora: Run, server: FakeServer) -> None:
    job = server.make_job()
    server.script("GET", f"/api/v1/jobs/{job}/logs", Answer(json={"logs": "inside\n"}))

    assert dora("logs", job).out == "inside\n"


def test_bytes_that_are_no_text_pass_through(dora: Run, server: FakeServer) -> None:
    job = server.make_job()
    server.script("GET", f"/api/v1/jobs/{job}/logs", Answer(body=b"\xff\n"))

    assert dora("logs", job).raw == b"\xff\n"
    assert dora("logs", job, "--json").code == 0


def test_cancel_prints_the_job(dora: Run, server: FakeServer) -> None:
    job = server.make_job(state="running")

    assert dora("cancel", job).out == f"{job}\n"
    assert dora("cancel", job, "--json").json["state"] == "cancelled"


def test_what_has_ended_cannot_be_cancelled(dora: Run, server: FakeServer) -> None:
    job = server.make_job()
    server.script("DELETE", f"/api/v1/jobs/{job}", problem(409, "ended", "It has ended"))

    assert dora("cancel", job).err == "error: It has ended\n"
