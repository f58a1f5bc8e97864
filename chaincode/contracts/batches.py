"""Batches: each item has its own outcome, and a bad one spoils nothing but itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from chaincode.contracts import arguments
from chaincode.errors import Code, ContractError

Shape = TypeVar("Shape")
Plan = TypeVar("Plan")


@dataclass(frozen=True)
class Answer:
    """What became of one item. `ok` is true for work done now and for the same work done before."""

    job: str | None
    ok: bool
    code: Code | None = None
    detail: str | None = None
    cost: int | None = None
    billed_ms: int | None = None


def judge(
    items: Sequence[object], shape: type[Shape], decide: Callable[[Shape], Plan | Answer]
) -> list[Plan | Answer]:
    """What is to be done for each item, or its answer. Refuses a batch that names a job twice."""
    names = [name for item in items if isinstance(name := _job(item), str)]
    if len(dict.fromkeys(names)) != len(names):
        raise ContractError(Code.BAD_ARGUMENT, "the batch names a job twice")
    return [_judge_one(item, shape, decide) for item in items]


def _judge_one(item: object, shape: type[Shape], decide: Callable[[Shape], Plan | Answer]) -> Plan | Answer:
    try:
        return decide(arguments.parse(shape, item, "the item"))
    except ContractError as error:
        name = _job(item)
        return Answer(name if isinstance(name, str) else None, False, Code(error.code), error.detail)


def answered(answers: Iterable[Answer]) -> list[dict[str, Any]]:
    """One answer an item, in the order of the items."""
    return [asdict(answer) for answer in answers]


def _job(item: object) -> object:
    return item.get("job") if isinstance(item, dict) else None
