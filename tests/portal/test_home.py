"""`/`: the first page."""

from __future__ import annotations

import pytest

from chainfaas.errors import LedgerAway
from tests.cast import Ended, Machine, Person
from tests.portal.pages import Visitor


def test_a_stranger_is_told_what_this_is(stranger: Visitor) -> None:
    page = stranger.get("/")

    assert "Serverless functions on other people\u2019s computers" in page.text
    assert {"/register", "/signin", "/ledger"} <= set(page.links())


def test_a_developer_sees_calls_errors_times_and_spending(at_dora: Visitor, machine: Machine) -> None:
    at_dora.called("dora/example", "x")
    machine.behave = lambda run: Ended(exit_code=1)
    at_dora.called("dora/example", "x")

    page = at_dora.get("/")

    assert "Calls, 24 h 2" in page.text
    assert "Errors 1" in page.text
    assert "p50 / p95" in page.text
    assert "Spent, 24 h 4 µ" in page.text
    assert "Provider" not in page.text
    assert "Calls in each of the last 24 hours: 2 in all, 1 with an error" in page.html


def test_a_provider_sees_earnings_machines_and_queue(at_pete: Visitor, machine: Machine) -> None:
    page = at_pete.get("/")

    assert "Earned, 24 h 0 µ" in page.text
    assert "Machines ready 0 of 1" in page.text
    assert "laptop new" in page.text
    assert "Calls, 24 h" not in page.text


def test_a_peer_sees_the_ledger_and_can_verify_it(platform: None) -> None:
    page = Visitor(Person.registered("pia", "peer")).get("/")

    assert "Verify the chain" in page.text
    assert "Last block" in page.text


def test_while_the_ledger_is_away_the_rest_is_shown(
    at_dora: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise LedgerAway

    monkeypatch.setattr("chainfaas.ledger.accounts.balance", away)
    monkeypatch.setattr("chainfaas.ledger.blocks.height", away)

    page = at_dora.get("/")

    assert page.status == 200
    assert "the ledger is away" in page.text
    assert "Calls, 24 h" in page.text
