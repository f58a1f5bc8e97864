"""JSON for people: what fits on a line stays on it."""

from __future__ import annotations

import json
from typing import Any

LINE = 72
INDENT = "  "


def pretty(text: str) -> str:
    """The text laid out, if it is a JSON object or list; else as it is."""
    if text[:1] not in ("{", "["):
        return text
    try:
        return _laid_out(json.loads(text), "")
    except (ValueError, RecursionError):
        return text


def _laid_out(value: Any, margin: str) -> str:
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + len(margin) <= LINE or not isinstance(value, dict | list) or not value:
        return line
    inner = margin + INDENT
    if isinstance(value, dict):
        parts = [
            f"{json.dumps(name, ensure_ascii=False)}: {_laid_out(part, inner)}"
            for name, part in value.items()
        ]
        return "{\n" + ",\n".join(inner + part for part in parts) + f"\n{margin}}}"
    return "[\n" + ",\n".join(inner + _laid_out(part, inner) for part in value) + f"\n{margin}]"
