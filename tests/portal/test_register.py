"""`/register`."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings

from chainfaas.errors import LedgerAway
from chainfaas.models import Function, User
from tests.cast import Person, call
from tests.portal.pages import Visitor

FORM = {"username": "dora", "password": "correct horse 7", "again": "correct horse 7", "roles": ["developer"]}


def test_a_new_developer_is_signed_in_has_money_and_an_example(stranger: Visitor, settings: Settings) -> None:
    page = stranger.post("/register", **FORM)

    assert "Hello, dora" in page.text
    assert f"{settings.WELCOME_CREDIT:,} µ free" in page.text
    assert "Your first call" in page.text
    assert Function.objects.get().full_name == "dora/example"


def test_several_roles_can_be_taken_at_once(stranger: Visitor) -> None:
    page = stranger.post("/register", **{**FORM, "roles": ["developer", "provider", "peer"]})

    assert [word for word in ("Developer", "Provider", "Peer") if word in page.text] == [
        "Developer",
        "Provider",
        "Peer",
    ]
    assert User.objects.get().roles == ["developer", "peer", "provider"]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("username", "Dora!", "Lower-case letters"),
        ("username", "", "required"),
        ("username", "x" * 41, "at most 40"),
        ("email", "nobody", "valid email"),
        ("password", "short", "too short"),
        ("again", "other", "differ"),
        ("roles", [], "at least one"),
        ("roles", ["king"], "not one of"),
    ],
)
def test_bad_input_is_told_beside_its_field_and_kept(
    stranger: Visitor, field: str, value: object, said: str
) -> None:
    page = stranger.post("/register", **{**FORM, "email": "dora@example.org", field: value})

    assert page.status == 200
    assert said in page.wrong(field)
    if field != "email":
        assert 'value="dora@example.org"' in page.html
    assert "correct horse" not in page.html
    assert not User.objects.exists()


def test_a_name_that_is_taken_is_told_beside_the_name(stranger: Visitor, dora: Person) -> None:
    page = stranger.post("/register", **FORM)

    assert "taken" in page.wrong("username")


def test_a_password_like_the_name_is_refused(stranger: Visitor) -> None:
    page = stranger.post(
        "/register", username="bartholomew", password="bartholomew", again="bartholomew", roles=["peer"]
    )

    assert "similar" in page.wrong("password")


def test_a_ledger_that_is_away_does_not_lose_the_account(
    stranger: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise LedgerAway

    monkeypatch.setattr("chainfaas.ledger.accounts.deposit", away)

    page = stranger.post("/register", **FORM)

    assert "Your welcome deposit follows" in page.text
    assert not User.objects.get(username="dora").welcomed


def test_an_address_registers_so_many_together_with_the_api(stranger: Visitor, settings: Settings) -> None:
    settings.REGISTRATIONS_PER_HOUR = 1
    call("POST", "/register", {"username": "pete", "password": "correct horse 7"})

    page = stranger.post("/register", **FORM)

    assert page.status == 429
    assert User.objects.count() == 1


def test_who_is_signed_in_goes_home(at_dora: Visitor) -> None:
    assert at_dora.get("/register").location == "/"
