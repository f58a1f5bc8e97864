"""`/ledger`, and the index behind an account's history."""

from __future__ import annotations

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from chaincode.blocks import Verification
from chaincode.client import Ledger
from chainfaas.ledger import account_index, blocks, connection
from chainfaas.models import AccountChange, AccountPart, IndexedHeight
from tests.cast import Ended, Machine, Person, at_once, call


@pytest.fixture
def job(dora: Person, machine: Machine) -> str:
    """A job that is paid."""
    id: str = dora.invoke("dora/example")["ChainFaaS-Job-Id"]
    dora.settled(id)
    return id


def test_the_record_has_names(dora: Person, job: str) -> None:
    record = dora.get(f"/ledger/jobs/{job}").json()

    assert record == {
        **record,
        "job": job,
        "developer": "dora",
        "provider": "pete",
        "function": "dora/example",
        "time_ms": dora.get(f"/jobs/{job}").json()["billed_ms"],
        "cost": 2,
        "received": True,
        "payment_done": True,
    }
    assert "machine" not in record


def test_the_history_has_each_change_in_order(dora: Person, job: str) -> None:
    history = dora.get(f"/ledger/jobs/{job}/history").json()["results"]

    transactions = dora.get(f"/jobs/{job}").json()["ledger"]
    assert [change["tx_id"] for change in history] == [transactions["created_tx"], transactions["settled_tx"]]
    assert history[0]["block"] < history[1]["block"]
    assert [change["value"]["payment_done"] for change in history] == [False, True]
    assert history[-1]["value"] == dora.get(f"/ledger/jobs/{job}").json()


def test_a_job_that_never_got_there_has_no_record(dora: Person) -> None:
    id = dora.invoke("dora/example", Prefer="respond-async").json()["id"]

    assert dora.get(f"/ledger/jobs/{id}").status_code == 404
    assert dora.get(f"/ledger/jobs/{id}/history").json() == {"results": [], "next": None}


def test_an_account_and_its_history(dora: Person, pete: Person, job: str) -> None:
    dora.post("/withdrawals", {"amount": 98})

    history = dora.get("/ledger/accounts/dora/history").json()["results"]

    assert dora.get("/ledger/accounts/dora").json() == {"free": 9_999_900, "held": 0}
    assert [(row["why"], row["change"], row["value"]) for row in history] == [
        ("deposit", 10_000_000, {"free": 10_000_000, "held": 0}),
        ("create", 0, {"free": 9_997_600, "held": 2_400}),
        ("finish", -2, {"free": 9_999_998, "held": 0}),
        ("withdraw", -98, {"free": 9_999_900, "held": 0}),
    ]
    assert pete.get("/ledger/accounts/pete/history").json()["results"][-1]["change"] == 2


def test_a_history_goes_on_where_it_ended(dora: Person, job: str) -> None:
    first = dora.get("/ledger/accounts/dora/history?limit=2").json()
    second = dora.get(first["next"].partition("/api/v1")[2]).json()

    assert [row["why"] for row in first["results"] + second["results"]] == ["deposit", "create", "finish"]


def test_staff_see_every_account(dora: Person, eve: Person) -> None:
    assert eve.get("/ledger/accounts/dora").status_code == 404
    assert eve.get("/ledger/accounts/nobody").status_code == 404
    eve.user.is_staff = True
    eve.user.save()

    assert eve.get("/ledger/accounts/dora").json()["free"] == 10_000_000
    assert eve.get("/ledger/accounts/dora/history").status_code == 200


def test_the_index_is_the_same_read_at_once_or_anew(
    dora: Person, pete: Person, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_index, "AT_ONCE", 2)
    machine.behave = lambda run: Ended(exit_code=len(run.input) % 2)
    for n in range(4):
        dora.settled(dora.invoke("dora/example", b"x" * n)["ChainFaaS-Job-Id"])

    at_once(*[account_index.catch_up] * 4)
    account_index.catch_up()
    step_by_step = index()
    account_index.rebuild()

    assert index() == step_by_step
    assert IndexedHeight.objects.get().height == blocks.height()
    for person in (dora, pete):
        parts = AccountPart.objects.filter(account=str(person.user.id))
        assert sum(part.free + part.held for part in parts) == person.balance()
        assert AccountChange.objects.filter(account=str(person.user.id)).last().free == person.balance()


def index() -> list[tuple[object, ...]]:
    return list(AccountChange.objects.order_by("id").values_list("account", "tx_id", "free", "held"))


def test_the_chain_is_open_to_all(dora: Person, job: str) -> None:
    listed = call("GET", "/ledger/blocks?limit=2").json()
    block = call("GET", "/ledger/blocks/1").json()

    height = blocks.height()
    assert [row["number"] for row in listed["results"]] == [height - 1, height - 2]
    assert listed["results"][0]["previous_hash"] == listed["results"][1]["hash"]
    following = call("GET", listed["next"].partition("/api/v1")[2]).json()
    assert following["results"][0]["number"] == height - 3
    assert block["number"] == 1
    assert call("GET", f"/ledger/blocks/{height}").status_code == 404
    assert call("GET", f"/ledger/blocks/{10**40}").status_code == 404
    assert call("GET", "/ledger/blocks?cursor=0").json() == {"results": [], "next": None}
    assert call("GET", "/ledger/verify").json() == {"verified": True, "height": height, "fault": None}


def test_what_calls_speak_of_is_for_those_who_check_the_chain(dora: Person, eve: Person, job: str) -> None:
    assert "dora/example" not in eve.get("/ledger/blocks").content.decode()

    eve.call("PATCH", "/me", {"roles": ["peer"]})

    assert "dora/example" in eve.get("/ledger/blocks").content.decode()


def test_a_chain_that_somebody_changed_does_not_verify(
    dora: Person, job: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("GET", "/ledger/verify").json()["verified"] is True
    monkeypatch.setattr(blocks._Verdict, "last", None)
    with sqlite3.connect(tmp_path / "ledger.db") as file:
        file.create_function("changed", 1, lambda block: block.replace(b"10000000", b"90000000"))
        file.execute("UPDATE blocks SET block = changed(block)")
    file.close()

    answer = call("GET", "/ledger/verify")

    assert answer.status_code == 200
    assert answer.json()["verified"] is False
    assert answer.json()["fault"]


@pytest.fixture
def slow_replay(dora: Person, monkeypatch: pytest.MonkeyPatch) -> SlowReplay:
    replay = SlowReplay(connection.ledger())
    monkeypatch.setattr(connection.ledger(), "verify", replay)
    monkeypatch.setattr(blocks._Verdict, "last", None)
    return replay


class SlowReplay:
    """Goes on until a test lets it end."""

    def __init__(self, ledger: Ledger) -> None:
        self.began, self.may_end, self.times = threading.Event(), threading.Event(), 0
        self._verify = ledger.verify

    def __call__(self) -> Verification:
        self.times += 1
        self.began.set()
        assert self.may_end.wait(20)
        return self._verify()


def test_one_replay_at_a_time_and_nobody_waits_in_a_thread(dora: Person, slow_replay: SlowReplay) -> None:
    with ThreadPoolExecutor(1) as another:
        first = another.submit(call, "GET", "/ledger/verify")
        slow_replay.began.wait(10)

        others = at_once(*[lambda: call("GET", "/ledger/verify")] * 40)
        slow_replay.may_end.set()

    assert {(answer.status_code, answer["Retry-After"]) for answer in others} == {(429, "5")}
    assert first.result().json()["verified"] is True
    assert slow_replay.times == 1


def test_a_verdict_counts_for_as_long_as_it_took_although_the_chain_grows(
    dora: Person, slow_replay: SlowReplay
) -> None:
    threading.Timer(1.0, slow_replay.may_end.set).start()
    height = blocks.height()

    before = call("GET", "/ledger/verify").json()
    dora.post("/deposits", {"amount": 1})
    again = call("GET", "/ledger/verify").json()
    time.sleep(1.0)
    later = call("GET", "/ledger/verify").json()

    assert before == again == {"verified": True, "height": height, "fault": None}
    assert later["height"] == height + 1
    assert slow_replay.times == 2


def test_strangers_read_the_chain_so_often_and_no_oftener(platform: None, settings: Settings) -> None:
    settings.OPEN_READS_PER_MINUTE = 2

    statuses = [call("GET", "/ledger/blocks").status_code for _ in range(3)]

    assert statuses == [200, 200, 429]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "cursor=-1", f"cursor={2**63}", "cursor=x"])
def test_a_query_that_makes_no_sense_is_bad_input(platform: None, query: str) -> None:
    assert call("GET", f"/ledger/blocks?{query}").status_code == 400
