"""invoke: stdin in, only the result on stdout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.fake import TOKENS, Answer, FakeServer, problem

EXAMPLE = "/api/v1/functions/dora/example/invoke"
JOB = "01934d0c-5a1e-7cc3-9a7e-0c2f5be1d0aa"
BUSY = problem(503, "no-machine", "No machine is free", "All are busy.", "platform", Retry_After="0")


def test_only_the_result_is_on_stdout(dora: Run) -> None:
    ran = dora("invoke", "example", stdin=b"to be \xff\x00")

    assert (ran.code, ran.raw) == (0, b"TO BE \xff\x00")
    assert "provider laptop" in ran.err
    assert "duration 12.5 ms" in ran.err
    assert "cost 1,234 µ" in ran.err
    assert "job " in ran.err


def test_quiet_says_nothing_else(dora: Run) -> None:
    ran = dora("invoke", "example", "-q", stdin=b"x")

    assert (ran.raw, ran.err) == (b"X", "")


def test_the_input_can_be_a_file(dora: Run, tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_bytes(b"call me")

    assert dora("invoke", "dora/example", "--file", str(tmp_path / "book.txt")).raw == b"CALL ME"
    assert dora("invoke", "example", "--file", str(tmp_path / "none")).code == 2
    assert dora("invoke", "example", "--file", str(tmp_path)).code == 2


def test_no_input_is_an_empty_body(dora: Run) -> None:
    assert (dora("invoke", "example").raw, dora("invoke", "example").code) == (b"", 0)


def test_too_much_input_is_not_sent(dora: Run, server: FakeServer) -> None:
    ran = dora("invoke", "example", stdin=b"x" * (1024 * 1024 + 1))

    assert ran.code == 1
    assert "1,048,576 bytes" in ran.err
    assert not server.asked("POST", EXAMPLE)
    assert dora("invoke", "example", stdin=b"x" * 1024 * 1024).code == 0


def test_content_type_travels(dora: Run, server: FakeServer) -> None:
    dora("invoke", "example", "--content-type", "image/png")
    dora("invoke", "example")

    kinds = [request.headers["content-type"] for request in server.asked("POST", EXAMPLE)]
    assert kinds == ["image/png", "application/octet-stream"]


def test_each_call_has_an_idempotency_key_of_its_own(dora: Run, server: FakeServer) -> None:
    dora("invoke", "example")
    dora("invoke", "example")
    dora("invoke", "example", "--idempotency-key", "mine")

    keys = [request.headers["idempotency-key"] for request in server.asked("POST", EXAMPLE)]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


@pytest.mark.parametrize("key", ["", " ", "é", "a\nb", "x" * 256])
def test_a_key_that_no_header_can_carry_is_a_wrong_command_line(dora: Run, key: str) -> None:
    assert dora("invoke", "example", "--idempotency-key", key).code == 2


def test_a_broken_call_is_sent_again_with_the_same_key(dora: Run, server: FakeServer) -> None:
    server.script("POST", EXAMPLE, Answer(broken=True), Answer(body=b"once"))

    ran = dora("invoke", "example", stdin=b"x")

    assert (ran.code, ran.raw) == (0, b"once")
    first, second = server.asked("POST", EXAMPLE)
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.body == second.body == b"x"


def test_when_the_way_stays_broken_the_key_is_told(dora: Run, server: FakeServer) -> None:
    server.script("POST", EXAMPLE, Answer(broken=True))

    ran = dora("invoke", "example", "--idempotency-key", "k1")

    assert (ran.code, ran.out) == (1, "")
    assert "--idempotency-key k1" in ran.err
    assert len(server.asked("POST", EXAMPLE)) == 3


def test_a_busy_platform_is_asked_again(dora: Run, server: FakeServer) -> None:
    server.script("POST", EXAMPLE, BUSY, BUSY, Answer(body=b"done"))

    ran = dora("invoke", "example")

    assert (ran.code, ran.raw) == (0, b"done")
    assert ran.err.count("No machine is free: All are busy.") == 1


def test_but_not_longer_than_asked_for(dora: Run, server: FakeServer) -> None:
    server.script("POST", EXAMPLE, problem(503, "busy", "Busy", "", "platform", Retry_After="30"))

    ran = dora("invoke", "example", "--retry-for", "20")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines() == ["error: Busy (the platform's fault)", "Try again in 30 s."]
    assert len(server.asked("POST", EXAMPLE)) == 1


def test_retry_for_nothing_is_one_call(dora: Run, server: FakeServer) -> None:
    server.script("POST", EXAMPLE, problem(503, "busy", "Busy", "", "platform", Retry_After="1"))

    assert dora("invoke", "example", "--retry-for", "0").code == 1
    assert len(server.asked("POST", EXAMPLE)) == 1


def test_a_503_without_a_time_is_final(dora: Run, server: FakeServer) -> None:
    server.script("POST", EXAMPLE, problem(503, "no-runtime", "No machine runs containers", "Connect one."))

    assert dora("invoke", "example").code == 1
    assert len(server.asked("POST", EXAMPLE)) == 1


@pytest.mark.parametrize("slug", ["job-lost", "no-runtime"])
def test_what_waiting_does_not_cure_is_final(dora: Run, server: FakeServer, slug: str) -> None:
    server.script("POST", EXAMPLE, problem(503, slug, "Sorry", "It is so.", "provider", Retry_After="0"))

    assert dora("invoke", "example").code == 1
    assert len(server.asked("POST", EXAMPLE)) == 1


@pytest.mark.parametrize("slug", ["no-runtime", "no-provider", "no-funds"])
def test_a_job_that_never_ran_has_no_log_to_point_at(dora: Run, server: FakeServer, slug: str) -> None:
    headers = {"ChainFaaS_Job_Id": JOB, "Retry_After": "20"}
    server.script("POST", EXAMPLE, problem(503, slug, "Sorry", "It is so.", "platform", **headers))

    ran = dora("invoke", "example")

    assert "chainfaas logs" not in ran.err
    assert ("Try again" in ran.err) is (slug != "no-runtime")


def test_a_date_may_say_when_to_come_back(dora: Run, server: FakeServer) -> None:
    past = "Fri, 20 Nov 2020 10:00:00 GMT"
    server.script("POST", EXAMPLE, problem(503, "busy", "Busy", Retry_After=past), Answer(body=b"done"))

    assert dora("invoke", "example").raw == b"done"


def test_async_prints_the_job_only(dora: Run, server: FakeServer) -> None:
    ran = dora("invoke", "example", "--async", stdin=b"x")

    assert ran.code == 0
    assert ran.out.strip() in server.jobs
    assert ran.err == ""
    assert server.asked("POST", EXAMPLE)[0].headers["prefer"] == "respond-async"


def test_async_finds_the_job_in_the_location_too(dora: Run, server: FakeServer) -> None:
    server.script("POST", EXAMPLE, Answer(202, headers={"Location": f"/api/v1/jobs/{JOB}"}))

    assert dora("invoke", "example", "--async").out == f"{JOB}\n"
    assert dora("invoke", "example", "--async", "--json").json["id"] == JOB


def test_wait_travels(dora: Run, server: FakeServer) -> None:
    dora("invoke", "example", "--wait", "5")

    assert server.asked("POST", EXAMPLE)[0].headers["prefer"] == "wait=5"
    assert dora("invoke", "example", "--wait", "5", "--async").code == 2
    assert dora("invoke", "example", "--wait", "-1").code == 2


def test_json_wraps_the_result(dora: Run) -> None:
    ran = dora("invoke", "example", "--json", stdin=b"hi")

    assert ran.json["result"] == "HI"
    assert (ran.json["provider"], ran.json["duration_ms"], ran.json["cost"]) == ("laptop", 12.5, 1234)
    assert dora("invoke", "example", "--json", stdin=b"\xff").json["result_base64"] == "/w=="


def test_what_still_runs_is_said_with_how_to_fetch_it(dora: Run, server: FakeServer) -> None:
    headers = {"ChainFaaS_Job_Id": JOB, "Retry_After": "5"}
    answer = problem(504, "still-running", "Still running", "It goes on.", "platform", **headers)
    server.script("POST", EXAMPLE, answer)

    ran = dora("invoke", "example")

    assert (ran.code, ran.out) == (1, "")
    assert f"chainfaas jobs {JOB}" in ran.err
    assert f"chainfaas logs {JOB}" in ran.err
    assert "--result" in ran.err
    assert "fault" not in ran.err
    assert "Try again" not in ran.err


def test_a_failed_function_leaves_stdout_empty(dora: Run, server: FakeServer) -> None:
    answer = problem(
        502, "function-failed", "The function failed", "Exit 3.", "function", ChainFaaS_Job_Id=JOB
    )
    server.script("POST", EXAMPLE, answer)

    ran = dora("invoke", "example")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: The function failed: Exit 3. (the function's fault)\n")
    assert f"chainfaas logs {JOB}" in ran.err


def test_no_money_says_how_to_deposit(dora: Run, server: FakeServer) -> None:
    detail = "Deposit with `chainfaas ledger deposit 500`."
    server.script("POST", EXAMPLE, problem(402, "no-funds", "Not enough money", detail))

    ran = dora("invoke", "example")

    assert (ran.code, ran.out) == (1, "")
    assert detail in ran.err


def test_a_public_function_needs_no_login(run: Run, server: FakeServer) -> None:
    server.make_function("dora", "open", public=True)

    ran = run("invoke", "dora/open", stdin=b"hi")

    assert (ran.code, ran.raw) == (0, b"HI")
    assert "idempotency-key" not in server.seen[-1].headers
    assert "authorization" not in server.seen[-1].headers


def test_an_anonymous_call_is_not_sent_twice(run: Run, server: FakeServer) -> None:
    server.script("POST", EXAMPLE, Answer(broken=True))

    assert run("invoke", "dora/example").code == 1
    assert len(server.seen) == 1
    assert run("invoke", "dora/example", "--idempotency-key", "k").code == 2


def test_an_anonymous_async_call_tells_where_the_result_will_be(run: Run, server: FakeServer) -> None:
    server.script("POST", EXAMPLE, Answer(202, headers={"Location": "/api/v1/results/unguessable"}))

    ran = run("invoke", "dora/example", "--async")

    assert ran.code == 0
    assert "/api/v1/results/unguessable" in ran.err


def test_ctrl_c_is_one_line_and_tells_the_key(server: FakeServer, home: Path) -> None:
    server.script("POST", EXAMPLE, problem(503, "busy", "Busy", Retry_After="20"))
    env = {
        **os.environ,
        "CHAINFAAS_URL": server.url,
        "CHAINFAAS_TOKEN": TOKENS["dora"],
        "XDG_CONFIG_HOME": str(home.parent),
    }
    command = [sys.executable, "-m", "chainfaas.cli.main", "invoke", "example"]
    command += ["--retry-for", "60", "--idempotency-key", "k1"]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
    )
    while not server.asked("POST", EXAMPLE):
        time.sleep(0.01)
    time.sleep(0.2)

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)

    assert (process.returncode, out) == (1, b"")
    assert b"error: interrupted" in err
    assert b"--idempotency-key k1" in err
    assert b"Traceback" not in err
