"""Input that says exactly what it means: unknown fields, wrong types and odd texts are refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

import msgspec
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from chainfaas.errors import BadInput, TooLarge
from tasks import limits


class JSONParser(BaseParser):
    """JSON of at most 1 MiB. NaN, lone surrogates and bottomless nesting are no JSON."""

    media_type = "application/json"

    def parse(self, stream: IO[bytes], *_: object, **__: object) -> Any:
        body = stream.read(limits.BODY + 1)
        if len(body) > limits.BODY:
            raise TooLarge
        if not body:
            return {}
        try:
            return msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise BadInput(f"The body is not JSON: {error}.") from error


class Input(serializers.Serializer[Any]):
    """The fields of a request. One that is not among them is an error: it may be a misspelt one."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = {str(name): ["There is no such field."] for name in data if name not in self.fields}
            if unknown:
                raise serializers.ValidationError(unknown)
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """A text, taken as it is."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **options})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Whole(serializers.IntegerField):
    """A whole number, not its text. 7.0 is one, too: JSON knows no difference."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, float) and data.is_integer():
            return int(data)
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class Number(serializers.FloatField):
    """A number, not its text."""

    def to_internal_value(self, data: Any) -> float:
        if not isinstance(data, int | float) or isinstance(data, bool):
            self.fail("invalid")
        try:
            return float(data)
        except OverflowError:
            self.fail("invalid")


class Switch(serializers.BooleanField):
    """true or false, and nothing that looks like it."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


def body(request: Request, kind: type[Input], **options: Any) -> dict[str, Any]:
    """The request's fields. Raises a ValidationError that names what is wrong."""
    form = kind(data=request.data, **options)
    form.is_valid(raise_exception=True)
    fields: dict[str, Any] = form.validated_data
    return fields


def query(request: Request, kind: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """The fields of the address's query."""
    form = kind(data=request.query_params.dict())
    form.is_valid(raise_exception=True)
    fields: dict[str, Any] = form.validated_data
    return fields
