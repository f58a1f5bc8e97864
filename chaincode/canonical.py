"""One spelling for every JSON value, so that a signature and a hash mean the same everywhere."""

from __future__ import annotations

import json
from typing import Any


def text(value: Any) -> str:
    """JSON with sorted keys, no spaces and ASCII only, so that any string at all can be spelled."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def parse(text: str | bytes) -> Any:
    return json.loads(text)


def data(value: Any) -> bytes:
    return text(value).encode("ascii")
