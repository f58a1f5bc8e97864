"""What a caller asks for in headers: `Prefer` (RFC 7240) and `Idempotency-Key`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from chainfaas.errors import BadInput

LONGEST_KEY = 255

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
    OpenApiParameter.HEADER,
    description="The same key again is the same call, for 24 hours.",
)
PREFER = OpenApiParameter(
    "Prefer",
    str,
    OpenApiParameter.HEADER,
    description="`respond-async`, `wait=N` or both: answer at once with 202, or after at most N seconds.",
)

_WAIT = re.compile(r"wait\s*=\s*\"?(\d{1,9})\"?")


@dataclass(frozen=True)
class Preference:
    """How an invocation is to be answered. What it does not know, it ignores, as the RFC has it."""

    respond_async: bool = False
    wait_s: int | None = None

    @classmethod
    def of(cls, request: Request) -> Preference:
        wishes = [
            wish.partition(";")[0].strip().lower() for wish in request.headers.get("Prefer", "").split(",")
        ]
        waits = [match[1] for match in map(_WAIT.fullmatch, wishes) if match]
        return cls("respond-async" in wishes, int(waits[0]) if waits else None)

    def __str__(self) -> str:
        parts = ["respond-async"] if self.respond_async else []
        return ", ".join(parts if self.wait_s is None else [*parts, f"wait={self.wait_s}"])


def key(request: Request) -> str | None:
    """The caller's Idempotency-Key."""
    text = request.headers.get("Idempotency-Key")
    if text is not None and not (1 <= len(text) <= LONGEST_KEY and text.isascii() and text.isprintable()):
        raise BadInput(f"Idempotency-Key: give 1 to {LONGEST_KEY} printable ASCII characters.")
    return text
