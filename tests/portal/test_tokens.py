"""`/tokens`."""

from __future__ import annotations

import re

from chainfaas.models import Token
from tests.cast import Person, call
from tests.portal.pages import Visitor


def test_a_token_is_shown_once_and_works(at_dora: Visitor) -> None:
    page = at_dora.post("/tokens", name="laptop", scopes=["read", "invoke"])

    match = re.search(r"cfs_[\w-]{43}", page.text)
    assert match
    assert call("GET", "/me", Authorization=f"Bearer {match[0]}").status_code == 200
    again = at_dora.get("/tokens")
    assert match[0] not in again.html
    assert "laptop" in again.text
    assert Token.objects.get(name="laptop").scopes == ["read", "invoke"]


def test_a_token_needs_a_name_and_something_that_it_may_do(at_dora: Visitor) -> None:
    page = at_dora.post("/tokens", name="")

    assert page.wrong("name")
    assert "at least one" in page.wrong("scopes")
    assert Token.objects.count() == 1  # the cast's own


def test_revoking_asks_first(at_dora: Visitor, dora: Person) -> None:
    token = Token.objects.get()

    asked = at_dora.get(f"/tokens/{token.id}/revoke")
    assert "Revoke test?" in asked.text
    assert Token.objects.exists()
    page = at_dora.post(f"/tokens/{token.id}/revoke")

    assert "The token test is revoked" in page.text
    assert dora.get("/me").status_code == 401


def test_a_strangers_token_is_not_found(at_eve: Visitor, dora: Person) -> None:
    token = Token.objects.get(user=dora.user)

    assert at_eve.get(f"/tokens/{token.id}/revoke").status == 404
    assert at_eve.post(f"/tokens/{token.id}/revoke").status == 404
    assert Token.objects.filter(id=token.id).exists()
