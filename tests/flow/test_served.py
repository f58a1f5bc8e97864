"""Many jobs over the wire to a served ledger, also while it is killed: every payment exactly once.

`SERVED_JOBS=500 pytest tests/flow/test_served.py -s` is the long form; the seed is printed, and `SERVED_SEED`
repeats it.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.flow import test_crashes as crashes
from tests.flow.served import ServedLedger
from tests.platform import ROOT, Person, Platform, host

JOBS = int(os.environ.get("SERVED_JOBS", "100"))
KILLS = int(os.environ.get("SERVED_KILLS", "3"))
IN_FLIGHT = 64
WELCOME = 10_000_000


class Load:
    """Calls of several developers, all at once. A call that is refused for now is made again."""

    def __init__(self, developers: list[Person]) -> None:
        self._developers = developers
        self.refused: Counter[int] = Counter()
        self.done = 0

    def run(self, jobs: int) -> list[str]:
        """The ids of the jobs that answered."""
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            return list(pool.map(self._call, range(jobs)))

    def _call(self, number: int) -> str:
        developer = self._developers[number % len(self._developers)]
        key = secrets.token_hex(16)
        while True:
            response = developer.invoke("echo", str(number).encode(), **{"Idempotency-Key": key})
            if response.status_code == 200:
                assert response.content == str(number).encode()
                self.done += 1
                return response.headers["ChainFaaS-Job-Id"]
            assert response.status_code in (503, 504), response.text  # away, or it takes longer: ask again
            self.refused[response.status_code] += 1
            time.sleep(0.1)


@contextmanager
def killed(ledger: ServedLedger, load: Load) -> Iterator[None]:
    """Each time that so many more calls were answered, it is killed, and comes back after a while."""
    seed = int(os.environ.get("SERVED_SEED", random.SystemRandom().randrange(2**32)))
    print(f"SERVED_SEED={seed} SERVED_JOBS={JOBS} SERVED_KILLS={KILLS}")
    dice = random.Random(seed)
    moments = sorted(dice.randrange(JOBS * 3 // 4) for _ in range(KILLS))
    over = threading.Event()

    def kill() -> None:
        for moment in moments:
            while load.done < moment and not over.wait(0.005):
                pass
            time.sleep(dice.uniform(0, 0.2))
            ledger.kill()
            time.sleep(dice.uniform(0, 2))
            ledger.start()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        over.set()
        killer.join()


@contextmanager
def platform(data: Path, ledger: ServedLedger, *options: str) -> Iterator[Platform]:
    facts = {"LEDGER_URL": ledger.url, "CHAINFAAS_STALE_S": "2"}
    running = Platform(data, *options, "--log-level", "warning", **facts).start()
    try:
        yield running
    finally:
        running.stop()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kills", [False, True], ids=["well", "killed"])
@pytest.mark.parametrize("people", [1, 5], ids=["1_developer_1_machine", "5_developers_5_machines"])
def test_many_jobs_over_the_wire(tmp_path: Path, people: int, kills: bool) -> None:
    data = tmp_path / "data"
    options = ("--slots", str(max(4, 16 // people)), "--providers", str(people))
    with ServedLedger(data) as ledger, platform(data, ledger, *options) as running:
        developers = [Person(running, f"dora{number}", "developer") for number in range(people)]
        for developer in developers:
            developer.deploy("echo", "chainfaas/echo")
        load = Load(developers)
        began = time.monotonic()
        if kills:
            with killed(ledger, load):
                answered = load.run(JOBS)
        else:
            answered = load.run(JOBS)
        took_s = time.monotonic() - began
        print(f"{JOBS} jobs in {took_s:.1f} s: {JOBS / took_s:.1f} a second; refused {dict(load.refused)}")

        jobs = [job for developer in developers for job in _all_settled(developer)]

        assert len(set(answered)) == JOBS
        _check(jobs, set(answered), developers, host(running))


def _all_settled(person: Person) -> list[dict[str, Any]]:
    end = time.monotonic() + 120
    while True:
        jobs = _jobs(person)
        if all(job["settled"] for job in jobs):
            return jobs
        assert time.monotonic() < end, [job for job in jobs if not job["settled"]]
        time.sleep(0.5)


def _jobs(person: Person) -> list[dict[str, Any]]:
    found, page = [], person.get("/jobs?limit=100")
    while True:
        found += page["results"]
        if page["next"] is None:
            return found
        page = person.get("/" + page["next"].partition("/api/v1/")[2])


def _check(jobs: list[dict[str, Any]], answered: set[str], developers: list[Person], pete: Person) -> None:
    states = {job["id"]: job["state"] for job in jobs}
    assert {states[id] for id in answered} == {"succeeded"}
    # A call that was refused while the ledger was away left a job that nobody pays.
    assert all(job["state"] == "cancelled" for job in jobs if job["id"] not in answered), Counter(states)
    assert all((job["cost"] > 0) == (job["id"] in answered) for job in jobs)
    earned = 0
    for developer in developers:
        cost = sum(job["cost"] for job in jobs if job["function"] == f"{developer.name}/echo")
        assert developer.account() == {"free": WELCOME - cost, "held": 0}
        earned += cost
    assert pete.account() == {"free": WELCOME + earned, "held": 0}
    verified = pete.get("/ledger/verify")
    assert verified["verified"] is True, verified


@pytest.mark.timeout(60 + 20 * crashes.ROUNDS)
def test_controller_and_ledger_killed_at_random_moments(tmp_path: Path) -> None:
    """`CRASH_ROUNDS=100` for the long form; `CRASH_SEED` repeats a seed that was printed."""
    seed = int(os.environ.get("CRASH_SEED", random.SystemRandom().randrange(2**32)))
    print(f"CRASH_SEED={seed} CRASH_ROUNDS={crashes.ROUNDS}")
    dice = random.Random(seed)
    data = tmp_path / "data"
    with ServedLedger(data) as ledger, platform(data, ledger, "--slots", "4") as running:
        dora, pete = Person(running, "dora", "developer"), host(running)
        dora.deploy("echo", "chainfaas/echo")
        dora.deploy("naps", "chainfaas/sleep")
        dora.deploy("fails", "chainfaas/fail")
        with crashes.Load(dora, dice) as load:
            for _ in range(crashes.ROUNDS):
                time.sleep(dice.uniform(0.05, 1.5))
                victims = dice.choice([(running,), (ledger,), (running, ledger), (ledger, running)])
                for victim in victims:
                    victim.kill()
                    time.sleep(dice.uniform(0, 0.3))
                ledger.start()
                if running in victims:
                    running.start()
        jobs = crashes._all_settled(dora)

        print(Counter(job["state"] for job in jobs), f"{len(load.accepted)} accepted")
        crashes._check(jobs, load.accepted, dora, pete)
        assert _envelopes(data) == 0


def _envelopes(data: Path) -> int:
    """Those whose outcome the controller does not know yet."""
    with contextlib.closing(sqlite3.connect(data / "chainfaas.db")) as database:
        return int(database.execute("SELECT count(*) FROM ledger_envelope").fetchone()[0])


@pytest.mark.timeout(180)
def test_the_demo_on_a_served_ledger(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ops.demo", "--json", "--ledger", "served", "--data", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    told = json.loads(done.stdout)
    paid = told["payments"]
    assert [step["function"] for step in paid["by_receipt"]["transactions"]] == ["create", "finish"]
    own_way = paid["by_the_providers_own_transactions"]
    signed = {step["function"]: step["by"] for step in own_way["transactions"]}
    assert signed["confirm"] == "PlatformMSP"
    assert signed["set_time"] == "ProvidersMSP"
    assert own_way["job"]["cost"] == told["job"]["cost"] > 0
    assert (told["ledger"], told["verified"]) == ("served", True)
