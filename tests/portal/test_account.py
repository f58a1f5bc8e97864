"""`/account`: roles and password."""

from __future__ import annotations

from chainfaas.models import Function, User
from tests.cast import PASSWORD
from tests.portal.pages import Visitor


def test_roles_are_changed_and_a_new_developer_finds_the_example(at_pete: Visitor) -> None:
    page = at_pete.post("/account", roles=["developer", "peer"])

    assert "Your roles are changed" in page.text
    assert User.objects.get(username="pete").roles == ["developer", "peer"]
    assert Function.objects.filter(owner__username="pete", name="example").exists()
    links = page.links()
    assert "/functions" in links
    assert "/machines" not in links


def test_somebody_has_at_least_one_role(at_dora: Visitor) -> None:
    page = at_dora.post("/account")

    assert "at least one role" in page.wrong("roles")
    assert User.objects.get().roles == ["developer"]


def test_the_password_is_changed_and_one_stays_signed_in(at_dora: Visitor) -> None:
    new = {"new_password1": "another horse 8", "new_password2": "another horse 8"}

    refused = at_dora.post("/account/password", old_password="no", **new)
    page = at_dora.post("/account/password", old_password=PASSWORD, **new)

    assert "incorrectly" in refused.wrong("old_password")
    assert "Your password is changed" in page.text
    assert User.objects.get().check_password("another horse 8")
