"""Reading a document strictly: a type, a range, a length or a name that is not foreseen is BAD_ARGUMENT.

A shape is a frozen dataclass whose fields are annotated with the rule that checks them.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Annotated, Any, NoReturn, Protocol, TypeVar, cast, get_type_hints

from chaincode.errors import Code, ContractError

T = TypeVar("T")


def refuse(detail: str) -> NoReturn:
    raise ContractError(Code.BAD_ARGUMENT, detail)


class Rule(Protocol):
    def check(self, value: object, name: str, /) -> Any: ...


@dataclass(frozen=True)
class Whole:
    """An integer from least to most. true is not 1."""

    least: int
    most: int

    def check(self, value: object, name: str) -> int:
        if type(value) is not int or not self.least <= value <= self.most:
            refuse(f"{name} must be a whole number from {self.least} to {self.most}")
        return value


@dataclass(frozen=True)
class Text:
    """A string that the whole pattern matches."""

    pattern: re.Pattern[str]

    def check(self, value: object, name: str) -> str:
        if not isinstance(value, str) or not self.pattern.fullmatch(value):
            refuse(f"{name} must match {self.pattern.pattern}")
        return value


@dataclass(frozen=True)
class Each:
    """A list of at most so many values that all keep a rule; distinct ones, if asked."""

    rule: Rule
    most: int
    least: int = 0
    distinct: bool = False

    def check(self, value: object, name: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or not self.least <= len(value) <= self.most:
            refuse(f"{name} must be a list of {self.least} to {self.most} entries")
        checked = tuple(self.rule.check(entry, f"{name}[{index}]") for index, entry in enumerate(value))
        if self.distinct and len(dict.fromkeys(checked)) != len(checked):
            refuse(f"{name} names an entry twice")
        return checked


@dataclass(frozen=True)
class Mapped:
    """An object whose names and values keep a rule each."""

    names: Rule
    values: Rule
    most: int

    def check(self, value: object, name: str) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) > self.most:
            refuse(f"{name} must be an object of at most {self.most} entries")
        return {
            self.names.check(key, name): self.values.check(value[key], name) for key in sorted(value, key=str)
        }


@dataclass(frozen=True)
class Part:
    """An object of a shape of its own."""

    shape: type

    def check(self, value: object, name: str) -> Any:
        return parse(self.shape, value, name)


class Anything:
    """Looked at later, entry by entry, so that a bad one spoils nothing but itself."""

    def check(self, value: object, name: str) -> object:
        return value


def parse(shape: type[T], document: object, name: str = "the document") -> T:
    if not isinstance(document, dict):
        refuse(f"{name} must be an object")
    rules, required = _rules(shape)  # type: ignore[arg-type]  # a class is hashable
    for field in document:
        if field not in rules:
            refuse(f"{name} has an unknown field {str(field)[:40]!r}")
    for field in required:
        if field not in document:
            refuse(f"{name} lacks the field {field!r}")
    checked = {field: rules[field].check(value, field) for field, value in document.items()}
    return cast("type[Any]", shape)(**checked)  # type: ignore[no-any-return]


@cache
def _rules(shape: type) -> tuple[dict[str, Rule], tuple[str, ...]]:
    hints = get_type_hints(shape, include_extras=True)
    rules = {field.name: hints[field.name].__metadata__[0] for field in fields(shape)}
    required = tuple(
        field.name for field in fields(shape) if field.default is MISSING and field.default_factory is MISSING
    )
    return rules, required


ID = Text(re.compile(r"[A-Za-z0-9_.:@+=-]{1,128}"))
"""No slash: ids are parts of keys."""

Id = Annotated[str, ID]
Operation = Annotated[str, Text(re.compile(r"[A-Za-z0-9_.:@+=/-]{1,128}"))]
TX_ID = Text(re.compile(r"[0-9a-f]{64}"))
Digest = Annotated[str, TX_ID]
Words = Annotated[str, Text(re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}"))]
Pem = Annotated[str, Text(re.compile(r"[\n\r -~]{1,8192}"))]
Signature = Annotated[str, Text(re.compile(r"[A-Za-z0-9+/=]{0,256}"))]
Amount = Annotated[int, Whole(1, 10**15)]
