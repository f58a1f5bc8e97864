"""Functions: what may be registered, and what happens to one that is changed or deleted while it is used."""

from __future__ import annotations

import math
from typing import Any

import pytest

from chainfaas import functions
from chainfaas.errors import BadInput, FunctionStopped, NotFound, Taken
from chainfaas.jobs import lifecycle
from chainfaas.models import Function, State
from tasks import limits
from tests.cast import Person
from tests.jobs.world import Twin, World, fresh, state

ECHO: dict[str, Any] = {"name": "echo", "image": "chainfaas/echo"}

GOOD = [
    {"image": "chainfaas/echo@sha256:" + "a" * 64},
    {"image": "registry.example:5000/team/tool:v1.2-rc_3"},
    {"image": "localhost/x"},
    {"env": {"A": "", "LANG": "ü"}},
    {"env": {"A": "x" * (limits.ENVIRONMENT - 1)}},
    {"public": True, "daily_budget": 0},
    {"cpus": 0.1, "memory_mb": 16, "timeout_s": 900},
]
BAD = [
    {"name": "Echo"},
    {"name": "-a"},
    {"name": "a\n"},
    {"image": ""},
    {"image": "UPPER/case"},
    {"image": "a b"},
    {"image": "a/" * 130 + "a"},
    {"image": "a@sha256:short"},
    {"image": "chainfaas/echo\n"},
    {"memory_mb": 15},
    {"memory_mb": None},
    {"memory_mb": "much"},
    {"cpus": math.nan},
    {"cpus": math.inf},
    {"cpus": 0},
    {"timeout_s": 0},
    {"timeout_s": 901},
    {"max_rate": 0},
    {"public": True},
    {"daily_budget": -1},
    {"env": []},
    {"env": {"A": 1}},
    {"env": {"": "x"}},
    {"env": {"A=B": "x"}},
    {"env": {"A\0": "x"}},
    {"env": {"A": "\0"}},
    {"env": {"CHAINFAAS_TOKEN": "x"}},
    {"env": {"A": "\ud800"}},
    {"env": {"A": "x" * limits.ENVIRONMENT}},
]


@pytest.mark.parametrize("fields", GOOD)
def test_what_may_be_registered(dora: Person, fields: dict[str, Any]) -> None:
    made = functions.create(dora.user, **{**ECHO, **fields})

    assert Function.objects.get(id=made.id).full_name == "dora/echo"


@pytest.mark.parametrize("fields", BAD)
def test_what_may_not_be_registered_nor_changed_to(dora: Person, fields: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        functions.create(dora.user, **{**ECHO, **fields})

    made = functions.create(dora.user, **ECHO)
    with pytest.raises(BadInput):
        functions.change(made, **fields)
    found = Function.objects.get(id=made.id)
    assert (found.name, found.image, found.env) == ("echo", "chainfaas/echo", {})


def test_a_name_is_taken_once_an_owner(dora: Person, eve: Person) -> None:
    functions.create(dora.user, **ECHO)
    functions.create(eve.user, **ECHO)
    other = functions.create(dora.user, **{**ECHO, "name": "other"})

    with pytest.raises(Taken):
        functions.create(dora.user, **ECHO)
    with pytest.raises(Taken):
        functions.change(other, name="echo")


def test_two_changes_at_once_both_stand(dora: Person) -> None:
    made = functions.create(dora.user, **ECHO)
    stale = Function.objects.get(id=made.id)

    functions.change(made, memory_mb=256)
    functions.change(stale, timeout_s=5)

    found = Function.objects.get(id=made.id)
    assert (found.memory_mb, found.timeout_s) == (256, 5)


def test_a_change_does_not_bring_back_a_function_that_was_deleted_just_then(dora: Person) -> None:
    made = functions.create(dora.user, **ECHO)
    stale = Function.objects.get(id=made.id)
    functions.delete(made)

    with pytest.raises(NotFound):
        functions.change(stale, timeout_s=5)
    with pytest.raises(NotFound):
        functions.switch(stale, active=False)
    assert not Function.objects.filter(name="echo").exists()


def test_a_stopped_function_takes_no_call_until_it_is_started(world: World) -> None:
    function = world.function()
    functions.switch(function, active=False)
    with pytest.raises(FunctionStopped):
        world.call(function)

    functions.switch(function, active=True)
    world.call(function)


def test_a_job_keeps_its_terms_when_its_function_changes_and_ends_when_it_is_gone(
    world: World, machine: Twin
) -> None:
    function = world.function()
    job = world.call(function)
    functions.change(function, memory_mb=4096, image="chainfaas/fail")
    functions.delete(function)
    lifecycle.place(fresh(job))
    world.run()

    assert (state(job), fresh(job).memory_mb) == (State.SUCCEEDED, 128)
    assert fresh(job).function_name.startswith("dora/")
    assert fresh(job).function is None
    world.check_books()


@pytest.mark.parametrize("key", [None, "k"])
def test_a_call_of_a_function_that_was_deleted_just_then_is_not_found(world: World, key: str | None) -> None:
    function = world.function()
    earlier = world.call(world.function(), b"hello")
    Function.objects.filter(id=function.id).delete()

    with pytest.raises(NotFound):
        lifecycle.submit(function, world.dora.user, b"hello", key=key)
    assert earlier.idempotency_key is None


def test_a_developer_has_the_example_once(dora: Person, pete: Person) -> None:
    functions.ensure_example(dora.user)
    functions.ensure_example(pete.user)

    assert [f.full_name for f in Function.objects.all()] == ["dora/example"]
