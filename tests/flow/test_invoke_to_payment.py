"""From the HTTP call to the payment, over real HTTP."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from tests.platform import Person, Platform, threads

TEXT = (Path(__file__).parents[2] / "ops" / "demo" / "genesis.txt").read_bytes()


def test_the_main_job(dora: Person, pete: Person) -> None:
    dora_before, pete_before = dora.account(), pete.account()

    response = dora.invoke("example", TEXT)

    assert response.status_code == 200
    result = response.json()
    assert result["words"] == 38516
    assert result["top"][0] == ["and", 3678]
    job = dora.settled(response.headers["ChainFaaS-Job-Id"])
    assert job["state"] == "succeeded"
    assert [step["state"] for step in job["timeline"]] == [
        "submitted", "assigned", "recorded", "queued", "running", "succeeded",
    ]  # fmt: skip
    assert all(value is not None and value >= 0 for value in job["timings"].values())
    assert job["timings"]["t_prc_ms"] <= job["timings"]["t_prv_ms"] <= job["timings"]["t_rsp_ms"]
    assert job["cost"] == -(-job["billed_ms"] // 100) * 2  # rate 16 at 128 MiB
    assert all(job["ledger"].values())
    assert dora.account() == {"free": dora_before["free"] - job["cost"], "held": 0}
    assert pete.account()["free"] == pete_before["free"] + job["cost"]


def test_the_record_before_and_after(dora: Person, pete: Person) -> None:
    job = dora.settled(dora.invoke("example", b"a b").headers["ChainFaaS-Job-Id"])

    record = dora.get(f"/ledger/jobs/{job['id']}")
    history = dora.get(f"/ledger/jobs/{job['id']}/history")["results"]

    assert record["developer"] == dora.name
    assert record["provider"] == pete.name
    assert record["payment_done"] is True
    assert record["cost"] == job["cost"]
    assert history[0]["value"]["payment_done"] is False
    assert history[0]["tx_id"] == job["ledger"]["created_tx"]
    assert history[-1]["value"] == record
    assert [entry["block"] for entry in history] == sorted(entry["block"] for entry in history)


@pytest.mark.parametrize(
    ("image", "terms", "body", "status", "state"),
    [
        ("chainfaas/fail", {}, b"", 502, "failed"),
        ("chainfaas/crash", {}, b"", 502, "failed"),
        ("chainfaas/flood", {}, b"", 502, "failed"),
        ("chainfaas/greedy", {"memory_mb": 64}, b"", 502, "failed"),
        ("chainfaas/sleep", {"timeout_s": 1}, b"60", 504, "timed_out"),
        ("chainfaas/wordcount", {}, b"\xff\xfe\x00binary", 502, "failed"),
    ],
)
def test_the_functions_own_faults_are_billed(
    dora: Person, image: str, terms: dict[str, int], body: bytes, status: int, state: str
) -> None:
    before = dora.account()["free"]
    dora.deploy("wrong", image, **terms)

    response = dora.invoke("wrong", body)

    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["fault"] == "function"
    job = dora.settled(response.headers["ChainFaaS-Job-Id"])
    assert job["state"] == state
    assert job["cost"] > 0
    assert dora.account() == {"free": before - job["cost"], "held": 0}


def test_an_asynchronous_call(dora: Person) -> None:
    response = dora.invoke("example", b"one two", Prefer="respond-async")

    assert response.status_code == 202
    location = response.headers["Location"]
    job = dora.settled(response.json()["id"])
    result = dora.http.get(f"{location.removeprefix('/api/v1')}/result")
    assert job["state"] == "succeeded"
    assert json.loads(result.content) == {"words": 2, "top": [["one", 1], ["two", 1]]}


def test_more_asynchronous_calls_than_places_all_run(dora: Person) -> None:
    dora.deploy("naps", "chainfaas/sleep")

    jobs = [dora.invoke("naps", b"0.05", Prefer="respond-async").json()["id"] for _ in range(40)]

    assert {dora.settled(job, 60)["state"] for job in jobs} == {"succeeded"}


def test_cancelling_a_running_job_bills_what_ran(dora: Person) -> None:
    dora.deploy("sleeps", "chainfaas/sleep", timeout_s=60)
    before = dora.account()["free"]
    id = dora.invoke("sleeps", b"50", Prefer="respond-async").json()["id"]
    while dora.get(f"/jobs/{id}")["state"] != "running":
        time.sleep(0.02)

    assert dora.http.delete(f"/jobs/{id}").status_code == 202

    job = dora.settled(id, 5)
    assert job["state"] == "cancelled"
    assert 0 < job["billed_ms"] < 5000
    assert dora.account() == {"free": before - job["cost"], "held": 0}


def test_a_hundred_waiting_calls_do_not_need_a_hundred_workers(platform: Platform, dora: Person) -> None:
    dora.deploy("naps", "chainfaas/sleep", timeout_s=30)
    dora.invoke("naps", b"0")
    statuses: list[int] = []
    # The same key: a hundred callers wait for one job, which no machine's queue limits.
    calls = [
        threading.Thread(
            target=lambda: statuses.append(
                dora.invoke("naps", b"3", **{"Idempotency-Key": "the-same"}).status_code
            )
        )
        for _ in range(100)
    ]
    before = threads(platform.pid)
    for call in calls:
        call.start()
    time.sleep(1.5)

    asked = time.monotonic()
    assert dora.get("/me")["username"] == dora.name
    answered_s = time.monotonic() - asked
    during = threads(platform.pid)

    for call in calls:
        call.join()
    assert statuses == [200] * 100
    assert during - before < 50, f"{during - before} threads more for 100 waiting calls"
    assert answered_s < 1.5


def test_another_tenant_sees_nothing(dora: Person, eve: Person) -> None:
    id = dora.invoke("example", b"secret").headers["ChainFaaS-Job-Id"]

    for path in (f"/jobs/{id}", f"/jobs/{id}/result", f"/jobs/{id}/logs", f"/functions/{dora.name}/example"):
        assert eve.http.get(path).status_code == 404, path
    assert eve.http.delete(f"/jobs/{id}").status_code == 404
    assert eve.invoke(f"{dora.name}/example").status_code == 404


def test_the_ledger_verifies(dora: Person) -> None:
    verified = dora.get("/ledger/verify")

    assert verified["verified"] is True
    assert verified["height"] > 0
