"""Tasks to run, made in one line."""

from __future__ import annotations

import uuid
from typing import Any

from tasks.messages import Run


def make_run(image: str = "chainfaas/echo", **others: Any) -> Run:
    """A task that fits every machine of the tests, of a job of its own."""
    fields: dict[str, Any] = {
        "job": str(uuid.uuid4()),
        "attempt": 1,
        "image": image,
        "memory_mb": 64,
        "cpus": 1.0,
        "timeout_s": 20,
        "env": {},
        "network": False,
        "input": b"",
    }
    return Run(**(fields | others))


def nothing() -> None:
    """An `on_start` for who does not care."""
