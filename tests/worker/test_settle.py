"""A machine sees to it that it is paid: by its own transactions, where its receipt did not do it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from chaincode import client
from chaincode.client import Ledger, NetworkConfig
from chaincode.errors import Code, ContractError, OutcomeUnknown, Unavailable
from chaincode.identity import PLATFORM, PROVIDERS, Identity
from tasks.messages import Outcome, Result
from tests.contracts.authority import Authority
from tests.contracts.world import CHANNEL, World, new_name
from tests.worker.controller import make_config
from worker import settle
from worker.settle import Settler

OUTPUT = b"the result"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"embedded://{tmp_path / 'ledger.db'}"


@pytest.fixture
def world(url: str) -> Iterator[World]:
    platform, providers = Authority.make(PLATFORM), Authority.make(PROVIDERS)
    config = NetworkConfig(CHANNEL, {PLATFORM: platform.pem, PROVIDERS: providers.pem})
    opened: list[Ledger] = []

    def connect(identity: Identity) -> Ledger:
        opened.append(client.connect(url, identity, config=config))
        return opened[-1]

    with connect(platform.enrol("deployer", chainfaas_role="controller")) as deployer:
        deployer.transact("monitoring", "init", {"providers_root": providers.pem})
        world = World(connect, platform, providers, machine="pete0001")
        world.deposit(world.dora)
        yield world
        for ledger in opened[1:]:
            ledger.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "PAUSES_S", (0.02,))


Live = Callable[..., Settler]


@pytest.fixture
def live(world: World, url: str, tmp_path: Path) -> Iterator[Live]:
    """`live()` begins a life of pete's settler; the one before has ended by then."""
    lives: list[Settler] = []

    def live(connect: Any = client.connect, **fields: Any) -> Settler:
        for before in lives:
            before.stop()
        facts = {"ledger_url": url, "settle_after_s": 0.0, **fields}
        config = make_config(world.machine, tmp_path / "pete", world.petes_key, **facts)
        lives.append(Settler(config, world.petes_key, connect))
        lives[-1].start()
        return lives[-1]

    yield live
    for life in lives:
        life.stop()


def result(job: str, attempt: int = 1, signature: str = "signed") -> Result:
    return Result(job, attempt, Outcome.EXITED, 0, 250, 1.0, OUTPUT, b"", signature)


def waiting(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "pete" / "claims").iterdir())


def until(done: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def functions(world: World, job: str) -> list[str]:
    """The valid transactions of a job, by anybody, that changed something."""
    blocks = world.controller.blocks(0, 1000)
    told = (tx for block in blocks for tx in block.transactions if tx.write_set)
    return [tx.function for tx in told if job in str(tx.document) and tx.validation_code == "VALID"]


def test_without_a_receipt_the_machines_own_transactions_pay_it_once(
    world: World, live: Live, tmp_path: Path
) -> None:
    job = world.created()
    before = world.balance(world.pete)
    live().watch(result(job))
    until(lambda: world.read(job)["time_ms"])
    assert not world.read(job)["payment_done"], "the controller has not confirmed it"

    world.confirm(world.confirmation(job))
    until(lambda: not waiting(tmp_path))

    assert functions(world, job) == ["create", "set_time", "confirm", "settle"]
    assert world.balance(world.pete)[0] - before[0] == world.read(job)["cost"] > 0
    [time_set] = [
        tx
        for block in world.controller.blocks(0, 1000)
        for tx in block.transactions
        if tx.function == "set_time"
    ]
    assert time_set.creator.certificate == world.petes_key.certificate
    assert time_set.document["result_sha256"] == hashlib.sha256(OUTPUT).hexdigest()


def test_what_its_receipt_paid_is_left_alone(world: World, live: Live, tmp_path: Path) -> None:
    job = world.created()
    world.finish(world.finished(job))
    live().watch(result(job))
    until(lambda: not waiting(tmp_path))

    assert functions(world, job) == ["create", "finish"]


def test_it_waits_until_the_grace_is_over(world: World, live: Live, tmp_path: Path) -> None:
    job = world.created()
    live(settle_after_s=0.4).watch(result(job))
    time.sleep(0.2)
    assert functions(world, job) == ["create"]

    until(lambda: "set_time" in functions(world, job))


def test_a_new_life_takes_up_what_the_last_one_left(world: World, live: Live, tmp_path: Path) -> None:
    job = world.created()
    live(settle_after_s=3600.0).watch(result(job))
    assert waiting(tmp_path) == [f"{job}.1.claim"]
    world.confirm(world.confirmation(job))

    live()
    until(lambda: not waiting(tmp_path))

    assert world.read(job)["payment_done"]


def test_a_released_job_is_over(world: World, live: Live, tmp_path: Path) -> None:
    job = world.created()
    world.release(job)
    live().watch(result(job))
    until(lambda: not waiting(tmp_path))

    assert functions(world, job) == ["create", "release"]


def test_a_job_that_is_released_while_it_waits_is_over(world: World, live: Live, tmp_path: Path) -> None:
    job = world.created()
    live().watch(result(job))
    until(lambda: world.read(job)["time_ms"])
    world.release(job)
    until(lambda: not waiting(tmp_path))

    assert world.read(job)["payment_done"] is False


def test_an_attempt_that_is_another_machines_now_is_none_of_its_business(
    world: World, live: Live, tmp_path: Path
) -> None:
    job = world.created()
    world.reassign(job)
    live().watch(result(job))
    until(lambda: not waiting(tmp_path))

    assert "set_time" not in functions(world, job)


def test_nor_is_one_of_another_machine_of_the_same_owner(world: World, live: Live, tmp_path: Path) -> None:
    second = new_name("m")
    world.enrol(second, world.pete, world.machine_identity(world.pete))
    job = world.created()
    world.reassign(job, machine=second)
    other = world.created(machine=second)
    watching = live()
    for claimed in (result(job, 1), result(job, 2), result(other, 1)):
        watching.watch(claimed)
    until(lambda: not waiting(tmp_path))

    assert "set_time" not in functions(world, job) + functions(world, other)


def test_an_attempt_that_is_reassigned_at_that_moment_gets_no_time(
    world: World, live: Live, tmp_path: Path, url: str
) -> None:
    job = world.created()
    second = new_name("m")
    world.enrol(second, world.pete, world.machine_identity(world.pete))

    class Slow(Watched):
        def transact(self, *call: Any) -> Any:
            world.reassign(job, machine=second)
            return self._ledger.transact(*call)

    live(Slow).watch(result(job))
    until(lambda: not waiting(tmp_path))

    assert "set_time" not in functions(world, job)


def test_a_revoked_machine_has_nothing_to_say(world: World, live: Live, tmp_path: Path) -> None:
    job = world.created()
    world.do("revoke_machine", {"machine": world.machine})
    live().watch(result(job))
    until(lambda: not waiting(tmp_path))

    assert "set_time" not in functions(world, job)


def test_where_no_function_ran_there_is_nothing_to_claim(world: World, live: Live, tmp_path: Path) -> None:
    live().watch(result(world.created(), signature=""))

    assert waiting(tmp_path) == []


def test_without_the_ledgers_url_it_does_not_look(world: World, live: Live, tmp_path: Path) -> None:
    live(ledger_url="").watch(result(world.created()))

    assert waiting(tmp_path) == []


def test_a_claim_of_a_week_ago_is_given_up(
    world: World, live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.created()
    monkeypatch.setattr(settle, "KEEP_S", 0.1)
    live().watch(result(job))

    with capture_logs() as logs:
        until(lambda: not waiting(tmp_path))
    assert "settle.given_up" in [entry["event"] for entry in logs]


def test_a_claim_that_cannot_be_read_stops_nobody(world: World, live: Live, tmp_path: Path) -> None:
    job = world.created()
    live(settle_after_s=3600.0).watch(result(job))
    (tmp_path / "pete" / "claims" / "broken.claim").write_text("{")

    live()
    until(lambda: world.read(job)["time_ms"])


class Watched:
    """The ledger as a machine sees it, with a test between them."""

    def __init__(self, url: str, identity: Identity) -> None:
        self._ledger = client.connect(url, identity)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


def test_while_the_ledger_is_away_it_waits(world: World, live: Live, tmp_path: Path) -> None:
    job = world.created()
    world.confirm(world.confirmation(job))
    troubles = iter([Unavailable(), OutcomeUnknown(), ZeroDivisionError()])

    class Away(Watched):
        def evaluate(self, *call: Any) -> Any:
            for trouble in troubles:
                raise trouble
            return self._ledger.evaluate(*call)

    tries = iter([Unavailable("nobody listens")])

    def connect(url: str, identity: Identity) -> Any:
        for trouble in tries:
            raise trouble
        return Away(url, identity)

    live(connect).watch(result(job))
    until(lambda: not waiting(tmp_path))

    assert functions(world, job) == ["create", "confirm", "set_time", "settle"]


STEPS = ("before set_time", "after set_time", "before settle", "after settle")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("confirmed", [True, False], ids=["confirmed_before", "confirmed_after"])
def test_killed_at_any_step_it_is_paid_once_in_the_next_life(
    world: World, live: Live, tmp_path: Path, step: str, confirmed: bool
) -> None:
    job = world.created()
    if confirmed:
        world.confirm(world.confirmation(job))

    class Fatal(Watched):
        """The thread ends there, as if the program was killed."""

        def transact(self, contract: str, function: str, document: Any) -> Any:
            if step == f"before {function}":
                raise SystemExit
            answer = self._ledger.transact(contract, function, document)
            if step == f"after {function}":
                raise SystemExit
            return answer

    first = live(Fatal)
    first.watch(result(job))
    if not confirmed:
        if "settle" in step:
            until(lambda: world.read(job)["time_ms"])
        else:
            first._thread.join(5)
        world.confirm(world.confirmation(job))
    first._thread.join(5)
    assert waiting(tmp_path) == [f"{job}.1.claim"]

    live()
    until(lambda: not waiting(tmp_path))

    assert sorted(functions(world, job)) == ["confirm", "create", "set_time", "settle"]
    assert world.read(job)["payment_done"]
    with pytest.raises(ContractError) as again:
        world.do("settle", {"job": job})
    assert again.value.code == Code.ALREADY_DONE


def test_who_settles_first_does_not_matter(world: World, live: Live, tmp_path: Path) -> None:
    jobs = [world.created() for _ in range(10)]
    watching = live()
    before = world.balance(world.pete)[0]
    for job in jobs:
        watching.watch(result(job))
        world.confirm(world.confirmation(job))
    for job in jobs:
        until(lambda job=job: world.read(job)["time_ms"])  # type: ignore[misc]
        with suppress(ContractError):  # it was faster
            world.do("settle", {"job": job})
    until(lambda: not waiting(tmp_path))

    assert world.balance(world.pete)[0] - before == sum(world.read(job)["cost"] for job in jobs)
