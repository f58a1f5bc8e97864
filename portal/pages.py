"""Long lists, a page at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest

ROWS = 50

Row = TypeVar("Row", bound=Model)


def cut(
    request: HttpRequest, rows: QuerySet[Row], before: Callable[[str], QuerySet[Row]]
) -> tuple[list[Row], str | None]:
    """The rows of the page that the request asks for, and the query of the next one, if there is one.

    A page is named by the last row of the one before it, so that new rows do not shift it."""
    last = request.GET.get("before", "")
    try:
        found = list((before(last) if last else rows)[: ROWS + 1])
    except ValueError:
        found = list(rows[: ROWS + 1])
    return found[:ROWS], next_query(request, found[ROWS - 1].pk) if len(found) > ROWS else None


def next_query(request: HttpRequest, last: Any) -> str:
    query = request.GET.copy()
    query["before"] = str(last)
    return query.urlencode()
