"""`/functions`: add, edit, start, stop, delete."""

from __future__ import annotations

import pytest

from chainfaas.models import Function
from tests.cast import Machine, Person
from tests.portal.pages import Visitor

FORM = {
    "name": "hello",
    "image": "chainfaas/echo",
    "memory_mb": "256",
    "cpus": "0.5",
    "timeout_s": "10",
    "max_rate": "32",
    "env": "LANGUAGE=en\r\nGREETING=a=b\r\n\r\n",
}


def test_a_function_is_added_and_shown(at_dora: Visitor) -> None:
    page = at_dora.post("/functions/new", **FORM)

    assert "hello is ready to be called" in page.text
    assert "256 MiB" in page.text
    assert "curl" in page.text
    assert "http://testserver/api/v1/functions/dora/hello/invoke" in page.text
    assert "chainfaas invoke hello" in page.text
    assert Function.objects.get(name="hello").env == {"LANGUAGE": "en", "GREETING": "a=b"}
    assert "hello" in at_dora.get("/functions").text


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "Hello World", "Lower-case"),
        ("image", "no image!", "no image reference"),
        ("image", "", "required"),
        ("memory_mb", "8", "greater than or equal to 16"),
        ("cpus", "nan", "number"),
        ("timeout_s", "901", "less than or equal to 900"),
        ("max_rate", "x", "whole number"),
        ("env", "LANGUAGE", "NAME=value"),
        ("daily_budget", "0", "greater than"),
        ("daily_budget", str(2**70), "less than"),
    ],
)
def test_bad_input_is_told_beside_its_field_and_kept(
    at_dora: Visitor, field: str, value: str, said: str
) -> None:
    page = at_dora.post("/functions/new", **{**FORM, "image": "chainfaas/echo:kept", field: value})

    assert said in page.wrong(field)
    if field != "image":
        assert 'value="chainfaas/echo:kept"' in page.html
    assert not Function.objects.filter(name="hello").exists()


def test_a_public_function_needs_a_budget(at_dora: Visitor) -> None:
    page = at_dora.post("/functions/new", **FORM, public="on")

    assert "needs a budget" in page.wrong("daily_budget")
    assert "public" in at_dora.post("/functions/new", **FORM, public="on", daily_budget="1000").text


def test_what_only_the_platform_refuses_is_told_too(at_dora: Visitor) -> None:
    taken = at_dora.post("/functions/new", **{**FORM, "name": "example"})
    reserved = at_dora.post("/functions/new", **{**FORM, "env": "CHAINFAAS_X=1"})

    assert "There is a function" in taken.wrong("name")
    assert "are the platform" in reserved.text


def test_a_function_is_edited_but_keeps_its_name(at_dora: Visitor) -> None:
    at_dora.post("/functions/new", **FORM)
    shown = at_dora.get("/functions/dora/hello/edit")
    assert "GREETING=a=b" in shown.html
    assert 'name="name"' not in shown.html

    page = at_dora.post("/functions/dora/hello/edit", **{**FORM, "memory_mb": "512", "name": "other"})

    assert "Saved" in page.text
    assert "512 MiB" in page.text
    assert Function.objects.get(name="hello").memory_mb == 512


def test_an_edit_that_is_refused_changes_nothing(at_dora: Visitor) -> None:
    page = at_dora.post("/functions/dora/example/edit", **{**FORM, "memory_mb": "1"})

    assert "greater than" in page.wrong("memory_mb")
    assert Function.objects.get().memory_mb == 128


def test_a_stopped_function_is_not_called_until_it_is_started(at_dora: Visitor) -> None:
    stopped = at_dora.post("/functions/dora/example/stop")
    assert "is stopped" in stopped.text
    assert 'name="text"' not in stopped.html

    refused = at_dora.post("/functions/dora/example/try", text="x")
    assert refused.status == 400
    assert "The function is stopped" in refused.text

    started = at_dora.post("/functions/dora/example/start")
    assert "takes calls again" in started.text
    assert 'name="text"' in started.html


def test_deleting_asks_first_and_keeps_the_jobs(at_dora: Visitor, machine: Machine) -> None:
    job = at_dora.called("dora/example", "x")
    assert "Delete example?" in at_dora.get("/functions/dora/example/delete").text
    assert Function.objects.exists()

    page = at_dora.post("/functions/dora/example/delete")

    assert "is deleted" in page.text
    assert at_dora.get("/functions/dora/example").status == 404
    assert "succeeded" in at_dora.get(f"/jobs/{job.id}").text


def test_stopping_and_starting_take_a_form(at_dora: Visitor) -> None:
    for verb in ("start", "stop", "try"):
        assert at_dora.get(f"/functions/dora/example/{verb}").status == 405


def test_a_provider_is_told_how_to_become_a_developer(at_pete: Visitor) -> None:
    page = at_pete.get("/functions/new")

    assert page.status == 403
    assert "needs the role developer" in page.text
    assert "/account" in page.links()


def test_a_strangers_function_is_not_found(at_eve: Visitor, dora: Person) -> None:
    for end in ("", "/edit", "/delete"):
        assert at_eve.get(f"/functions/dora/example{end}").status == 404
    for end in ("/edit", "/start", "/stop", "/delete", "/try"):
        assert at_eve.post(f"/functions/dora/example{end}", text="x").status == 404
    assert Function.objects.filter(owner=dora.user, active=True).exists()


def test_a_public_function_can_be_tried_by_others_and_no_more(at_eve: Visitor, dora: Person) -> None:
    dora.deploy("open", public=True, daily_budget=1_000_000, env={"API_KEY": "hidden"})

    page = at_eve.get("/functions/dora/open")

    assert "Try it" in page.text
    assert "Bearer" not in page.text
    assert "API_KEY" not in page.text
    assert "/functions/dora/open/edit" not in page.links()
    assert at_eve.get("/functions/dora/open/edit").status == 404
    job = at_eve.call("dora/open", "x")
    assert job.developer == dora.user
