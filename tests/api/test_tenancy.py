"""Another's thing is a 404, whatever one does with it; in lists it is not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from chainfaas.api.urls import urlpatterns
from chainfaas.models import Token
from tests.cast import Machine, Person

OPEN = {"register", "tokens", "ledger/blocks", "ledger/blocks/<int:number>", "ledger/verify", "openapi.json"}
"""Addresses of nobody in particular."""


@pytest.fixture
def things(dora: Person, machine: Machine) -> dict[str, object]:
    """What dora and pete have."""
    job = dora.invoke("dora/example", b"dora's secret")["ChainFaaS-Job-Id"]
    return {
        "<name:owner>/<name:name>": "dora/example",
        "jobs/<uuid:id>": f"jobs/{job}",
        "tokens/<uuid:id>": f"tokens/{Token.objects.get(user=dora.user).id}",
        "<machine:id>": machine.row.id,
        "<name:username>": "dora",
    }


def test_a_stranger_finds_nothing_on_any_route(eve: Person, things: dict[str, object]) -> None:
    walked = 0
    for pattern in urlpatterns:
        route = str(pattern.pattern)
        if route in OPEN or "<" not in route:
            continue
        for method in pattern.callback.cls.needs:  # type: ignore[union-attr]
            answer = eve.call(method, f"/{filled(route, things)}", {})
            assert answer.status_code == 404, f"{method} {route}: {answer.status_code} {answer.content!r}"
            assert answer.json()["fault"] == "caller"
            walked += 1
    assert walked >= 20


def test_a_stranger_sees_nothing_in_any_list(eve: Person, things: dict[str, object]) -> None:
    for path in ("/functions", "/jobs", "/providers", "/tokens", "/ledger/blocks"):
        text = eve.get(path).content.decode()
        assert "dora" not in text, path
        assert str(things["jobs/<uuid:id>"]).partition("/")[2] not in text, path
        assert str(things["<machine:id>"]) not in text, path


def test_everything_without_a_token_is_a_401_but_what_is_open(things: dict[str, object], client: Any) -> None:
    for pattern in urlpatterns:
        route = str(pattern.pattern)
        if route in OPEN or route.endswith("invoke"):
            continue
        for method in pattern.callback.cls.needs:  # type: ignore[union-attr]
            path = f"/api/v1/{filled(route, things)}"
            answer = client.generic(method, path, b"{}", content_type="application/json")
            assert answer.status_code == 401, f"{method} {route}: {answer.status_code}"


def test_the_parties_and_peers_read_the_record(
    dora: Person, pete: Person, eve: Person, things: dict[str, object]
) -> None:
    record = f"/ledger/{things['jobs/<uuid:id>']}"
    assert dora.get(record).status_code == pete.get(record).status_code == 200
    assert eve.get(record).status_code == 404

    eve.call("PATCH", "/me", {"roles": ["peer"]})

    assert eve.get(record).status_code == 200


def filled(route: str, things: dict[str, object]) -> str:
    for part, thing in things.items():
        route = route.replace(part, str(thing))
    assert not re.search("<.*>", route), f"what of dora's stands in {route}?"
    return route
