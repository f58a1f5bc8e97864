"""What all the formats share: reading a message, time, and the identity of whoever acts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar

from fabric_protos.msp.identities_pb2 import SerializedIdentity
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from chaincode.blocks import Creator
from chaincode.errors import Refused

P = ParamSpec("P")
R = TypeVar("R")


def reader(what: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Marks a function that reads a stranger's bytes: it raises nothing but Refused, which says what they
    are not."""

    def mark(read: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(read)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return read(*args, **kwargs)
            except (DecodeError, ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
                raise Refused(f"this is not {what}: {error}") from error

        return wrapped

    return mark


def message(kind: type[Any], data: bytes) -> Any:
    """A message of this kind. Raises DecodeError, so call it in a `reader`."""
    return kind.FromString(data)


def encoded(found: Any) -> bytes:
    """A message's bytes, the same every time."""
    return bytes(found.SerializeToString(deterministic=True))


def timestamp(at: str) -> Timestamp:
    """google.protobuf.Timestamp of an ISO 8601 text."""
    found = Timestamp()
    found.FromDatetime(datetime.fromisoformat(at))
    return found


def iso(at: Timestamp) -> str:
    """ISO 8601 UTC, of one width so that text order is time order; cut to microseconds."""
    moment = at.ToDatetime(tzinfo=UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def identity(creator: Creator) -> bytes:
    """msp.SerializedIdentity: how a creator, an endorser and an orderer are named everywhere."""
    return encoded(SerializedIdentity(mspid=creator.msp_id, id_bytes=creator.certificate.encode("ascii")))


@reader("an identity")
def creator(serialized: bytes) -> Creator:
    found = message(SerializedIdentity, serialized)
    return Creator(found.mspid, found.id_bytes.decode("ascii"))
