"""`POST /register`."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from chainfaas import accounts
from chainfaas.errors import LedgerAway
from chainfaas.models import Function, User
from tests.cast import PASSWORD, Person, at_once, call


def form(**changed: Any) -> dict[str, Any]:
    return {"username": "dora", "password": PASSWORD, "email": "dora@example.org", **changed}


def test_a_developer_starts_with_a_deposit_and_an_example(platform: None, settings: Settings) -> None:
    answer = call("POST", "/register", form(roles=["developer"]))

    assert answer.status_code == 201, answer.content
    assert answer.json()["roles"] == ["developer"]
    assert accounts.balance(User.objects.get()).free == settings.WELCOME_CREDIT
    assert Function.objects.get().full_name == "dora/example"


def test_a_name_is_taken_once_even_at_the_same_instant(platform: None) -> None:
    answers = at_once(*[lambda: call("POST", "/register", form())] * 3)

    # Whoever has the same name and password at the same moment goes on with the same registration.
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert User.objects.count() == 1
    assert accounts.balance(User.objects.get()).free == 10_000_000
    assert call("POST", "/register", form(password="another pass 8")).status_code == 409


def test_a_registration_without_its_deposit_can_be_repeated(
    platform: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise LedgerAway

    with monkeypatch.context() as broken:
        broken.setattr(accounts.ledger, "deposit", away)
        assert call("POST", "/register", form()).status_code == 503

    assert call("POST", "/register", form(password="another pass 8")).status_code == 409
    assert call("POST", "/register", form()).status_code == 201
    assert call("POST", "/register", form()).status_code == 409


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"username": "Dora"}, "username"),
        ({"username": "-dora"}, "username"),
        ({"username": "d" * 41}, "username"),
        ({"username": "dora\n"}, "username"),
        ({"username": "dor\0a"}, "username"),
        ({"username": 7}, "username"),
        ({"username": None}, "username"),
        ({"password": "short"}, "password"),
        ({"password": "password1"}, "password"),
        ({"password": ["x"] * 9}, "password"),
        ({"email": "nowhere"}, "email"),
        ({"roles": ["king"]}, "roles"),
        ({"roles": "developer"}, "roles"),
        ({"is_staff": True}, "is_staff"),
    ],
)
def test_bad_input_is_named(platform: None, changed: dict[str, Any], named: str) -> None:
    answer = call("POST", "/register", form(**changed))

    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/bad-input"
    assert named in answer.json()["detail"]
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"nul",
        b"\xff",
        b'{"username": "\\ud800"}',
        b'{"username": NaN}',
        b"[" * 100_000,
        b'{"a": ' * 2000 + b"1" + b"}" * 2000,
        b"1" * 10_000,
    ],
)
def test_a_body_that_is_no_json_object_is_bad_input(platform: None, client: Any, body: bytes) -> None:
    answer = client.generic("POST", "/api/v1/register", body, content_type="application/json")

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


def test_a_form_is_told_what_is_taken(platform: None, client: Any) -> None:
    answer = client.post("/api/v1/register", {"username": "dora"})

    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]


def test_a_new_account_can_take_and_leave_roles(dora: Person) -> None:
    answer = dora.call("PATCH", "/me", {"roles": ["provider", "provider", "peer"]})

    assert answer.json()["roles"] == ["peer", "provider"]
    assert dora.get("/me").json() == {
        "username": "dora", "email": "", "roles": ["peer", "provider"], "balance": 10_000_000, "held": 0,
    }  # fmt: skip


def test_an_address_registers_so_many_and_no_more(platform: None, settings: Settings) -> None:
    settings.REGISTRATIONS_PER_HOUR = 2

    answers = [call("POST", "/register", form(username=f"dora{n}")) for n in range(3)]

    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert 0 < int(answers[2]["Retry-After"]) <= 3600
    assert User.objects.count() == 2
