"""`/signin` and `/signout`."""

from __future__ import annotations

from pytest_django.fixtures import Settings

from tests.cast import PASSWORD, Person, call
from tests.portal.pages import Visitor


def test_signing_in_leads_to_where_one_wanted_to_go(stranger: Visitor, dora: Person) -> None:
    asked = stranger.get("/jobs?state=failed")
    assert asked.location == "/signin?next=/jobs%3Fstate%3Dfailed"
    assert "Sign in to see that page" in stranger.get(asked.location).text

    page = stranger.post(
        "/signin", follow=False, username="dora", password=PASSWORD, next="/jobs?state=failed"
    )

    assert page.location == "/jobs?state=failed"


def test_it_does_not_lead_to_another_site(stranger: Visitor, dora: Person) -> None:
    page = stranger.post(
        "/signin", follow=False, username="dora", password=PASSWORD, next="https://evil.example/"
    )

    assert page.location == "/"


def test_a_wrong_password_is_told_and_the_name_kept(stranger: Visitor, dora: Person) -> None:
    page = stranger.post("/signin", username="dora", password="a guess")

    assert "do not go together" in page.text
    assert 'value="dora"' in page.html
    assert "a guess" not in page.html


def test_guessing_is_slowed_down(stranger: Visitor, dora: Person, settings: Settings) -> None:
    settings.FAILED_SIGN_INS_PER_MINUTE = 2
    for _ in range(2):
        stranger.post("/signin", username="dora", password="guess")

    page = stranger.post("/signin", username="dora", password=PASSWORD)

    assert "Wait a minute" in page.text
    assert "Sign out" not in page.text


def test_passwords_are_counted_by_address_together_with_those_at_the_api(
    stranger: Visitor, dora: Person, settings: Settings
) -> None:
    settings.PASSWORDS_PER_MINUTE = 2
    stranger.post("/signin", username="dora", password="guess")
    call("POST", "/tokens", {"username": "pete", "password": "guess"})

    page = stranger.post("/signin", username="dora", password=PASSWORD)

    assert page.status == 429
    assert 0 < int(page.response["Retry-After"]) <= 60
    assert stranger.get("/signin").status == 200


def test_signing_out_ends_it_and_takes_a_form(at_dora: Visitor) -> None:
    assert at_dora.get("/signout").status == 405

    page = at_dora.post("/signout")

    assert "Sign in" in page.text
    assert at_dora.get("/jobs").location.startswith("/signin")


def test_pages_of_members_are_not_kept_by_the_browser(at_dora: Visitor) -> None:
    assert "no-store" in at_dora.get("/jobs").response["Cache-Control"]
