"""The bell that wakes waiting requests."""

from __future__ import annotations

import asyncio
import threading

import pytest

from chainfaas import waiting
from chainfaas.errors import ChainFaaSError
from chainfaas.waiting import MemoryBell


async def rung(event: asyncio.Event, within_s: float = 2) -> bool:
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def test_a_ring_from_another_thread_wakes_who_listens() -> None:
    bell = MemoryBell()
    with bell.listen("job") as event:
        threading.Thread(target=bell.ring, args=("job",)).start()
        assert await rung(event)


async def test_a_ring_before_anybody_listens_is_not_kept() -> None:
    bell = MemoryBell()
    bell.ring("job")
    with bell.listen("job") as event:
        assert not await rung(event, 0.02)


async def test_a_ring_between_listening_and_waiting_is_heard() -> None:
    bell = MemoryBell()
    with bell.listen("job") as event:
        bell.ring("job")
        assert await rung(event)


async def test_all_who_listen_to_a_job_hear_it_and_nobody_else_does() -> None:
    bell = MemoryBell()
    with bell.listen("job") as one, bell.listen("job") as two, bell.listen("other") as other:
        bell.ring("job")
        assert await rung(one)
        assert await rung(two)
        assert not other.is_set()


async def test_who_stops_listening_leaves_the_others_and_nothing_behind() -> None:
    bell = MemoryBell()
    with bell.listen("job") as stays:
        with pytest.raises(ZeroDivisionError), bell.listen("job"):
            raise ZeroDivisionError
        bell.ring("job")
        assert await rung(stays)
    assert not bell._ears
    bell.ring("job")


async def test_it_rings_again_after_it_was_heard() -> None:
    bell = MemoryBell()
    with bell.listen("job") as event:
        for _ in range(3):
            bell.ring("job")
            assert await rung(event)
            event.clear()


def test_a_listener_whose_loop_ended_harms_nobody() -> None:
    bell = MemoryBell()
    loop = asyncio.new_event_loop()

    async def listen() -> None:
        bell.listen("job").__enter__()

    loop.run_until_complete(listen())
    loop.close()
    bell.ring("job")


def test_many_rings_and_listeners_at_once() -> None:
    bell = MemoryBell()
    stop = threading.Event()

    def ring() -> None:
        while not stop.is_set():
            bell.ring("job")

    async def listen() -> None:
        for _ in range(50):
            with bell.listen("job") as event:
                assert await rung(event)

    ringers = [threading.Thread(target=ring) for _ in range(2)]
    for ringer in ringers:
        ringer.start()
    try:
        listeners = [threading.Thread(target=lambda: asyncio.run(listen())) for _ in range(3)]
        for listener in listeners:
            listener.start()
        for listener in listeners:
            listener.join(20)
            assert not listener.is_alive()
    finally:
        stop.set()
        for ringer in ringers:
            ringer.join()
    assert not bell._ears


def test_another_bell_than_the_known_is_refused() -> None:
    with pytest.raises(ChainFaaSError, match="WAKE_URL"):
        waiting.connect("gong://temple")


async def test_it_knows_whether_anybody_listens() -> None:
    bell = MemoryBell()
    assert not bell.heard("job")
    with bell.listen("job"):
        with bell.listen("job"):
            pass
        assert bell.heard("job")
    assert not bell.heard("job")
