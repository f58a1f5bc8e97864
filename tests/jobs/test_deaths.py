"""The controller dies before and after each of its steps that anybody else can see, and comes back.

What can be seen: commits of the database, what the ledger is asked and told, messages, the bell. The
machines go on; whoever called and got no answer calls again with the same key.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest
from msgspec import structs

from chaincode.errors import ContractError
from chaincode.ledgers.embedded import EmbeddedLedger
from chainfaas import dispatch
from chainfaas.errors import ChainFaaSError, NoFunds
from chainfaas.jobs import lifecycle
from chainfaas.models import Function, Job, State
from chainfaas.sqlite.base import DatabaseWrapper
from chainfaas.waiting import MemoryBell
from tasks.messages import Outcome, Run
from tests.cast import Ended
from tests.jobs.world import Twin, World, check_job

SEEN_BY_OTHERS: tuple[tuple[Any, str], ...] = (
    (DatabaseWrapper, "_commit"),
    (EmbeddedLedger, "endorse"),
    (EmbeddedLedger, "submit"),
    (dispatch, "_send"),
    (dispatch, "cancel"),
    (MemoryBell, "ring"),
)
PAIRS = int(os.environ.get("DEATH_PAIRS", "12"))


class Killed(BaseException):
    """kill -9, as near as a test can come to it."""


class Reaper:
    """Counts the moments before and after each step, and kills at one of them."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.moments, self.fatal, self.where = 0, 0, ""
        for owner, name in SEEN_BY_OTHERS:
            patch.setattr(owner, name, self._watched(getattr(owner, name), name))

    @contextmanager
    def at(self, moment: int) -> Iterator[None]:
        """Kill at this moment from now on, counted from 1."""
        self.moments, self.fatal, self.where = 0, moment, ""
        try:
            yield
        finally:
            self.fatal = 0

    def _watched(self, step: Callable[..., Any], name: str) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            try:
                self._pass(f"before {name}")
            except Killed:
                if name == "_commit":  # else Django's tidying up on the way out would commit it
                    args[0]._rollback()
                raise
            answer = step(*args, **kwargs)
            self._pass(f"after {name}")
            return answer

        return watched

    def _pass(self, where: str) -> None:
        if self.fatal:
            self.moments += 1
            if self.moments == self.fatal:
                self.where, self.fatal = f"{where}, moment {self.moments}", 0
                raise Killed(self.where)


@dataclass
class Tale:
    """What a caller and the machines do, and how it must end."""

    world: World
    function: Function
    ends: State
    or_ends: State | None = None
    cancels: bool = False
    key: str = ""

    def begin(self) -> None:
        """The caller's request, and the owner's wish to stop it."""
        job, new = lifecycle.submit(self.function, self.world.dora.user, b"hello", key=self.key)
        try:
            if new:
                lifecycle.place(job)
        except NoFunds:
            return
        except ChainFaaSError as error:
            lifecycle.refuse(job, error)
        if self.cancels:
            self.begin_and_stop(job)

    def begin_and_stop(self, job: Job) -> None:
        for twin in self.world.twins:
            for run in twin.take():
                twin.start(run)
        self.world.pump()
        self.world.later(0.5)
        lifecycle.cancel(Job.objects.get(id=job.id))

    def go_on(self) -> Job:
        """Until the job of this key is settled; begun again if it never was."""
        for _ in range(15):
            job = self.job()
            if job is None:
                self.begin()
            elif job.settled:
                return job
            elif self.cancels and job.cancel_requested_at is None:
                self.begin_and_stop(job)
            self.world.run()
            self.speak_for_machines()
            self.world.sweep()
        raise AssertionError(f"not settled: {vars(self.job() or self)}")

    def come_back(self) -> None:
        self.world.restart()
        self.go_on()

    def job(self) -> Job | None:
        return Job.objects.filter(function=self.function).order_by("-id").first()

    def speak_for_machines(self) -> None:
        """A machine that was confirmed and is not paid sets its time itself."""
        job = self.job()
        if job is None or job.settled or job.confirmed_at is None:
            return
        twin = next(twin for twin in self.world.twins if twin.id == job.machine_id)
        result = twin.results[job.task_id]
        document = {
            "job": job.key,
            "attempt": job.attempt,
            "run_ms": result.run_ms,
            "exit_code": result.exit_code,
        }
        with twin.ledger() as theirs, suppress(ContractError):  # set already
            theirs.transact("monitoring", "set_time", {**document, "result_sha256": job.result_sha256})


def unsigned(twin: Twin) -> None:
    """A machine whose receipts do not hold."""
    report = twin.report
    twin.report = lambda run, end: structs.replace(report(run, end), signature="A" * 96)  # type: ignore[method-assign]


def imageless(run: Run) -> Ended:
    return Ended(outcome=Outcome.IMAGE_UNAVAILABLE, run_ms=0)


def a_success(world: World) -> Tale:
    world.machine()
    return Tale(world, world.function(), State.SUCCEEDED)


def a_failure(world: World) -> Tale:
    world.machine().behave = lambda run: Ended(b"", exit_code=3, run_ms=120)
    return Tale(world, world.function(), State.FAILED)


def a_success_without_a_receipt(world: World) -> Tale:
    unsigned(world.machine())
    return Tale(world, world.function(), State.SUCCEEDED)


def a_success_on_the_second_machine(world: World) -> Tale:
    world.machine(name="first", rate=1).behave = imageless
    world.machine(world.eve, "second", rate=2)
    world.machine(world.eve, "third", rate=3)  # in case that the second falls together with the controller
    return Tale(world, world.function(), State.SUCCEEDED)


def three_machines_without_the_image(world: World) -> Tale:
    world.machine().behave = imageless
    return Tale(world, world.function(), State.LOST)


def a_cancel_while_it_runs(world: World) -> Tale:
    world.machine()
    # The machine may be quicker than a cancel that was noted and not sent when the controller died.
    return Tale(world, world.function(), State.CANCELLED, or_ends=State.SUCCEEDED, cancels=True)


def a_call_without_money(world: World) -> Tale:
    world.machine()
    return Tale(world, world.function(memory_mb=2048, timeout_s=900, max_rate=1_000_000), State.CANCELLED)


TALES = (
    a_success,
    a_failure,
    a_success_without_a_receipt,
    a_success_on_the_second_machine,
    three_machines_without_the_image,
    a_cancel_while_it_runs,
    a_call_without_money,
)

FAR_TALES = (a_success, a_success_without_a_receipt, a_success_on_the_second_machine, a_cancel_while_it_runs)


@pytest.fixture
def reaper(monkeypatch: pytest.MonkeyPatch) -> Reaper:
    return Reaper(monkeypatch)


ALL_IN_ONE_PROCESS, BROKER_ELSEWHERE = False, True


@pytest.mark.parametrize(
    ("tale_of", "durable"),
    [
        *(pytest.param(tale, ALL_IN_ONE_PROCESS, id=f"{tale.__name__}-all_in_one_process") for tale in TALES),
        *(pytest.param(tale, BROKER_ELSEWHERE, id=f"{tale.__name__}-broker_elsewhere") for tale in FAR_TALES),
    ],
)
def test_whenever_it_dies_each_job_ends_once_and_is_paid_once(
    world: World, reaper: Reaper, tale_of: Callable[[World], Tale], durable: bool, settings: Any
) -> None:
    settings.POLICY = "cheapest"
    world.durable = durable
    tale = tale_of(world)
    moment, died = 0, True
    while died:
        moment += 1
        tale = fresh_tale(tale, moment)
        died = not lived_through(tale, reaper, moment)
        check_end(tale, reaper)
    assert moment > 20, "it died at every moment, and then lived"
    world.check_books()


@pytest.mark.parametrize("durable", [False, True], ids=["all_in_one_process", "broker_elsewhere"])
def test_dying_again_while_it_takes_up_what_was_left_changes_nothing(
    world: World, reaper: Reaper, durable: bool, settings: Any
) -> None:
    """`DEATH_PAIRS=500` tries more; `DEATH_SEED` repeats a seed that was printed."""
    seed = int(os.environ.get("DEATH_SEED", random.randrange(2**32)))
    print(f"DEATH_SEED={seed}")
    dice = random.Random(seed)
    settings.POLICY = "cheapest"
    world.durable = durable
    tale = a_success_on_the_second_machine(world)
    if not durable:  # the machines fall too, and each fall costs an attempt
        tale.or_ends = State.LOST
    for turn in range(PAIRS):
        tale = fresh_tale(tale, turn)
        lived_through(tale, reaper, dice.randint(1, 70))
        for _ in range(2):
            dies(reaper, dice.randint(1, 40), tale.come_back)
        tale.world.restart()
        check_end(tale, reaper)
    world.check_books()


def fresh_tale(tale: Tale, number: int) -> Tale:
    function = tale.world.function(**tale.function.terms())
    return replace(tale, function=function, key=f"call-{number}")


def lived_through(tale: Tale, reaper: Reaper, moment: int) -> bool:
    """Whether the tale was over before the moment came."""
    if dies(reaper, moment, lambda: (tale.begin(), tale.go_on())):
        tale.world.restart()
        return False
    return True


def dies(reaper: Reaper, moment: int, story: Callable[[], object]) -> bool:
    with reaper.at(moment):
        try:
            story()
        except Killed:
            return True
    return False


def check_end(tale: Tale, reaper: Reaper) -> None:
    job = tale.go_on()
    found = list(Job.objects.filter(function=tale.function).values_list("state", flat=True))
    assert len(found) == 1, f"{found} after it died {reaper.where}"
    assert job.state in (tale.ends, tale.or_ends), f"{job.state} after it died {reaper.where}: {job.detail}"
    assert tale.world.totals()["held"] == 0, f"held after it died {reaper.where}"
    check_job(job)
