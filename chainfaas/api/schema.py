"""The OpenAPI document: what each call takes and answers. `make openapi` writes chainfaas/openapi.yaml."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse, JsonResponse
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from chainfaas import errors
from chainfaas.api.strict import Input
from chainfaas.errors import ChainFaaSError

F = TypeVar("F", bound=Callable[..., Any])

Kind = type[ChainFaaSError]

ALWAYS: tuple[Kind, ...] = (
    errors.BadInput,
    errors.NotSignedIn,
    errors.Forbidden,
    errors.TooManyRequests,
    errors.LedgerAway,
)
"""Every call may be answered so."""
WITH_BODY: tuple[Kind, ...] = (errors.RequestTimeout, errors.TooLarge, errors.Busy)
"""Every call that has a body."""


Problem = inline_serializer(
    "Problem",
    {
        "type": serializers.CharField(help_text="`/problems/<slug>`; the slug is stable."),
        "title": serializers.CharField(),
        "status": serializers.IntegerField(),
        "detail": serializers.CharField(),
        "fault": serializers.ChoiceField(["caller", "function", "provider", "platform"]),
        "job": serializers.UUIDField(required=False, help_text="The job that the call made."),
        "exit_code": serializers.IntegerField(required=False, allow_null=True),
        "logs": serializers.CharField(required=False, help_text="Where the function's log is."),
        "errors": serializers.DictField(required=False, help_text="What is wrong, field by field."),
    },
)
"""What went wrong, and whose fault it is (RFC 9457)."""


class StrictInput(OpenApiSerializerExtension):  # type: ignore[no-untyped-call] # it has no types
    """Says that unknown fields are refused."""

    target_class = Input
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        fields: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return {**fields, "additionalProperties": False}


def describe(
    operation: str,
    answers: dict[Any, Any],
    *problems: Kind,
    request: Any = None,
    parameters: Sequence[OpenApiParameter | type[serializers.Serializer[Any]]] = (),
    open: bool = False,
) -> Callable[[F], F]:
    """What a handler takes and answers. `open`: without a token, too."""
    told: defaultdict[int, list[Kind]] = defaultdict(list)
    for kind in dict.fromkeys((*problems, *ALWAYS, *(WITH_BODY if request is not None else ()))):
        told[kind.status].append(kind)
    responses = dict(answers)
    for status, kinds in sorted(told.items()):
        responses[status, "application/problem+json"] = OpenApiResponse(
            Problem, description=" ".join(f"`{kind.slug}`: {_first_line(kind)}" for kind in kinds)
        )
    return extend_schema(
        operation_id=operation,
        request=request,
        responses=responses,
        parameters=list(parameters),
        auth=[{"token": []}, {}] if open else None,  # type: ignore[list-item]
    )


def document(request: HttpRequest) -> HttpResponse:
    """The OpenAPI document as JSON."""
    return JsonResponse(_document())


@cache
def _document() -> Any:
    generator: Any = SchemaGenerator  # has no types
    return generator().get_schema(request=None, public=True)


def _first_line(kind: type[ChainFaaSError]) -> str:
    return " ".join((kind.__doc__ or kind.title).split())
