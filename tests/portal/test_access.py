"""Every page for everybody: who sees it, who is sent to sign in, and what no form does without its token."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.urls import URLPattern, reverse

from chainfaas.models import Function, Token, User
from portal.urls import urlpatterns
from tests.cast import Machine, Person
from tests.portal.pages import Visitor

OPEN = {"home", "register", "signin", "ledger", "block", "transaction", "problems"}
"""Pages for strangers."""

POSTS = {"signout", "verify", "deposit", "withdraw", "function-start", "function-stop", "function-try"} | {
    "machine-pause",
    "machine-resume",
}
"""Addresses that take forms only."""

EVERYBODYS = ("", "functions", "jobs", "machines", "machines/enrol", "balance", "ledger", "tokens", "account")

INLINE = r"<style| style=| on\w+=|<script(?! src=)|(src|href|action)=.https?:"

FOR_ALL = {"function-new", "machine-enrol"}
"""These show nothing of anybody."""

World = tuple[Person, list[tuple[str, str]]]

ROLES = ("developer", "provider", "peer")


def addresses(person: Person, machine: Machine, job: str, tx: str) -> Iterator[tuple[str, str]]:
    """Every address of the portal, filled with things that the person may see."""
    values = {
        "owner": person.name,
        "name": "example",
        "number": 0,
        "tx_id": tx,
    }
    of = {"job": job, "token": str(Token.objects.filter(user=person.user).latest("created_at").id)}
    for pattern in urlpatterns:
        assert isinstance(pattern, URLPattern)
        name = str(pattern.name)
        kwargs = {}
        for argument in pattern.pattern.converters:
            if argument == "id":
                kind = "token" if name.startswith("token") else "job" if "job" in name else "machine"
                kwargs["id"] = machine.row.id if kind == "machine" else of[kind]
            else:
                kwargs[argument] = values[argument]
        yield name, reverse(f"portal:{name}", kwargs=kwargs)


@pytest.fixture
def world(platform: None) -> Iterator[World]:
    """Somebody with every role, who has one of everything."""
    person = Person.registered("ada", *ROLES)
    with Machine.of(person) as machine:
        job = Visitor(person).called("ada/example", "x")
        yield person, list(addresses(person, machine, str(job.id), job.settled_tx))


def test_every_page_renders_for_its_owner(world: World) -> None:
    person, pages = world
    visitor = Visitor(person)

    for name, address in pages:
        if name in POSTS:
            assert visitor.get(address).status == 405, name
            continue
        page = visitor.get(address)
        if name in ("register", "signin", "transaction"):
            assert page.status == 302, name
            continue
        assert page.status == 200, (name, page.text)


def test_every_page_has_a_title_one_heading_and_no_inline_script_or_style(
    world: World,
) -> None:
    person, pages = world
    visitor = Visitor(person)

    for name, address in pages:
        page = visitor.get(address)
        if page.status != 200 or "html" not in page.response["Content-Type"]:
            continue
        assert len(re.findall(r"<h1[ >]", page.html)) == 1, name
        assert re.search(r"<title>[^<]+ · ChainFaaS</title>", page.html), name
        assert not re.search(r"<style| style=| on\w+=|<script(?! src=)|https?://(?!testserver)", page.html), (
            name
        )
        assert "default-src 'self'" in page.response["Content-Security-Policy"], name


def test_every_link_on_every_page_leads_somewhere(world: World) -> None:
    person, pages = world
    visitor = Visitor(person)
    links = {
        link.partition("#")[0]
        for _, address in pages
        for link in visitor.get(address).links()
        if not link.startswith(("/static/", "/api/"))
    }

    assert len(links) > 20
    for link in sorted(links):
        assert visitor.get(link).status in (200, 302), link


def test_a_stranger_is_sent_to_sign_in(world: World, stranger: Visitor) -> None:
    for name, address in world[1]:
        page = stranger.get(address)
        if name in OPEN:
            assert page.status == 200 or name == "transaction", name
        elif name not in POSTS:
            assert page.status == 302, name
            assert page.location.startswith("/signin"), name
        if name not in OPEN and name not in ("signout", "verify"):
            posted = stranger.post(address, follow=False)
            assert posted.status == 302, name
            assert posted.location.startswith("/signin"), name


def test_another_tenant_finds_nothing(world: World, at_pete: Visitor) -> None:
    mine = {"function", "job", "machine", "token"}

    for name, address in world[1]:
        if name.partition("-")[0] in mine and name not in FOR_ALL:
            assert at_pete.get(address).status in (403, 404, 405), name


@pytest.mark.parametrize("role", ROLES)
def test_the_pages_of_all_render_for_each_role(platform: None, role: str) -> None:
    visitor = Visitor(Person.registered("rob", role))

    for page in EVERYBODYS:
        assert visitor.get(f"/{page}").status == 200, page


def test_no_form_is_taken_without_its_token(world: World) -> None:
    person, pages = world
    visitor = Visitor(person, csrf=True)

    for name, address in pages:
        page = visitor.post(address, amount="5", roles="peer", name="x", username="x")
        assert page.status == 403, name
        assert "The form was too old" in page.text, name
    assert User.objects.get(id=person.user.id).roles == sorted(ROLES)
    assert Function.objects.filter(owner=person.user, active=True).exists()


def test_with_its_token_a_form_is_taken(dora: Person) -> None:
    visitor = Visitor(dora, csrf=True)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', visitor.get("/account").html)
    assert token

    page = visitor.post("/account", roles="peer", csrfmiddlewaretoken=token[1])

    assert "Your roles are changed" in page.text
