"""What crosses the broker: frozen, versioned, checked on arrival. Both sides distrust each other.

A provider's messages come from a stranger's computer, so `Report.load` is strict: an unknown field, a wrong
type, a number out of range or a body over the limit is `Malformed`, never a crash.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import Meta, Struct

from tasks import limits

JobId = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")]
Attempt = Annotated[int, Meta(ge=1, le=1000)]
Milliseconds = Annotated[float, Meta(ge=0, le=1e9)]


class Malformed(ValueError):
    """A message is not what its sender may send."""


class Outcome(StrEnum):
    """How an attempt ended, as the machine tells it."""

    EXITED = "exited"
    SIGNALLED = "signalled"
    OUT_OF_MEMORY = "out_of_memory"
    OUTPUT_LIMIT = "output_limit"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    # From here on it is not the function's doing, and nobody pays.
    LOST = "lost"
    IMAGE_UNAVAILABLE = "image_unavailable"
    REFUSED = "refused"
    RUNTIME_BROKEN = "runtime_broken"


RAN = frozenset(
    {
        Outcome.EXITED,
        Outcome.SIGNALLED,
        Outcome.OUT_OF_MEMORY,
        Outcome.OUTPUT_LIMIT,
        Outcome.TIMED_OUT,
        Outcome.CANCELLED,
    }
)
"""Outcomes of a function that really ran: its run time counts, and the machine signs a receipt."""


class Run(Struct, frozen=True, forbid_unknown_fields=True):
    """Controller to machine: run this once."""

    job: JobId
    attempt: Attempt
    image: str
    memory_mb: int
    cpus: float
    timeout_s: int
    env: dict[str, str]
    network: bool
    input: bytes
    version: Literal[1] = 1

    def dump(self) -> str:
        return _text(self)

    @classmethod
    def load(cls, text: str) -> Self:
        message: Self = _load(text, cls)
        return message


class Started(Struct, frozen=True, forbid_unknown_fields=True, tag="started"):
    """Machine to controller: the function starts now."""

    job: JobId
    attempt: Attempt
    prepared_ms: (
        Milliseconds  #: from having the task to starting it: waiting for a slot and pulling the image
    )
    version: Literal[1] = 1

    def dump(self) -> str:
        return _text(self)


class Result(Struct, frozen=True, forbid_unknown_fields=True, tag="result"):
    """Machine to controller: the attempt ended."""

    job: JobId
    attempt: Attempt
    outcome: Outcome
    exit_code: Annotated[int, Meta(ge=0, le=255)]  #: 128 + signal for a killed process; 0 where nothing ran
    run_ms: Annotated[
        int, Meta(ge=0, le=1_000_000_000)
    ]  #: the function alone, rounded up; what the receipt says
    pull_ms: Milliseconds
    output: bytes
    log: bytes  #: the end of stderr
    signature: Annotated[
        str, Meta(max_length=256)
    ]  #: base64 of the receipt's signature, "" where nothing ran
    detail: Annotated[str, Meta(max_length=500)] = ""  #: for people: why it could not run
    version: Literal[1] = 1

    def dump(self) -> str:
        return _text(self)


Report = Started | Result


class Cancel(Struct, frozen=True, forbid_unknown_fields=True, tag="cancel"):
    """Controller to machine, on its control queue: stop this attempt, or do not begin it."""

    job: JobId
    attempt: Attempt
    version: Literal[1] = 1

    def dump(self) -> str:
        return _text(self)

    @classmethod
    def load(cls, text: str) -> Self:
        message: Self = _load(text, cls)
        return message


def load_report(text: str) -> Report:
    """What a machine reported. Raises Malformed, whatever the text."""
    report: Report = _load(text, Report)
    if isinstance(report, Result):
        if len(report.output) > limits.BODY or len(report.log) > limits.LOG:
            raise Malformed("the result or the log is over its limit")
        _plain(report.detail)
        _plain(report.signature)
    return report


def _plain(text: str) -> None:
    """Refuse what databases and terminals choke on: NUL, control characters and lone surrogates."""
    if any((ord(c) < 32 and c not in "\n\t") or 0xD800 <= ord(c) <= 0xDFFF for c in text):
        raise Malformed("a text has control characters")


def _text(message: Struct) -> str:
    return msgspec.json.encode(message).decode()


def _load(text: str, kind: Any) -> Any:
    if len(text) > limits.MESSAGE:
        raise Malformed("a message is over its limit")
    try:
        return msgspec.json.decode(text, type=kind, strict=True)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Malformed(str(error)) from error
