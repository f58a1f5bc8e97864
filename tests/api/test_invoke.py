"""`POST /functions/{owner}/{name}/invoke`."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone
from kombu.exceptions import OperationalError
from pytest_django.fixtures import Settings

from chainfaas import dispatch
from chainfaas.errors import LedgerAway
from chainfaas.jobs import lifecycle, selectors
from chainfaas.ledger import jobs as ledger_jobs
from chainfaas.models import Function, Job, JobInput, State
from tasks import limits, messages
from tasks.messages import Outcome
from tests.cast import Ended, Machine, Person, at_once, call, invoke, until


def slowly(run: messages.Run) -> Ended:
    time.sleep(0.5)
    return Ended(b"at last")


# --- the result --------------------------------------------------------------------------------------------


def test_a_call_answers_with_what_the_function_wrote(dora: Person, machine: Machine) -> None:
    answer = dora.invoke("dora/example", b"hello")

    assert answer.status_code == 200, answer.content
    assert answer.content == b"hello"
    assert answer["ChainFaaS-Provider"] == "pete/laptop"
    assert answer["ChainFaaS-Duration-Ms"] == "20"
    assert machine.runs[0].job == answer["ChainFaaS-Job-Id"]


@pytest.mark.parametrize(
    ("output", "kind"),
    [
        (b"", "text/plain; charset=utf-8"),
        ("grüß dich".encode(), "text/plain; charset=utf-8"),
        (b"{not json", "text/plain; charset=utf-8"),
        (b"[" * 100_000, "text/plain; charset=utf-8"),
        (b'{"words": 2}\n', "application/json"),
        (b"\xff\x00", "application/octet-stream"),
        (b"<script>alert(1)</script>", "text/plain; charset=utf-8"),
    ],
)
def test_the_content_type_is_what_the_output_looks_like(
    dora: Person, machine: Machine, output: bytes, kind: str
) -> None:
    answer = dora.invoke("dora/example", output)

    assert answer.content == output
    assert answer["Content-Type"] == kind
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_a_body_that_is_no_text_arrives_as_it_is(dora: Person, machine: Machine) -> None:
    dora.invoke("dora/example", bytes(range(256)))

    assert machine.runs[0].input == bytes(range(256))


# --- the function's fault ----------------------------------------------------------------------------------


def test_a_failing_function_is_a_502_and_billed(dora: Person, machine: Machine) -> None:
    machine.behave = lambda run: Ended(exit_code=3, log=b"oh no")

    answer = dora.invoke("dora/example")

    problem = answer.json()
    assert answer.status_code == problem["status"] == 502
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["ChainFaaS-Function-Error"] == "failed"
    assert problem["type"] == "/problems/function-failed"
    assert problem["fault"] == "function"
    assert problem["exit_code"] == 3
    assert dora.get(problem["logs"].removeprefix("/api/v1")).content == b"oh no"
    assert dora.settled(answer["ChainFaaS-Job-Id"])["cost"] > 0


def test_a_function_over_its_time_is_a_504(dora: Person, machine: Machine) -> None:
    dora.deploy("slow", timeout_s=1)

    def late(run: messages.Run) -> Ended:
        Job.objects.filter(id=run.job).update(started_at=timezone.now() - timedelta(seconds=1))
        return Ended(outcome=Outcome.TIMED_OUT, exit_code=137, run_ms=1000)

    machine.behave = late
    answer = dora.invoke("dora/slow")

    assert answer.status_code == 504
    assert answer.json()["type"] == "/problems/function-timeout"
    assert answer["ChainFaaS-Job-Id"] == answer.json()["job"]


def test_a_machine_that_cannot_run_it_is_tried_no_further_than_three_times(
    dora: Person, machine: Machine
) -> None:
    def broken(run: messages.Run) -> Ended:
        return Ended(outcome=Outcome.RUNTIME_BROKEN, run_ms=0)

    machine.behave = broken
    answer = dora.invoke("dora/example", Prefer="respond-async")
    for _ in range(3):
        job = Job.objects.get(id=answer["ChainFaaS-Job-Id"])
        lifecycle.place(job)
        until(lambda job=job: Job.objects.get(id=job.id).state in (State.SUBMITTED, State.LOST))

    result = dora.get(f"/jobs/{job.key}/result")
    assert result.status_code == 503
    assert result.json()["type"] == "/problems/job-lost"
    assert result["Retry-After"]
    assert dora.balance() == 10_000_000


# --- waiting -----------------------------------------------------------------------------------------------


def test_respond_async_answers_at_once(dora: Person, machine: Machine) -> None:
    answer = dora.invoke("dora/example", b"later", Prefer="respond-async")

    job = answer.json()
    assert answer.status_code == 202
    assert answer["Location"] == f"/api/v1/jobs/{job['id']}"
    assert answer["Preference-Applied"] == "respond-async"
    assert answer["ChainFaaS-Job-Id"] == job["id"]
    assert job["state"] == "submitted"
    assert dora.get(f"/jobs/{job['id']}/result").status_code == 409
    lifecycle.place(Job.objects.get(id=job["id"]))  # what a worker does
    dora.settled(job["id"])
    assert dora.get(f"/jobs/{job['id']}/result").content == b"later"


def test_whoever_waits_too_short_learns_where_the_job_is(dora: Person, machine: Machine) -> None:
    machine.behave = slowly

    answer = dora.invoke("dora/example", Prefer="wait=0")

    assert answer.status_code == 504
    assert answer.json()["type"] == "/problems/still-running"
    assert answer["Location"] == f"/api/v1/jobs/{answer['ChainFaaS-Job-Id']}"
    until(lambda: dora.get(f"/jobs/{answer['ChainFaaS-Job-Id']}").json()["state"] == "succeeded")


def test_whoever_asked_for_both_gets_a_202_when_time_is_up(dora: Person, machine: Machine) -> None:
    answer = dora.invoke("dora/example", Prefer="respond-async, wait=0")

    assert answer.status_code == 202
    assert answer["Preference-Applied"] == "respond-async, wait=0"


def test_whoever_asked_for_both_gets_the_result_if_it_comes_in_time(dora: Person, machine: Machine) -> None:
    first = dora.invoke("dora/example", b"x", Idempotency_Key="k")

    answer = dora.invoke("dora/example", b"x", Idempotency_Key="k", Prefer="respond-async, wait=5")

    assert answer.status_code == 200
    assert answer["ChainFaaS-Job-Id"] == first["ChainFaaS-Job-Id"]


@pytest.mark.parametrize("wish", ["wait=soon", "wait=-1", f"wait={'9' * 5000}", "handling=strict", ",;=,"])
def test_a_preference_that_makes_no_sense_is_ignored(dora: Person, machine: Machine, wish: str) -> None:
    assert dora.invoke("dora/example", Prefer=wish).status_code == 200


# --- the same call twice -----------------------------------------------------------------------------------


def test_two_calls_with_one_key_at_the_same_instant_are_one_job(dora: Person, machine: Machine) -> None:
    machine.behave = slowly
    same = partial(dora.invoke, "dora/example", b"once", Idempotency_Key="one")

    answers = at_once(*[same] * 4)

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.content for answer in answers} == {b"at last"}
    assert len({answer["ChainFaaS-Job-Id"] for answer in answers}) == 1
    assert len(machine.runs) == 1


def test_the_same_key_with_another_body_is_refused(dora: Person, machine: Machine) -> None:
    dora.invoke("dora/example", b"one", Idempotency_Key="k")

    answer = dora.invoke("dora/example", b"two", Idempotency_Key="k")

    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/key-reused"


def test_a_refused_call_does_not_use_up_its_key(dora: Person, pete: Person) -> None:
    assert dora.invoke("dora/example", Idempotency_Key="k").status_code == 503

    with Machine.of(pete):
        assert dora.invoke("dora/example", Idempotency_Key="k").status_code == 200


def test_a_key_that_is_freed_at_this_very_moment_makes_a_new_job(
    dora: Person, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    dora.invoke("dora/example", Idempotency_Key="k")
    made_before = lifecycle._made_before

    def freed(*call: Any) -> Job | None:
        Job.objects.update(idempotency_key=None)
        return made_before(*call)

    monkeypatch.setattr(lifecycle, "_made_before", freed)

    assert dora.invoke("dora/example", Idempotency_Key="k").status_code == 200
    assert len(machine.runs) == 2


def test_a_function_that_is_deleted_at_this_very_moment_is_a_404(
    dora: Person, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = selectors.function

    def gone(*call: Any, **options: Any) -> Function:
        found = find(*call, **options)
        Function.objects.filter(id=found.id).delete()
        return found

    monkeypatch.setattr(selectors, "function", gone)

    assert dora.invoke("dora/example").status_code == 404


@pytest.mark.parametrize("key", ["", "k" * 256, "schlüssel", "a\tb"])
def test_a_key_that_is_none_is_bad_input(dora: Person, key: str) -> None:
    answer = dora.invoke("dora/example", Idempotency_Key=key)

    assert answer.status_code == 400
    assert not Job.objects.exists()


# --- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefer", [{}, {"Prefer": "respond-async"}])
@pytest.mark.parametrize("name", ["dora/nothing", "nobody/example", "dora/NO", "dora/a%00b", "eve/example"])
def test_an_unknown_function_is_a_404(dora: Person, eve: Person, name: str, prefer: dict[str, str]) -> None:
    assert dora.invoke(name, **prefer).status_code == 404


def test_a_stopped_function_is_a_409_until_it_is_started(dora: Person, machine: Machine) -> None:
    dora.post("/functions/dora/example/stop")
    answer = dora.invoke("dora/example")
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/function-stopped"

    dora.post("/functions/dora/example/start")
    assert dora.invoke("dora/example").status_code == 200


def test_a_body_over_1_mib_is_a_413_and_one_of_1_mib_is_not(dora: Person, machine: Machine) -> None:
    assert dora.invoke("dora/example", b"x" * limits.BODY).status_code == 200

    answer = dora.invoke("dora/example", b"x" * (limits.BODY + 1))

    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/too-large"
    assert Job.objects.count() == 1


def test_nobody_connected_is_a_503_that_costs_nothing(dora: Person, settings: Settings) -> None:
    answer = dora.invoke("dora/example")

    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/no-provider"
    assert answer["Retry-After"]
    job = dora.get(f"/jobs/{answer['ChainFaaS-Job-Id']}").json()
    assert (job["state"], job["problem"], job["settled"]) == ("cancelled", "no-provider", True)
    assert dora.balance() == 10_000_000


@pytest.mark.parametrize("prefer", [{}, {"Prefer": "respond-async"}])
def test_an_image_that_no_machine_runs_is_a_503_with_the_cure(
    dora: Person, machine: Machine, prefer: dict[str, str]
) -> None:
    machine.row.containers = False
    machine.row.save()
    dora.deploy("own", image="docker.io/library/python:3.11")

    answer = dora.invoke("dora/own", **prefer)

    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/no-runtime"
    assert "Docker" in answer.json()["detail"]
    assert not JobInput.objects.exists()


def test_an_image_that_no_machine_runs_yet_may_wait_for_the_first_machine(dora: Person) -> None:
    dora.deploy("own", image="docker.io/library/python:3.11")

    assert dora.invoke("dora/own", Prefer="respond-async").status_code == 202


def test_asynchronous_calls_are_refused_when_too_many_wait_and_others_are_not(
    dora: Person, pete: Person, settings: Settings
) -> None:
    settings.WAITING_JOBS = 2
    statuses = [dora.invoke("dora/example", Prefer="respond-async").status_code for _ in range(2)]

    refused = dora.invoke("dora/example", Prefer="respond-async")

    assert [*statuses, refused.status_code] == [202, 202, 429]
    assert refused["Retry-After"]
    with Machine.of(pete):
        assert dora.invoke("dora/example").status_code == 200


@pytest.mark.parametrize("prefer", [{}, {"Prefer": "respond-async"}])
def test_no_funds_is_a_402_that_says_how_to_deposit(
    dora: Person, machine: Machine, prefer: dict[str, str]
) -> None:
    dora.post("/withdrawals", {"amount": 10_000_000})

    answer = dora.invoke("dora/example", **prefer)

    assert answer.status_code == 402, answer.content
    assert "POST /api/v1/deposits" in answer.json()["detail"]
    assert answer["ChainFaaS-Job-Id"] == answer.json()["job"]
    assert dora.get(f"/jobs/{answer['ChainFaaS-Job-Id']}").json()["state"] == "cancelled"
    assert dora.get(f"/jobs/{answer['ChainFaaS-Job-Id']}/result").status_code == 402
    assert not machine.runs


def test_a_ledger_that_is_away_is_a_503(
    dora: Person, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(job: Job) -> str:
        raise LedgerAway

    monkeypatch.setattr(ledger_jobs, "create", away)

    answer = dora.invoke("dora/example")

    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/ledger-away"
    assert Job.objects.get(id=answer["ChainFaaS-Job-Id"]).state == State.CANCELLED


def test_a_broker_that_goes_away_before_the_send_does_not_lose_the_job(
    dora: Person, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(job: Job) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(dispatch, "run", away)

    answer = dora.invoke("dora/example", Prefer="wait=1")

    assert answer.status_code == 504  # it is on the ledger, and the sweeper will send it
    assert Job.objects.get(id=answer["ChainFaaS-Job-Id"]).state == State.RECORDED


def test_a_job_that_its_owner_cancels_is_a_409_for_who_waits(dora: Person, machine: Machine) -> None:
    def cancelled(run: messages.Run) -> Ended:
        lifecycle.cancel(Job.objects.get(id=run.job))
        return Ended(outcome=Outcome.CANCELLED, exit_code=137)

    machine.behave = cancelled
    answer = dora.invoke("dora/example")

    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/job-cancelled"


# --- public functions --------------------------------------------------------------------------------------


@pytest.fixture
def open_function(dora: Person) -> str:
    dora.deploy("open", public=True, daily_budget=1_000_000)
    return "dora/open"


def test_a_public_function_needs_no_token_and_its_owner_pays(
    dora: Person, machine: Machine, open_function: str
) -> None:
    answer = invoke(open_function, b"hello")

    assert answer.content == b"hello"
    assert dora.settled(answer["ChainFaaS-Job-Id"])["cost"] > 0
    assert invoke("dora/example").status_code == 404


def test_an_asynchronous_call_without_a_token_gets_an_address_nobody_can_guess(
    dora: Person, machine: Machine, open_function: str
) -> None:
    location = invoke(open_function, b"hello", Prefer="respond-async")["Location"].removeprefix("/api/v1")
    path, key = location.split("?")
    lifecycle.place(Job.objects.get(id=path.rpartition("/")[2]))
    until(lambda: call("GET", location).json()["settled"])

    assert call("GET", f"{path}/result?{key}").content == b"hello"
    assert call("GET", path).status_code == 401
    assert call("GET", f"{path}/result?key=guess").status_code == 404
    assert call("GET", f"{path}/logs?{key}").status_code == 401
    assert call("DELETE", f"{path}?{key}").status_code == 401


def test_a_key_without_a_token_is_bad_input(open_function: str) -> None:
    assert invoke(open_function, Idempotency_Key="k").status_code == 400


def test_the_daily_budget_holds(dora: Person, machine: Machine) -> None:
    dora.deploy("open", public=True, daily_budget=2_400, timeout_s=30, memory_mb=128)
    assert invoke("dora/open").status_code == 200

    answer = invoke("dora/open")

    assert answer.status_code == 429
    assert answer.json()["type"] == "/problems/budget-spent"
    assert answer["Retry-After"]
    assert dora.invoke("dora/open").status_code == 200  # one's own calls are not others'


def test_calls_without_a_token_are_throttled_by_address(
    machine: Machine, open_function: str, settings: Settings
) -> None:
    settings.PUBLIC_CALLS_PER_MINUTE = 2
    statuses = [invoke(open_function).status_code for _ in range(3)]

    forwarded = invoke(open_function, X_Forwarded_For="192.0.2.7")
    settings.TRUSTED_PROXIES = 1
    behind_a_proxy = invoke(open_function, X_Forwarded_For="10.0.0.1, 192.0.2.7")

    assert statuses == [200, 200, 429]
    assert forwarded.status_code == 429, "anybody can write that header"
    assert int(forwarded["Retry-After"]) <= 60
    assert behind_a_proxy.status_code == 200


def test_calls_without_a_token_have_a_limit_over_all_functions(
    open_function: str, settings: Settings
) -> None:
    settings.ALL_PUBLIC_CALLS_PER_MINUTE = 2

    assert [invoke(f"nobody/f{n}").status_code for n in range(3)] == [404, 404, 429]


def test_another_developer_calls_a_public_function_and_sees_no_log(
    dora: Person, eve: Person, machine: Machine, open_function: str
) -> None:
    machine.behave = lambda run: Ended(exit_code=1, log=b"dora's secret")

    answer = eve.invoke(open_function)

    assert answer.status_code == 502
    assert "logs" not in answer.json()
    assert eve.get(f"/jobs/{answer['ChainFaaS-Job-Id']}").status_code == 200
    assert eve.get(f"/jobs/{answer['ChainFaaS-Job-Id']}/logs").status_code == 404
    assert Function.objects.get(name="open").jobs.get().developer == dora.user
