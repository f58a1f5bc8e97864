"""Accounts, and the money in them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from chainfaas import accounts
from chainfaas.errors import BadInput, Forbidden, KeyReused, LedgerAway, NoFunds, Taken
from chainfaas.ledger import accounts as ledger
from chainfaas.models import Function, Job, User
from tests.cast import PASSWORD, Person, at_once
from tests.jobs.world import Twin, World

WELCOME = 10_000_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"username": "Dora"},
        {"username": ""},
        {"username": "d\n"},
        {"username": "a" * 41},
        {"password": "short"},
        {"password": "password"},
        {"email": "nowhere"},
        {"roles": ["king"]},
    ],
)
def test_who_may_not_register(platform: None, wrong: dict[str, Any]) -> None:
    person: dict[str, Any] = {"username": "dave", "password": PASSWORD, "roles": ["developer"]} | wrong

    with pytest.raises(BadInput):
        accounts.register(**person)
    assert not User.objects.exists()


def test_a_name_is_given_once_even_to_two_at_the_same_moment(platform: None) -> None:
    def register(password: str) -> object:
        try:
            return accounts.register("dave", password, roles=[])
        except Taken as error:
            return error

    ends = at_once(*(lambda n=n: register(f"{PASSWORD}-{n}") for n in range(4)))

    assert sum(isinstance(end, User) for end in ends) == 1
    assert User.objects.count() == 1
    assert ledger.balance(str(User.objects.get().id)).free == WELCOME


def test_a_registration_that_died_before_its_deposit_has_it_once(
    platform: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    deposit = ledger.deposit

    def died_after(account: str, amount: int, op: str) -> None:
        deposit(account, amount, op)
        raise LedgerAway

    for crash in (lambda *_: (_ for _ in ()).throw(LedgerAway()), died_after):
        monkeypatch.setattr(ledger, "deposit", crash)
        with pytest.raises(LedgerAway):
            accounts.register("dave", PASSWORD, roles=["developer"])
    monkeypatch.setattr(ledger, "deposit", deposit)
    accounts.welcome_missed()
    accounts.welcome_missed()

    user = User.objects.get()
    assert user.welcomed
    assert ledger.balance(str(user.id)) == ledger.Balance(WELCOME, 0)
    assert Function.objects.get().full_name == "dave/example"


def test_another_welcome_credit_does_not_stop_who_had_the_first(platform: None, settings: Any) -> None:
    user = accounts.register("dave", PASSWORD, roles=[])
    User.objects.update(welcomed=False)
    settings.WELCOME_CREDIT = 5

    accounts.welcome_missed()

    assert ledger.balance(str(user.id)).free == WELCOME
    assert User.objects.get().welcomed


def test_without_a_welcome_credit_an_account_starts_with_nothing(platform: None, settings: Any) -> None:
    settings.WELCOME_CREDIT = 0

    assert accounts.balance(accounts.register("dave", PASSWORD, roles=[])).total == 0


def test_a_deposit_with_the_same_key_counts_once(dora: Person, eve: Person) -> None:
    accounts.deposit(dora.user, 7, "k")
    assert accounts.deposit(dora.user, 7, "k").free == WELCOME + 7
    assert accounts.deposit(dora.user, 7).free == WELCOME + 14
    assert accounts.deposit(dora.user, 7).free == WELCOME + 21
    assert accounts.deposit(eve.user, 7, "k").free == WELCOME + 7, "a key is one's own"
    with pytest.raises(KeyReused):
        accounts.deposit(dora.user, 8, "k")


def test_a_withdrawal_with_the_same_key_counts_once(dora: Person) -> None:
    accounts.withdraw(dora.user, WELCOME, "k")
    assert accounts.withdraw(dora.user, WELCOME, "k").free == 0
    with pytest.raises(NoFunds):
        accounts.withdraw(dora.user, 1)
    assert accounts.deposit(dora.user, 1, "k").free == 1, "a deposit's key is not a withdrawal's"


@pytest.mark.parametrize("amount", [0, -1, 10**12 + 1])
def test_an_amount_must_make_sense(dora: Person, amount: int) -> None:
    with pytest.raises(BadInput):
        accounts.deposit(dora.user, amount)
    with pytest.raises(BadInput):
        accounts.withdraw(dora.user, amount)


def test_where_money_is_real_nobody_makes_it(dora: Person, settings: Any) -> None:
    settings.TEST_MONEY = False

    with pytest.raises(Forbidden):
        accounts.deposit(dora.user, 1)
    with pytest.raises(Forbidden):
        accounts.withdraw(dora.user, 1)


def test_withdrawals_at_the_same_moment_never_overdraw(dora: Person) -> None:
    def withdraw() -> bool:
        try:
            accounts.withdraw(dora.user, WELCOME // 3)
        except NoFunds:
            return False
        return True

    assert sorted(at_once(*[withdraw] * 5)) == [False, False, True, True, True]
    assert accounts.balance(dora.user).free == WELCOME % 3


def test_an_account_of_very_many_credits_can_be_emptied(
    world: World, machine: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "MOST_CREDITS", 2)
    for _ in range(7):
        world.placed()
        world.run()
    assert Job.objects.filter(settled=True).count() == 7

    for person in (world.dora, world.pete):
        assert accounts.withdraw(person.user, person.balance()) == ledger.Balance(0, 0)
    world.totals()


def test_a_new_developer_finds_the_example(pete: Person) -> None:
    accounts.change_roles(pete.user, ["provider", "developer", "provider"])

    assert User.objects.get(username="pete").roles == ["developer", "provider"]
    assert Function.objects.get().full_name == "pete/example"
    with pytest.raises(BadInput):
        accounts.change_roles(pete.user, ["king"])


def test_an_account_that_nobody_paid_into_has_nothing(platform: None) -> None:
    assert ledger.balance(str(uuid.uuid4())) == ledger.Balance(0, 0)
