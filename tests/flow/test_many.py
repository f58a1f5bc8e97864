"""Many jobs of one developer on one machine at once: every payment exactly once, every balance exact."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.platform import Person, Platform, host

JOBS, IN_FLIGHT = 500, 64


@pytest.fixture
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    running = Platform(tmp_path_factory.mktemp("many"), "--slots", "16", "--log-level", "warning").start()
    yield running
    assert running.stop() == 0


@pytest.mark.timeout(300)
def test_500_jobs_64_in_flight(platform: Platform) -> None:
    dora, pete = Person(platform, f"dora-{secrets.token_hex(4)}", "developer"), host(platform)
    dora.deploy("echo", "chainfaas/echo")
    start = pete.account()["free"]

    def call(number: int) -> str:
        key = secrets.token_hex(16)
        while True:
            response = dora.invoke("echo", str(number).encode(), **{"Idempotency-Key": key})
            if response.status_code != 503:
                assert response.status_code == 200, response.text
                assert response.content == str(number).encode()
                return response.headers["ChainFaaS-Job-Id"]
            time.sleep(0.1)

    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        ids = list(pool.map(call, range(JOBS)))
    jobs = [dora.settled(id) for id in ids]

    assert len({job["id"] for job in jobs}) == JOBS
    assert {job["state"] for job in jobs} == {"succeeded"}
    cost = sum(job["cost"] for job in jobs)
    assert dora.account() == {"free": 10_000_000 - cost, "held": 0}
    assert pete.account() == {"free": start + cost, "held": 0}
    assert dora.get("/ledger/verify")["verified"] is True
