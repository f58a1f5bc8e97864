"""`/tokens`, and what a token may do."""

from __future__ import annotations

import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from chainfaas.api import throttles, tokens
from chainfaas.models import Token
from tests.cast import PASSWORD, Machine, Person, at_once, call, invoke, until


def test_a_token_is_shown_once_and_works(dora: Person) -> None:
    made = call("POST", "/tokens", {"username": "dora", "password": PASSWORD, "name": "laptop"})

    token = made.json()["token"]
    assert made.status_code == 201
    assert token.startswith("cfs_")
    assert made.json()["scopes"] == ["deploy", "invoke", "provider", "read"]
    assert call("GET", "/me", Authorization=f"Bearer {token}").json()["username"] == "dora"
    listed = dora.get("/tokens")
    assert [row["name"] for row in listed.json()["results"]] == ["laptop", "test"]
    assert token not in listed.content.decode()
    assert not Token.objects.filter(digest__contains=token).exists()


@pytest.mark.parametrize("password", ["wrong", "", None])
def test_a_wrong_password_gets_no_token(dora: Person, password: str | None) -> None:
    for name in ("dora", "nobody"):
        answer = call("POST", "/tokens", {"username": name, "password": password})
        assert answer.status_code in (400, 401)


def test_guessing_is_slowed_down_and_signing_in_is_not(dora: Person, settings: Settings) -> None:
    settings.FAILED_SIGN_INS_PER_MINUTE = 3
    right, wrong = (
        {"username": "dora", "password": PASSWORD},
        {"username": "dora", "password": "a guess"},
    )

    before = [call("POST", "/tokens", right).status_code for _ in range(6)]
    guesses = [call("POST", "/tokens", wrong).status_code for _ in range(5)]

    assert before == [201] * 6
    assert guesses == [401, 401, 401, 429, 429]
    assert call("POST", "/tokens", right).status_code == 429


def test_many_guesses_at_once_are_no_more_guesses(dora: Person, settings: Settings) -> None:
    settings.FAILED_SIGN_INS_PER_MINUTE = 3

    answers = at_once(*[lambda: call("POST", "/tokens", {"username": "dora", "password": "a guess"})] * 8)

    assert sorted(answer.status_code for answer in answers) == [401] * 3 + [429] * 5


def test_an_address_has_so_many_passwords_over_all_names(dora: Person, settings: Settings) -> None:
    settings.PASSWORDS_PER_MINUTE = 2

    statuses = [
        call("POST", "/tokens", {"username": name, "password": "a guess"}).status_code
        for name in ("dora", "pete", "eve")
    ]

    assert statuses == [401, 401, 429]
    assert dora.get("/tokens").status_code == 200


def test_other_calls_do_not_wait_for_passwords(
    dora: Person, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()

    def hash_slowly(*_: object, **__: object) -> None:
        held.wait(20)

    settings.FAILED_SIGN_INS_PER_MINUTE = 1000
    monkeypatch.setattr(tokens, "authenticate", hash_slowly)
    guess = partial(call, "POST", "/tokens", {"username": "nobody", "password": "a guess"})
    with ThreadPoolExecutor(40) as callers:
        many = [callers.submit(guess) for _ in range(25)]
        until(lambda: sum(answer.done() for answer in many) == 7)  # 2 are at it, 16 stand in line

        began = time.monotonic()
        assert dora.get("/me").status_code == 200
        took_s = time.monotonic() - began
        held.set()
        answers = [answer.result() for answer in many]

    assert took_s < 2
    assert sorted(answer.status_code for answer in answers) == [401] * 18 + [429] * 7
    assert all(answer["Retry-After"] for answer in answers if answer.status_code == 429)


def test_nobody_can_have_the_guesses_forgotten(dora: Person, settings: Settings) -> None:
    settings.FAILED_SIGN_INS_PER_MINUTE = 1
    settings.ALL_PUBLIC_CALLS_PER_MINUTE = 10_000
    wrong = {"username": "dora", "password": "a guess"}
    statuses = [call("POST", "/tokens", wrong).status_code for _ in range(2)]

    for n in range(400):
        assert invoke(f"nobody/f{n}").status_code == 404
    for n in range(2_000):  # as from as many addresses
        throttles.take(f"call:{n}", 60)

    assert [*statuses, call("POST", "/tokens", wrong).status_code] == [401, 429, 429]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer cfs_guess",
        "Bearer \xff\xfe",
        "Token x",
        "Basic " + base64.b64encode(b"dora:x").decode(),
        "Bearer " + "x" * 5000,
        "cfs_naked",
    ],
)
def test_a_header_that_is_no_token_is_a_401(dora: Person, header: str) -> None:
    for path in ("/me", "/ledger/blocks"):
        answer = call("GET", path, Authorization=header)
        assert answer.status_code == 401
        assert answer.json()["type"] == "/problems/not-signed-in"
        assert answer["WWW-Authenticate"].startswith("Bearer")


def test_no_token_is_a_401(platform: None) -> None:
    for path in ("/me", "/tokens", "/functions", "/jobs", "/providers", "/ledger/accounts/dora"):
        assert call("GET", path).status_code == 401, path


def test_a_revoked_token_is_a_401(dora: Person) -> None:
    other = Person(dora.user, Token.issue(dora.user, "other", ["read"])[1])
    id = Token.objects.get(name="other").id

    assert dora.call("DELETE", f"/tokens/{id}").status_code == 204

    assert other.get("/me").status_code == 401
    assert dora.call("DELETE", f"/tokens/{id}").status_code == 404


def test_a_token_with_some_scopes_revokes_itself_only(dora: Person) -> None:
    reader = dora.with_scopes("read")
    mine, other = Token.objects.get(name="less").id, Token.objects.get(name="test").id

    assert reader.call("DELETE", f"/tokens/{other}").status_code == 403
    assert reader.call("DELETE", f"/tokens/{mine}").status_code == 204
    assert reader.get("/me").status_code == 401


def test_a_user_who_is_switched_off_is_a_401(dora: Person) -> None:
    dora.user.is_active = False
    dora.user.save()

    assert dora.get("/me").status_code == 401


def test_the_last_use_is_noted_at_most_once_a_minute(dora: Person) -> None:
    def last_used() -> Any:
        return Token.objects.get().last_used_at

    dora.get("/me")
    first = last_used()
    dora.get("/me")
    assert last_used() == first

    Token.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    dora.get("/me")
    assert last_used() > first


@pytest.mark.parametrize(
    ("scopes", "method", "path", "json", "status"),
    [
        (["read"], "POST", "/functions", {"name": "f", "image": "chainfaas/echo"}, 403),
        (["deploy"], "POST", "/functions", {"name": "f", "image": "chainfaas/echo"}, 201),
        (["read"], "GET", "/functions", None, 200),
        (["invoke"], "GET", "/functions", None, 403),
        (["read"], "POST", "/functions/dora/example/invoke", {}, 403),
        (["deploy"], "GET", "/jobs", None, 403),
        (["invoke"], "GET", "/jobs", None, 200),
        (["deploy", "invoke", "read"], "POST", "/deposits", {"amount": 1}, 403),
        (["deploy", "invoke", "read"], "PATCH", "/me", {"roles": []}, 403),
        (["provider"], "GET", "/me", None, 200),
        (["invoke"], "GET", "/providers", None, 403),
        (["provider"], "GET", "/providers", None, 200),
        (["invoke"], "GET", "/ledger/accounts/dora", None, 403),
    ],
)
def test_scopes_hold(
    dora: Person, scopes: list[str], method: str, path: str, json: object, status: int
) -> None:
    answer = dora.with_scopes(*scopes).call(method, path, json)

    assert answer.status_code == status, answer.content
    if status == 403:
        assert "POST /api/v1/tokens" in answer.json()["detail"]


def test_an_invoking_token_can_fetch_what_it_called(dora: Person, machine: Machine) -> None:
    caller = dora.with_scopes("invoke")

    job = caller.invoke("dora/example", b"hello")["ChainFaaS-Job-Id"]

    assert caller.get(f"/jobs/{job}/result").content == b"hello"
    assert caller.get(f"/jobs/{job}/logs").status_code == 200


@pytest.mark.parametrize("scopes", [[], ["king"], "read", None])
def test_scopes_that_are_none_are_bad_input(dora: Person, scopes: object) -> None:
    answer = call("POST", "/tokens", {"username": "dora", "password": PASSWORD, "scopes": scopes})

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [("POST", "/functions", "developer"), ("POST", "/providers", "provider")],
)
def test_a_missing_role_is_a_403_that_says_how_to_get_it(
    platform: None, method: str, path: str, role: str
) -> None:
    nobody = Person.registered("nobody")

    answer = nobody.call(method, path, {})

    assert answer.status_code == 403
    assert f'PATCH /api/v1/me` {{"roles": ["{role}"]}}' in answer.json()["detail"]
    nobody.call("PATCH", "/me", {"roles": [role]})
    assert nobody.call(method, path, {}).status_code == 400
