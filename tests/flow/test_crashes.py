"""The whole platform killed with SIGKILL at random moments under load, and started again.

`CRASH_ROUNDS=200 pytest tests/flow/test_crashes.py -s` is the long form; the seed is printed, and
`CRASH_SEED` repeats it.
"""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.platform import Person, Platform, host

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "4"))
CALLERS = 6
FUNCTIONS = {"echo": b"hello", "naps": b"0.3", "fails": b"", "example": b"to be or not to be"}
ENDS = {"echo": "succeeded", "naps": "succeeded", "fails": "failed", "example": "succeeded"}
WELCOME = 10_000_000


class Load:
    """Callers that go on whatever happens to the platform. A call whose answer did not arrive is made again
    with the same key, as a client would."""

    def __init__(self, dora: Person, dice: random.Random) -> None:
        self._dora, self._dice = dora, dice
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self.accepted: dict[str, str] = {}  # job: function
        self._threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        while not self._ending.is_set():
            with self._lock:
                name = self._dice.choice(list(FUNCTIONS))
                headers = {"Idempotency-Key": secrets.token_hex(8)}
                if self._dice.random() < 0.5:
                    headers["Prefer"] = "respond-async"
            for _ in range(100):
                try:
                    response = self._dora.invoke(name, FUNCTIONS[name], **headers)
                except httpx.HTTPError:
                    time.sleep(0.1)
                    continue
                if response.status_code in (402, 429, 503):
                    time.sleep(0.2)  # refused: its key is free again
                    continue
                assert response.status_code in (200, 202, 502, 504), response.text
                with self._lock:
                    self.accepted[response.headers["ChainFaaS-Job-Id"]] = name
                break


@pytest.mark.timeout(60 + 15 * ROUNDS)
def test_killed_at_random_moments(tmp_path: Path) -> None:
    seed = int(os.environ.get("CRASH_SEED", random.SystemRandom().randrange(2**32)))
    print(f"CRASH_SEED={seed} CRASH_ROUNDS={ROUNDS}")
    dice = random.Random(seed)
    platform = Platform(
        tmp_path / "data", "--slots", "4", "--log-level", "warning", CHAINFAAS_STALE_S="1"
    ).start()
    dora, pete = Person(platform, "dora", "developer"), host(platform)
    dora.deploy("echo", "chainfaas/echo")
    dora.deploy("naps", "chainfaas/sleep")
    dora.deploy("fails", "chainfaas/fail")

    with Load(dora, dice) as load:
        for _ in range(ROUNDS):
            time.sleep(dice.uniform(0.05, 1.5))
            platform.kill()
            platform.start()
    try:
        jobs = _all_settled(dora)
        _check(jobs, load.accepted, dora, pete)
    finally:
        print(Counter(job["state"] for job in jobs), f"{len(load.accepted)} accepted")
        platform.stop()


def _all_settled(dora: Person) -> list[dict]:
    end = time.monotonic() + 60
    while True:
        jobs = _jobs(dora)
        if all(job["settled"] for job in jobs):
            return jobs
        assert time.monotonic() < end, [job for job in jobs if not job["settled"]]
        time.sleep(0.5)


def _jobs(dora: Person) -> list[dict]:
    found, page = [], dora.get("/jobs?limit=100")
    while True:
        found += page["results"]
        if page["next"] is None:
            return found
        page = dora.get("/" + page["next"].partition("/api/v1/")[2])


def _check(jobs: list[dict], accepted: dict[str, str], dora: Person, pete: Person) -> None:
    by_id = {job["id"]: job for job in jobs}
    lost = [id for id in accepted if id not in by_id]
    assert not lost, f"accepted and gone: {lost}"
    for id, function in accepted.items():
        job = by_id[id]
        # A job whose machine was killed three times under it is lost, and nobody pays; no other may be lost.
        assert job["state"] in (ENDS[function], "lost"), job
        assert job["attempt"] == 3 or job["state"] != "lost", job
    cost = 0
    for job in jobs:
        record = dora.http.get(f"/ledger/jobs/{job['id']}")
        paid = record.status_code == 200 and record.json()["payment_done"]
        assert paid == (job["state"] in ("succeeded", "failed")), (job, record.text)
        if paid:
            assert record.json()["cost"] == job["cost"], job
            cost += job["cost"]
    assert dora.account() == {"free": WELCOME - cost, "held": 0}
    assert pete.account() == {"free": WELCOME + cost, "held": 0}
    assert dora.get("/ledger/verify")["verified"] is True
