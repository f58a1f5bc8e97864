"""`/jobs`: the list."""

from __future__ import annotations

import pytest

from chainfaas.jobs import lifecycle
from chainfaas.models import Function
from tests.cast import Machine, Person
from tests.portal.pages import Visitor


def test_jobs_are_listed_the_latest_first_with_cost_and_state(at_dora: Visitor, machine: Machine) -> None:
    at_dora.called("dora/example", "x")
    at_dora.call("dora/example", "y")

    page = at_dora.get("/jobs")

    rows = page.text.partition("Cost")[2]
    assert rows.index("submitted") < rows.index("succeeded")
    assert "2 µ" in page.text


def test_jobs_are_found_by_state_and_function(at_dora: Visitor, dora: Person) -> None:
    dora.deploy("other")
    example, other = at_dora.call("dora/example"), at_dora.call("dora/other")
    lifecycle.cancel(other)

    by_state = at_dora.get("/jobs?state=cancelled").links()
    by_function = at_dora.get("/jobs?function=dora/example").links()
    neither = at_dora.get("/jobs?state=cancelled&function=dora/example")

    assert f"/jobs/{other.id}" in by_state
    assert f"/jobs/{example.id}" not in by_state
    assert f"/jobs/{example.id}" in by_function
    assert "No job is like that" in neither.text


@pytest.mark.parametrize("query", ["state=nonsense", "before=nonsense", "function=%00", "before=1"])
def test_nonsense_in_the_address_is_no_crash(at_dora: Visitor, query: str) -> None:
    assert at_dora.get(f"/jobs?{query}").status == 200


def test_a_long_list_comes_in_pages(at_dora: Visitor, dora: Person) -> None:
    function = Function.objects.get(owner=dora.user)
    made = [str(lifecycle.submit(function, dora.user, b"")[0].id) for _ in range(51)]

    first = at_dora.get("/jobs?function=dora/example")
    older = next(link for link in first.html.split('"') if link.startswith("?") and "before" in link)
    second = at_dora.get("/jobs" + older.replace("&amp;", "&"))

    assert f"/jobs/{made[50]}" in first.links()
    assert f"/jobs/{made[0]}" not in first.links()
    assert f"/jobs/{made[0]}" in second.links()
    assert f"/jobs/{made[1]}" not in second.links()
    assert "function=dora" in older


def test_others_jobs_are_not_listed(at_eve: Visitor, at_dora: Visitor) -> None:
    job = at_dora.call("dora/example")

    assert f"/jobs/{job.id}" not in at_eve.get("/jobs").links()
