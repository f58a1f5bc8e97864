"""The OpenAPI document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from django.core.management import call_command

from chainfaas.api.urls import urlpatterns

COMMITTED = Path(__file__).parents[2] / "chainfaas" / "openapi.yaml"


def test_the_committed_document_is_what_the_code_says(tmp_path: Path) -> None:
    call_command("spectacular", file=str(tmp_path / "fresh.yaml"), validate=True, fail_on_warn=True)

    assert (tmp_path / "fresh.yaml").read_text() == COMMITTED.read_text(), "run `make openapi`"


def test_it_is_served(client: Any) -> None:
    document = client.get("/api/v1/openapi.json").json()

    assert document["openapi"].startswith("3.1")
    assert document == yaml.safe_load(COMMITTED.read_text())


def test_every_call_is_in_it(client: Any) -> None:
    paths = client.get("/api/v1/openapi.json").json()["paths"]

    calls = sum(len(p.callback.cls.needs) for p in urlpatterns if hasattr(p.callback, "cls"))
    assert sum(len(methods) for methods in paths.values()) == calls
    for path, methods in paths.items():
        for method, call in methods.items():
            assert call["operationId"], (method, path)
            assert call["description"], (method, path)
            assert {"400", "401", "403", "429", "503"} <= set(call["responses"]), (method, path)
