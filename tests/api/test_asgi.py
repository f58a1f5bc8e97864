"""The way in under ASGI: bodies have a limit, and a waiting call costs no thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx
import pytest
from asgiref.testing import ApplicationCommunicator
from pytest_django.fixtures import Settings

from chainfaas import waiting
from chainfaas.api import asgi, threads
from chainfaas.asgi import application
from chainfaas.jobs import lifecycle
from chainfaas.models import Job, State
from tasks import limits, messages
from tests.cast import Ended, Machine, Person, until


def server() -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=application), base_url="http://testserver", timeout=30
    )


async def invoke(person: Person, body: bytes | AsyncIterator[bytes], **headers: str) -> httpx.Response:
    async with server() as client:
        return await client.post(
            "/api/v1/functions/dora/example/invoke",
            content=body,
            headers={"Authorization": f"Bearer {person.token}", **headers},
        )


async def test_a_call(dora: Person, machine: Machine) -> None:
    answer = await invoke(dora, b"hello")

    assert (answer.status_code, answer.content) == (200, b"hello")
    assert answer.headers["Content-Length"] == "5"


@pytest.mark.parametrize("size", [limits.BODY + 1, 3 * limits.BODY])
async def test_a_body_without_a_length_is_limited_too(dora: Person, size: int) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(0, size, 65_536):
            yield b"x" * min(65_536, size)

    answer = await invoke(dora, pieces())

    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/too-large"
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_body_that_says_it_is_huge_is_not_even_read() -> None:
    call = communicator(("content-length", str(10**12)))

    assert (await call.receive_output())["status"] == 413


@pytest.mark.parametrize("path", ["/signin", "/register", "/", "/nothing"])
async def test_a_page_takes_no_body_of_any_size_either(path: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(33):
            yield b"x" * 65_536

    async with server() as client:
        answer = await client.post(path, content=pieces())

    assert answer.status_code == 413
    assert answer.json()["detail"] == "The body is larger than 2 MiB."
    assert (await communicator(("content-length", str(10**10)), path=path).receive_output())["status"] == 413


async def test_a_body_that_does_not_come_to_its_end_is_a_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "SENDING_S", 0.2)
    call = communicator()
    for _ in range(3):  # what comes late does not make it longer
        await call.send_input({"type": "http.request", "body": b"half", "more_body": True})

    began = await call.receive_output(2)

    assert began["status"] == 408
    assert (b"connection", b"close") in began["headers"]
    assert b"/problems/request-timeout" in (await call.receive_output())["body"]


async def test_half_sent_bodies_have_some_room_together_and_small_ones_do_without(
    dora: Person, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "ROOM", 3 * 65_536)
    large = b"x" * 4 * 65_536
    waiting = communicator()
    await waiting.send_input({"type": "http.request", "body": large[65_536:], "more_body": True})
    while not asgi._Unfinished.taken:
        await asyncio.sleep(0.01)

    refused = await invoke(dora, large)
    small = await invoke(dora, b"small")

    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/busy")
    assert refused.headers["Retry-After"]
    assert small.content == b"small"
    await waiting.send_input({"type": "http.disconnect"})
    await waiting.wait()
    assert asgi._Unfinished.taken == 0
    assert (await invoke(dora, large)).content == large


async def test_half_a_body_is_no_call(dora: Person) -> None:
    call = communicator(("authorization", f"Bearer {dora.token}"))
    await call.send_input({"type": "http.request", "body": b"half", "more_body": True})
    await call.send_input({"type": "http.disconnect"})

    await call.wait()

    assert not await threads.run(Job.objects.exists)


async def test_whoever_hangs_up_before_a_machine_has_the_job_does_not_pay(
    dora: Person, settings: Settings
) -> None:
    settings.PLACE_WAIT_S = 30
    call = communicator(("authorization", f"Bearer {dora.token}"))
    await call.send_input({"type": "http.request", "body": b"", "more_body": False})
    while not await threads.run(Job.objects.exists):
        await asyncio.sleep(0.01)

    await call.send_input({"type": "http.disconnect"})
    await call.wait()

    await threads.run(until, lambda: Job.objects.get().state == State.CANCELLED)


async def test_whoever_hangs_up_while_the_job_is_made_does_not_pay_either(
    dora: Person, machine: Machine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, gone = threading.Event(), threading.Event()
    submit = lifecycle.submit

    def slowly(*call: Any, **options: Any) -> tuple[Job, bool]:
        found = submit(*call, **options)
        made.set()
        assert gone.wait(10)
        return found

    monkeypatch.setattr(lifecycle, "submit", slowly)
    call = communicator(("authorization", f"Bearer {dora.token}"))
    await call.send_input({"type": "http.request", "body": b"", "more_body": False})
    await asyncio.to_thread(made.wait, 10)

    await call.send_input({"type": "http.disconnect"})
    await call.wait()
    gone.set()

    await threads.run(until, lambda: Job.objects.get().state == State.CANCELLED)
    assert not machine.runs


async def test_a_caller_who_hangs_up_leaves_the_job_to_whoever_called_again(
    dora: Person, pete: Person, settings: Settings
) -> None:
    settings.PLACE_WAIT_S = 30
    first = communicator(("authorization", f"Bearer {dora.token}"), ("idempotency-key", "k"))
    await first.send_input({"type": "http.request", "body": b"", "more_body": False})
    while not await threads.run(Job.objects.exists):
        await asyncio.sleep(0.01)
    again = asyncio.create_task(invoke(dora, b"", **{"Idempotency-Key": "k"}))
    job = await threads.run(Job.objects.get)
    bell = waiting.connect(settings.WAKE_URL)
    while len(bell._ears[job.key]) < 2:  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)

    await first.send_input({"type": "http.disconnect"})
    await first.wait()
    await asyncio.sleep(0.3)

    with await asyncio.to_thread(partial(Machine.of, pete)):
        await threads.run(lifecycle.place, job)  # what a worker does
        answer = await again
    assert answer.status_code == 200
    assert answer.headers["ChainFaaS-Job-Id"] == job.key


async def test_a_hundred_waiting_calls_have_no_threads(dora: Person, machine: Machine) -> None:
    free = threading.Event()

    def wait(run: messages.Run) -> Ended:
        free.wait(20)
        return Ended(b"done")

    machine.behave = wait
    first = asyncio.create_task(invoke(dora, b"", **{"Idempotency-Key": "k"}))
    while not machine.runs:
        await asyncio.sleep(0.01)
    calls = [asyncio.create_task(invoke(dora, b"", **{"Idempotency-Key": "k"})) for _ in range(100)]
    await asyncio.sleep(1)

    assert threading.active_count() < 60
    free.set()
    assert {(await call).content for call in [first, *calls]} == {b"done"}


def communicator(
    *headers: tuple[str, str], path: str = "/api/v1/functions/dora/example/invoke"
) -> ApplicationCommunicator:
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "http_version": "1.1",
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
    }
    return ApplicationCommunicator(application, scope)
