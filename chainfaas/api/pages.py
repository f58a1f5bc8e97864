"""Lists: `{"results": […], "next": url or null}`, with a cursor instead of a page number."""

from __future__ import annotations

from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from chainfaas.api import strict
from chainfaas.errors import BadInput

MOST = 200

M = TypeVar("M", bound=Model)


class PageQuery(serializers.Serializer[Any]):
    """How much of a list, and from where on."""

    limit = serializers.IntegerField(min_value=1, max_value=MOST, default=50, help_text="At most so many.")
    cursor = serializers.CharField(
        required=False, max_length=64, help_text="Where to go on; the address in `next` has it."
    )


def of(
    request: Request,
    rows: QuerySet[M],
    field: str,
    shape: type[serializers.BaseSerializer[Any]],
    **context: object,
) -> Response:
    """A part of the rows, in the order of a unique field; `-field` for the last first. The context is the
    shape's."""
    asked = strict.query(request, PageQuery)
    name, side = field.lstrip("-"), "lt" if field.startswith("-") else "gt"
    rows = rows.order_by(field)
    if "cursor" in asked:
        rows = rows.filter(**{f"{name}__{side}": _parsed(rows.model, name, asked["cursor"])})
    found = list(rows[: asked["limit"] + 1])
    page = found[: asked["limit"]]
    following = None
    if len(found) > len(page):
        following = address(request, limit=asked["limit"], cursor=getattr(page[-1], name))
    return Response({"results": shape(page, many=True, context=context).data, "next": following})


def address(request: Request, **query: object) -> str:
    """This very address with another query."""
    text = "&".join(f"{name}={value}" for name, value in query.items())
    return request.build_absolute_uri(f"{request.path}?{text}")


def documented(shape: type[serializers.BaseSerializer[Any]]) -> serializers.Serializer[Any]:
    """The page for OpenAPI."""
    return inline_serializer(
        f"{shape.__name__}Page",
        {
            "results": shape(many=True),
            "next": serializers.URLField(allow_null=True),
        },
    )


def _parsed(model: type[Model], name: str, cursor: str) -> Any:
    field = model._meta.get_field(name)
    try:
        value = field.to_python(cursor)  # type: ignore[union-attr]
        field.run_validators(value)  # type: ignore[union-attr]
    except ValidationError as error:
        raise BadInput("cursor: take it from `next`.") from error
    return value
