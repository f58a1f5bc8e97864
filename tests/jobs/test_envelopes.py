"""A remote ledger that commits and dies before it says so, and a controller that dies around it: nothing is
lost, nothing is done twice.

`SHAKY_JOBS=200` for the long form of the last test; `SHAKY_SEED` repeats a seed that was printed.
"""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from chaincode.errors import LedgerError
from chaincode.ledgers.embedded import EmbeddedLedger
from chainfaas import accounts
from chainfaas.errors import LedgerAway
from chainfaas.jobs import lifecycle
from chainfaas.ledger import accounts as money
from chainfaas.ledger import connection, envelopes
from chainfaas.ledger import jobs as ledger
from chainfaas.models import Job, LedgerEnvelope, State
from tests.cast import Person
from tests.jobs import test_deaths as deaths
from tests.jobs.shaky import (
    UNKNOWN,
    Killed,
    Shaky,
    away,
    fine,
    killed_after,
    killed_before,
    lost,
    silent,
)
from tests.jobs.world import Twin, World, fresh


@pytest.fixture
def shaky(world: World, monkeypatch: pytest.MonkeyPatch) -> Shaky:
    """The controller's ledger, from now on."""
    monkeypatch.setattr(envelopes, "PAUSES_S", (0, 0, 0))
    twin = Shaky(connection.ledger())
    monkeypatch.setattr(connection, "_ledger", twin)
    return twin


def deposit(person: Person, op: str = "one") -> None:
    money.deposit(str(person.user.id), 500, op)


def kept() -> int:
    return LedgerEnvelope.objects.count()


@pytest.mark.parametrize("mood", UNKNOWN)
def test_whatever_was_unknown_is_known_in_the_end_and_stands_once(
    world: World, shaky: Shaky, mood: Any
) -> None:
    before = world.dora.balance()
    shaky.be(mood)
    deposit(world.dora)

    assert world.dora.balance() == before + 500
    assert len(set(shaky.submitted)) == 1, "it was the same envelope each time"
    assert kept() == 0


def test_what_was_committed_in_silence_is_found_and_not_sent_again(world: World, shaky: Shaky) -> None:
    shaky.be(silent)
    deposit(world.dora)

    assert len(shaky.submitted) == 1


def test_it_is_stored_before_it_is_sent_and_deleted_after(world: World, shaky: Shaky) -> None:
    seen: list[int] = []
    shaky.before_commit = lambda: seen.append(kept())
    deposit(world.dora)

    assert (seen, kept()) == ([1], 0)


def test_a_ledger_that_is_not_remote_costs_nothing(world: World, shaky: Shaky) -> None:
    shaky.remote = False
    seen: list[int] = []
    shaky.before_commit = lambda: seen.append(kept())
    deposit(world.dora)

    assert seen == [0]


def test_a_conflict_makes_the_envelope_void_and_another_one_counts(world: World, shaky: Shaky) -> None:
    def overtake() -> None:
        shaky.before_commit = lambda: None
        deposit(world.dora, "the-same")

    before = world.dora.balance()
    shaky.before_commit = overtake
    deposit(world.dora, "the-same")

    assert world.dora.balance() == before + 500
    assert kept() == 0


@pytest.mark.parametrize("mood", [killed_before, killed_after])
def test_what_a_killed_process_left_is_resolved_at_boot(world: World, shaky: Shaky, mood: Any) -> None:
    before = world.dora.balance()
    shaky.be(mood)
    with pytest.raises(Killed):
        deposit(world.dora)
    assert kept() == 1

    world.restart()

    assert kept() == 0
    assert world.dora.balance() == before + 500
    deposit(world.dora)
    assert world.dora.balance() == before + 500


def test_what_the_killed_process_left_may_be_void(world: World, shaky: Shaky) -> None:
    shaky.be(killed_before)
    with pytest.raises(Killed):
        deposit(world.dora)
    deposit(world.dora)  # endorsed before it, committed after: one of them counts
    before = world.dora.balance()

    world.sweep()

    assert (kept(), world.dora.balance()) == (0, before)


def test_while_the_ledger_is_away_it_stays_stored_and_the_sweeper_sees_it_through(
    world: World, shaky: Shaky
) -> None:
    before = world.dora.balance()
    shaky.be(*[away] * 4)
    with pytest.raises(LedgerAway):
        deposit(world.dora)
    shaky.gone = True
    world.sweep()
    assert kept() == 1

    shaky.gone = False
    world.sweep()

    assert (kept(), world.dora.balance()) == (0, before + 500)


def test_one_in_flight_is_left_to_who_sent_it(world: World, shaky: Shaky) -> None:
    shaky.be(*[lost] * 4)
    with pytest.raises(LedgerAway):
        deposit(world.dora)
    connection.take_up_left_over(older_than_s=5)

    assert kept() == 1


def test_an_accounts_next_debit_waits_for_the_one_before(world: World, shaky: Shaky) -> None:
    shaky.be(*[lost] * 6)
    with pytest.raises(LedgerAway):
        accounts.withdraw(world.dora.user, 100, "first")

    with pytest.raises(LedgerAway, match="not decided yet"):
        accounts.withdraw(world.dora.user, 100, "second")
    assert len(set(shaky.submitted)) == 1
    shaky.be()
    accounts.withdraw(world.eve.user, 100, "hers")  # has nothing to do with it
    assert kept() == 1
    before = world.dora.balance()
    accounts.withdraw(world.dora.user, 100, "second")

    assert (kept(), world.dora.balance()) == (0, before - 200)
    accounts.withdraw(world.dora.user, 100, "first")
    assert world.dora.balance() == before - 200


def test_a_batch_harms_only_the_developer_whose_debit_is_not_decided(
    world: World, shaky: Shaky, machine: Twin
) -> None:
    shaky.be(*[lost] * 100)
    with pytest.raises(LedgerAway):
        accounts.withdraw(world.dora.user, 100, "first")

    with pytest.raises(connection.Contended):
        connection.await_debits([str(world.dora.user.id), str(world.eve.user.id)])
    connection.await_debits([str(world.eve.user.id)])


def test_a_hold_whose_outcome_is_unknown_is_made_once(world: World, shaky: Shaky, machine: Twin) -> None:
    job = world.call()
    shaky.be(*[lost] * 3, silent)
    with pytest.raises(LedgerAway):
        lifecycle.place(job)
    assert kept() == 1

    world.sweep()
    world.run()

    assert fresh(job).state == State.SUCCEEDED
    assert len(shaky.transactions("create")) == 1
    world.check_books()


def test_a_hold_that_came_after_its_release_is_void(world: World, shaky: Shaky, machine: Twin) -> None:
    job = world.call()
    shaky.be(*[lost] * 4)
    with pytest.raises(LedgerAway):
        lifecycle.place(job)
    ledger.release(fresh(job), "cancelled meanwhile")

    world.sweep()

    assert kept() == 0
    assert shaky.transactions("create") == []
    assert world.totals()["held"] == 0


def test_an_envelope_that_cannot_be_read_harms_nobody(world: World, shaky: Shaky) -> None:
    LedgerEnvelope.objects.create(tx_id="ab" * 32, data=b"{", debited=[str(world.dora.user.id)])
    accounts.withdraw(world.dora.user, 100, "first")

    assert kept() == 0


def test_an_envelope_that_a_ledger_never_takes_is_given_up_at_last(
    world: World, shaky: Shaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(commit: object) -> Any:
        raise LedgerError("an orderer's 413")

    shaky.be(*[never] * 6)
    with pytest.raises(LedgerAway):
        deposit(world.dora)
    world.sweep()
    assert kept() == 1
    world.later(envelopes.HOPELESS_S)
    world.sweep()

    assert kept() == 0


def test_whenever_the_controller_dies_beside_a_remote_ledger_each_job_is_paid_once(
    world: World, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.POLICY = "cheapest"
    monkeypatch.setattr(EmbeddedLedger, "remote", True)
    reaper = deaths.Reaper(monkeypatch)
    tale = deaths.a_success_without_a_receipt(world)
    moment, died = 0, True
    while died:
        moment += 1
        tale = deaths.fresh_tale(tale, moment)
        died = not deaths.lived_through(tale, reaper, moment)
        deaths.check_end(tale, reaper)
    assert moment > 30, "it died at every moment, and then lived"
    assert kept() == 0
    world.check_books()


def test_jobs_on_a_ledger_of_many_moods(world: World, shaky: Shaky, machine: Twin) -> None:
    seed = int(os.environ.get("SHAKY_SEED", random.randrange(2**32)))
    print(f"SHAKY_SEED={seed}")
    dice = random.Random(seed)
    moods = (fine, *UNKNOWN, killed_before, killed_after)
    for _ in range(int(os.environ.get("SHAKY_JOBS", "12"))):
        job = world.call()
        shaky.be(*dice.choices(moods, k=30))
        came_back = True
        while not fresh(job).settled:
            try:
                if not came_back:
                    world.restart()
                    came_back = True
                world.run()
                world.sweep()
            except Killed:
                came_back = False
    shaky.be()
    world.sweep()

    assert set(Job.objects.values_list("state", "settled")) == {(State.SUCCEEDED, True)}
    assert kept() == 0
    assert len(shaky.transactions("create")) == Job.objects.count()
    assert len(shaky.transactions("finish")) == Job.objects.count()
    world.check_books()
