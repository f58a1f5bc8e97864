"""`/jobs`."""

from __future__ import annotations

import time
import uuid
from datetime import datetime

import pytest
from pytest_django import DjangoAssertNumQueries

from chainfaas.api.jobs import JobShape, shown
from chainfaas.errors import NoFunds
from chainfaas.jobs import lifecycle, selectors
from chainfaas.models import Job, JobOutput
from tasks import messages
from tests.cast import Ended, Machine, Person


def slowly(run: messages.Run) -> Ended:
    time.sleep(0.5)
    return Ended()


def test_a_job_tells_its_story(dora: Person, machine: Machine) -> None:
    id = dora.invoke("dora/example", b"x")["ChainFaaS-Job-Id"]

    job = dora.settled(id)

    assert job == {
        **job,
        "id": id,
        "function": "dora/example",
        "state": "succeeded",
        "attempt": 1,
        "provider": "pete/laptop",
        "exit_code": 0,
        "problem": "",
    }
    assert job["cost"] == 2  # a slice at rate 16 and 128 MiB
    assert [step["state"] for step in job["timeline"]] == [
        "submitted", "assigned", "recorded", "queued", "running", "succeeded",
    ]  # fmt: skip
    assert list(job["timings"]) == ["t_prc_ms", "t_prv_ms", "t_cmp_ms", "t_rsp_ms", "t_bil_ms"]
    assert list(job["ledger"]) == ["created_tx", "received_tx", "time_tx", "settled_tx"]
    assert all(job["ledger"].values())
    assert datetime.fromisoformat(job["created_at"]) < datetime.fromisoformat(job["finished_at"])
    assert job["created_at"].endswith("Z")


def test_the_list_is_the_latest_first_in_parts(dora: Person, machine: Machine) -> None:
    made = [dora.invoke("dora/example")["ChainFaaS-Job-Id"] for _ in range(3)]

    first = dora.get("/jobs?limit=2").json()
    second = dora.get(first["next"].partition("/api/v1")[2]).json()

    assert [job["id"] for job in first["results"] + second["results"]] == made[::-1]
    assert second["next"] is None


def test_a_list_costs_the_same_whatever_its_length(
    dora: Person, machine: Machine, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        dora.invoke("dora/example")

    with django_assert_num_queries(2):
        assert len(JobShape(shown(selectors.jobs_of(dora.user)), many=True).data) == 5


def test_cancelling_before_a_machine_has_it_costs_nothing(dora: Person) -> None:
    id = dora.invoke("dora/example", Prefer="respond-async").json()["id"]

    answer = dora.call("DELETE", f"/jobs/{id}")

    assert answer.status_code == 202
    assert answer.json()["state"] == "cancelled"
    assert dora.get(f"/jobs/{id}/result").status_code == 409
    assert dora.get(f"/jobs/{id}/logs").content == b""
    assert dora.call("DELETE", f"/jobs/{id}").status_code == 202
    assert dora.balance() == 10_000_000


def test_no_result_before_the_end(dora: Person) -> None:
    id = dora.invoke("dora/example", Prefer="respond-async").json()["id"]

    for part in ("result", "logs"):
        answer = dora.get(f"/jobs/{id}/{part}")
        assert answer.status_code == 409
        assert answer.json()["type"] == "/problems/not-ready"
        assert answer["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("tail", "text"),
    [("", "one\ntwo\nthree"), ("?tail=2", "two\nthree"), ("?tail=0", ""), ("?tail=9", "one\ntwo\nthree")],
)
def test_the_end_of_the_log(dora: Person, machine: Machine, tail: str, text: str) -> None:
    machine.behave = lambda run: Ended(log=b"one\ntwo\nthree")
    id = dora.invoke("dora/example")["ChainFaaS-Job-Id"]

    answer = dora.get(f"/jobs/{id}/logs{tail}")

    assert answer.content.decode() == text
    assert answer["Content-Type"] == "text/plain; charset=utf-8"


def test_a_log_of_any_bytes_is_text(dora: Person, machine: Machine) -> None:
    machine.behave = lambda run: Ended(log=b"\xff\xfe ok")

    id = dora.invoke("dora/example")["ChainFaaS-Job-Id"]

    assert dora.get(f"/jobs/{id}/logs").content.decode() == "�� ok"


def test_a_result_is_what_the_call_answered(dora: Person, machine: Machine) -> None:
    called = dora.invoke("dora/example", b'{"a": 1}')

    answer = dora.get(f"/jobs/{called['ChainFaaS-Job-Id']}/result")

    assert (answer.status_code, answer.content, answer["Content-Type"]) == (
        200, called.content, "application/json",
    )  # fmt: skip
    assert answer["ChainFaaS-Provider"] == "pete/laptop"


@pytest.mark.parametrize("id", [uuid.uuid4(), "nonsense", "1", "%00", "x" * 300])
def test_no_such_job_is_a_404(dora: Person, id: object) -> None:
    for path in (f"/jobs/{id}", f"/jobs/{id}/result", f"/jobs/{id}/logs"):
        assert dora.get(path).status_code == 404
    assert dora.call("DELETE", f"/jobs/{id}").status_code == 404


@pytest.mark.parametrize("query", ["limit=201", "limit=-1", "cursor=1", "cursor=%00", "cursor=" + "a" * 100])
def test_a_query_that_makes_no_sense_is_bad_input(dora: Person, query: str) -> None:
    assert dora.get(f"/jobs?{query}").status_code == 400


@pytest.mark.parametrize("tail", ["-1", "x", "9" * 40])
def test_a_tail_that_makes_no_sense_is_bad_input(dora: Person, tail: str) -> None:
    assert dora.get(f"/jobs/{uuid.uuid4()}/logs?tail={tail}").status_code == 400


def test_an_asynchronous_job_without_money_says_so_when_it_is_placed(dora: Person, machine: Machine) -> None:
    ids = [dora.invoke("dora/example", Prefer="respond-async").json()["id"] for _ in range(2)]
    dora.post("/withdrawals", {"amount": 10_000_000 - 2_400})
    machine.behave = slowly
    lifecycle.place(Job.objects.get(id=ids[0]))
    with pytest.raises(NoFunds):
        lifecycle.place(Job.objects.get(id=ids[1]))

    assert dora.get(f"/jobs/{ids[1]}").json()["problem"] == "no-funds"
    assert dora.get(f"/jobs/{ids[1]}/result").status_code == 402


def test_what_a_function_wrote_long_ago_is_a_404_that_says_why(dora: Person, machine: Machine) -> None:
    id = dora.invoke("dora/example", b"x")["ChainFaaS-Job-Id"]
    dora.settled(id)
    JobOutput.objects.all().delete()

    for path in (f"/jobs/{id}/result", f"/jobs/{id}/logs"):
        answer = dora.get(path)
        assert answer.status_code == 404
        assert "kept for 7 days" in answer.json()["detail"]
    assert dora.get(f"/jobs/{id}").json()["state"] == "succeeded"
