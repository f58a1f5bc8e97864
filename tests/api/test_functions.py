"""`/functions`."""

from __future__ import annotations

from typing import Any

import pytest

from chainfaas.models import Job
from tests.cast import Machine, Person, at_once

FULL = {
    "name": "full",
    "image": "ghcr.io/dora/full:1.2",
    "memory_mb": 256,
    "cpus": 0.5,
    "timeout_s": 60,
    "env": {"LANGUAGE": "de"},
    "network": True,
    "public": True,
    "max_rate": 100,
    "daily_budget": 5_000,
}


def test_a_function_is_as_it_was_deployed(dora: Person) -> None:
    made = dora.post("/functions", FULL)

    assert made.status_code == 201, made.content
    assert made["Location"] == "/api/v1/functions/dora/full"
    found = dora.get("/functions/dora/full").json()
    assert found == made.json()
    assert {name: found[name] for name in FULL} == FULL
    assert (found["owner"], found["active"]) == ("dora", True)


def test_what_is_left_out_has_its_default(dora: Person) -> None:
    found = dora.post("/functions", {"name": "small", "image": "chainfaas/echo"}).json()

    assert (found["memory_mb"], found["cpus"], found["timeout_s"], found["max_rate"]) == (128, 1.0, 30, 64)
    assert (found["env"], found["network"], found["public"], found["daily_budget"]) == (
        {},
        False,
        False,
        None,
    )


def test_patch_changes_what_it_says_and_put_all(dora: Person) -> None:
    dora.post("/functions", FULL)

    patched = dora.call("PATCH", "/functions/dora/full", {"memory_mb": 64, "name": "slim"}).json()
    replaced = dora.call("PUT", "/functions/dora/slim", {"image": "chainfaas/echo"}).json()

    assert patched == {**patched, **FULL, "memory_mb": 64, "name": "slim"}
    assert (replaced["name"], replaced["memory_mb"], replaced["env"]) == ("slim", 128, {})
    assert dora.get("/functions/dora/full").status_code == 404
    assert dora.call("PUT", "/functions/dora/slim", {}).status_code == 400


def test_names_are_taken_once(dora: Person, eve: Person) -> None:
    wish = {"name": "mine", "image": "chainfaas/echo"}

    answers = at_once(*[lambda: dora.post("/functions", wish)] * 3)

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert dora.call("PATCH", "/functions/dora/example", {"name": "mine"}).status_code == 409
    assert eve.post("/functions", wish).status_code == 201


def test_a_list_goes_on_where_it_ended(dora: Person) -> None:
    for name in ("b", "a", "c"):
        dora.deploy(name)

    first = dora.get("/functions?limit=3").json()
    second = dora.get(first["next"].partition("/api/v1")[2]).json()

    assert [row["name"] for row in first["results"]] == ["a", "b", "c"]
    assert [row["name"] for row in second["results"]] == ["example"]
    assert second["next"] is None


def test_a_deleted_function_leaves_its_jobs(dora: Person, machine: Machine) -> None:
    job = dora.invoke("dora/example", b"x")["ChainFaaS-Job-Id"]

    assert dora.call("DELETE", "/functions/dora/example").status_code == 204

    assert dora.get("/functions/dora/example").status_code == 404
    assert dora.get(f"/jobs/{job}").json()["function"] == "dora/example"
    assert Job.objects.get().function is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "UPPER"),
        ("name", "a/b"),
        ("name", ""),
        ("name", "a" * 41),
        ("image", "not an image"),
        ("image", "UPPER/case"),
        ("image", "-"),
        ("image", ""),
        ("image", "a" * 300),
        ("image", "http://example.org/x"),
        ("image", "x@sha256:12"),
        ("memory_mb", 0),
        ("memory_mb", 2**70),
        ("memory_mb", 128.5),
        ("memory_mb", "128"),
        ("cpus", 0),
        ("cpus", 1000),
        ("cpus", "1"),
        ("cpus", 10**400),
        ("timeout_s", 901),
        ("timeout_s", True),
        ("env", ["A=b"]),
        ("env", {"A": 1}),
        ("env", {"A=B": "x"}),
        ("env", {"A\0": "x"}),
        ("env", {"A": "\0"}),
        ("env", {"CHAINFAAS_X": "x"}),
        ("env", {"A": "x" * 40_000}),
        ("network", "yes"),
        ("public", 1),
        ("public", True),  # without a budget
        ("max_rate", 0),
        ("daily_budget", -1),
        ("daily_budget", 2**63),
        ("owner", "eve"),
        ("active", False),
        ("timout_s", 3),
    ],
)
def test_bad_input_is_named(dora: Person, field: str, value: Any) -> None:
    for method, path in (("POST", "/functions"), ("PATCH", "/functions/dora/example")):
        known = {"name": "f", "image": "chainfaas/echo"} if method == "POST" else {}

        answer = dora.call(method, path, {**known, field: value})

        assert answer.status_code == 400, answer.content
        assert ("daily_budget" if value is True and field == "public" else field) in answer.json()["detail"]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", f"limit={'9' * 50}", "cursor=%00", "cursor=UPPER"])
def test_a_query_that_makes_no_sense_is_bad_input(dora: Person, query: str) -> None:
    assert dora.get(f"/functions?{query}").status_code == 400
