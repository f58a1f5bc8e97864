"""`/deposits` and `/withdrawals`."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings

from tests.cast import Person, at_once


def test_money_goes_in_and_out(dora: Person) -> None:
    deposit = dora.post("/deposits", {"amount": 500})
    withdrawal = dora.post("/withdrawals", {"amount": 10_000_500})

    assert deposit.status_code == withdrawal.status_code == 201
    assert deposit.json() == {"amount": 500, "balance": 10_000_500, "held": 0}
    assert withdrawal.json()["balance"] == 0


def test_the_same_key_deposits_once(dora: Person) -> None:
    answers = at_once(*[lambda: dora.post("/deposits", {"amount": 500}, Idempotency_Key="k")] * 3)

    assert {answer.status_code for answer in answers} == {201}
    assert dora.balance() == 10_000_500
    assert dora.post("/deposits", {"amount": 501}, Idempotency_Key="k").status_code == 422
    assert dora.post("/withdrawals", {"amount": 501}, Idempotency_Key="k").status_code == 201


def test_nobody_withdraws_what_is_not_there(dora: Person) -> None:
    answers = at_once(*[lambda: dora.post("/withdrawals", {"amount": 6_000_000})] * 3)

    assert sorted(answer.status_code for answer in answers) == [201, 402, 402]
    assert dora.balance() == 4_000_000


@pytest.mark.parametrize("amount", [0, -1, 1.5, "7", True, None, 10**12 + 1, 2**63, 10**400])
def test_an_amount_that_is_none_is_bad_input(dora: Person, amount: object) -> None:
    for path in ("/deposits", "/withdrawals"):
        answer = dora.post(path, {"amount": amount})
        assert answer.status_code == 400
        assert "amount" in answer.json()["detail"]


def test_where_money_is_no_toy_nobody_makes_it(dora: Person, settings: Settings) -> None:
    settings.TEST_MONEY = False

    assert dora.post("/deposits", {"amount": 1}).status_code == 403
