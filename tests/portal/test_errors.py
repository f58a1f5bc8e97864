"""What is shown when something goes wrong."""

from __future__ import annotations

import pytest
from django.db import OperationalError
from django.test import Client

from chainfaas.models import Function
from tests.cast import Person
from tests.portal.pages import Page, Visitor


def test_an_address_that_does_not_exist_has_a_page(stranger: Visitor) -> None:
    page = stranger.get("/nothing/here")

    assert page.status == 404
    assert "There is no such page, or it is not yours to see" in page.text


def test_our_own_crash_has_a_page_without_a_traceback(dora: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr("chainfaas.jobs.selectors.functions_of", crash)
    client = Client(raise_request_exception=False)
    client.force_login(dora.user)

    page = Page(client.get("/functions"))

    assert page.status == 500
    assert "Something went wrong on our side" in page.text
    assert "secret" not in page.html
    assert "Traceback" not in page.html


def test_a_database_that_is_away_is_told(at_dora: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise OperationalError("locked")

    monkeypatch.setattr("chainfaas.jobs.selectors.functions_of", away)

    page = at_dora.get("/functions")

    assert page.status == 503
    assert "The database does not answer" in page.text


def test_all_problems_are_listed_with_whose_fault_they_are(stranger: Visitor) -> None:
    page = stranger.get("/problems")

    assert "no-funds 402 caller" in page.text
    assert "function-timeout 504 function" in page.text


def test_names_are_only_text(at_dora: Visitor, dora: Person) -> None:
    evil = "<script>alert(1)</script>"
    Function.objects.filter(owner=dora.user).update(image=evil, env={evil: evil}, name="example")

    for address in ("/functions", "/functions/dora/example", "/functions/dora/example/edit"):
        assert "<script>alert" not in at_dora.get(address).html
    tokens = at_dora.post("/tokens", name=evil, scopes="read")
    assert "<script>alert" not in tokens.html
    assert "&lt;script&gt;alert(1)" in tokens.html
    typed = at_dora.post("/functions/new", name=evil, image=evil, env=evil)
    assert "<script>alert" not in typed.html
