"""Every error is a problem document, and says nothing that it should not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from chainfaas import accounts
from chainfaas.api import problems
from tests.cast import Person, call

DOCS = Path(__file__).parents[2] / "docs" / "problems.md"


@pytest.mark.parametrize(
    "path", ["/nothing", "/", "/jobs/", "/functions/a/b/c/d", "/ledger/blocks/-1", "/%ff%00"]
)
def test_an_unknown_address_is_a_problem(client: Any, path: str) -> None:
    answer = client.get(f"/api/v1{path}")

    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": "/problems/not-found",
        "title": "Not found",
        "status": 404,
        "detail": "There is nothing at this address.",
        "fault": "caller",
    }


@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "TRACE", "PROPFIND"])
def test_a_method_that_is_not_taken_is_a_405(dora: Person, method: str) -> None:
    answer = dora.call(method, "/jobs")

    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD"
    assert answer.json()["type"] == "/problems/wrong-method"


def test_a_strange_host_gets_no_links(dora: Person) -> None:
    dora.deploy("second")

    answer = dora.get("/functions?limit=1", Host="evil.example")

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


def test_what_nobody_foresaw_is_a_500_without_a_word_of_it(
    dora: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(accounts, "balance", broken)

    answer = dora.get("/me")

    assert answer.status_code == 500
    assert answer.json()["type"] == "/problems/internal"
    assert answer.json()["fault"] == "platform"
    assert b"hunter2" not in answer.content
    assert b"Traceback" not in answer.content


def test_a_database_that_is_away_is_a_503(dora: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(accounts, "balance", away)

    answer = dora.get("/me")

    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert b"locked" not in answer.content


def test_every_problem_explains_itself(client: Any) -> None:
    for slug, kind in problems.every().items():
        answer = client.get(f"/problems/{slug}")
        assert answer.status_code == 200, slug
        assert kind.title in answer.content.decode()
    assert client.get("/problems/nonsense").status_code == 404


def test_the_docs_list_every_slug_and_no_other() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \| (\d+) \| (\w+) \|", DOCS.read_text(), re.MULTILINE)

    assert sorted(listed) == sorted(
        (slug, str(kind.status), kind.fault) for slug, kind in problems.every().items()
    )


@pytest.mark.parametrize(("given", "kept"), [("abc-1", True), ("a" * 65, False), ("a b\\n", False)])
def test_a_request_has_a_name_to_find_it_by_in_the_log(dora: Person, given: str, kept: bool) -> None:
    answer = dora.get("/me", X_Request_Id=given)

    assert (answer["X-Request-Id"] == given) is kept
    assert answer["X-Request-Id"]


def test_head_is_guarded_like_get(dora: Person) -> None:
    assert call("HEAD", "/me").status_code == 401
    assert dora.call("HEAD", "/me").status_code == 200
