"""`/balance`."""

from __future__ import annotations

import re
import uuid

import pytest
from pytest_django.fixtures import Settings

from tests.cast import Machine, Person
from tests.portal.pages import Visitor

WELCOME = 10_000_000


def test_it_shows_what_one_has_and_how_it_came(at_dora: Visitor, at_pete: Visitor, machine: Machine) -> None:
    at_dora.called("dora/example", "x")

    page, petes = at_dora.get("/balance"), at_pete.get("/balance")

    assert "Free to spend 9,999,998 µ" in page.text
    assert "Deposit +10,000,000 µ" in page.text
    assert "Held for jobs" in page.text
    assert "\u22122 µ" in page.text
    assert "Earned by machines +2 µ" in petes.text


def test_a_deposit_is_made_once_however_often_it_is_sent(at_dora: Visitor, dora: Person) -> None:
    key = re.search(r'name="key" value="([^"]+)"', at_dora.get("/balance").html)
    assert key

    pages = [at_dora.post("/balance/deposit", amount="1,000,000", key=key[1]) for _ in range(2)]

    assert "1,000,000 µ deposited" in pages[0].text
    assert dora.balance() == WELCOME + 1_000_000


def test_money_is_withdrawn(at_dora: Visitor, dora: Person) -> None:
    page = at_dora.post("/balance/withdraw", amount="400", key=str(uuid.uuid4()))

    assert "400 µ withdrawn" in page.text
    assert dora.balance() == WELCOME - 400


@pytest.mark.parametrize("amount", ["", "0", "-5", "1.5", "many", "9" * 29, "٣"])
def test_an_amount_that_is_none_is_told_and_kept(at_dora: Visitor, dora: Person, amount: str) -> None:
    page = at_dora.post("/balance/deposit", amount=amount, key=str(uuid.uuid4()))

    assert page.status == 400
    assert re.search(r'id="deposit_amount_error">\s*\w', page.html)
    assert f'value="{amount}"' in page.html or not amount
    assert dora.balance() == WELCOME


def test_more_than_one_has_cannot_be_withdrawn(at_dora: Visitor, dora: Person) -> None:
    page = at_dora.post("/balance/withdraw", amount=str(WELCOME + 1), key=str(uuid.uuid4()))

    assert "less than that to spend" in page.text
    assert f'value="{WELCOME + 1}"' in page.html
    assert dora.balance() == WELCOME


def test_without_test_money_there_are_no_forms(at_dora: Visitor, dora: Person, settings: Settings) -> None:
    settings.TEST_MONEY = False

    assert "Withdraw" not in at_dora.get("/balance").text
    page = at_dora.post("/balance/deposit", amount="5", key=str(uuid.uuid4()))
    assert page.status == 403
    assert dora.balance() == WELCOME


def test_everybody_has_an_own_history(at_eve: Visitor, dora: Person) -> None:
    dora.post("/deposits", {"amount": 77})

    assert "77" not in at_eve.get("/balance").text.replace("777", "")
