"""How answers look: tables for people, JSON for programs. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

Record = Mapping[str, Any]

STATE_COLOURS = {
    "succeeded": "green",
    "running": "cyan",
    "failed": "red",
    "timed_out": "red",
    "lost": "red",
    "cancelled": "yellow",
}


def dump(value: object) -> None:
    """For programs. ASCII only, so that no terminal and no locale can spoil it."""
    click.echo(json.dumps(value, indent=2))


def notice(text: str) -> None:
    """Something that a person wants to know and that is not the result."""
    click.echo(line(text), err=True)


def coloured(text: str, colour: str | None, *, err: bool = False, bold: bool = False) -> str:
    stream = sys.stderr if err else sys.stdout
    if os.environ.get("NO_COLOR") or not stream.isatty():
        return text
    return click.style(text, fg=colour, bold=bold or None)


def line(text: str) -> str:
    """On one line, and harmless for a terminal: names and details may come from strangers."""
    return printable(" ".join(text.split()))


def printable(text: str, keep: str = "") -> str:
    return "".join(c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in text)


def money(amount: object) -> str:
    """Micro-units, as people read them."""
    return f"{amount:,} µ" if isinstance(amount, int) and not isinstance(amount, bool) else "-"


def duration(ms: object) -> str:
    if not isinstance(ms, int | float) or isinstance(ms, bool):
        return "-"
    return f"{ms:,.1f}".removesuffix(".0") + " ms"


def ago(moment: object) -> str:
    """How long ago an ISO 8601 time was, roughly."""
    try:
        then = datetime.fromisoformat(str(moment))
    except ValueError:
        return text_of(moment)
    seconds = (datetime.now(UTC) - (then if then.tzinfo else then.replace(tzinfo=UTC))).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(seconds, 0):.0f} s ago"


def text_of(value: object) -> str:
    """Any value of an answer, in a table's cell."""
    if value in (None, "", [], {}):
        return "-"
    match value:
        case bool():
            return "yes" if value else "no"
        case str():
            return line(value)
        case list():
            return ", ".join(text_of(item) for item in value)
        case dict():
            return " ".join(f"{line(str(key))}={text_of(item)}" for key, item in value.items())
        case _:
            return line(str(value))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as docker prints them: no frames, so that `awk` can read them too."""
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    _row(heads, widths, bold=True)
    for row in rows:
        _row(row, widths)


def facts(pairs: Iterable[tuple[str, str]], indent: str = "") -> None:
    """Names and values below each other."""
    pairs = list(pairs)
    width = max((len(name) for name, _ in pairs), default=0) + 2
    for name, value in pairs:
        click.echo(f"{indent}{coloured(f'{name}:', None, bold=True)}{' ' * (width - len(name) - 1)}{value}")


def state(value: object) -> str:
    return coloured(text_of(value), STATE_COLOURS.get(str(value)))


def _row(cells: Sequence[str], widths: Sequence[int], *, bold: bool = False) -> None:
    padded = [f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)]
    text = "   ".join(padded).rstrip()
    if bold:
        text = coloured(text, None, bold=True)
    else:
        for word in cells:
            if word in STATE_COLOURS:
                text = text.replace(word, coloured(word, STATE_COLOURS[word]), 1)
    click.echo(text)
