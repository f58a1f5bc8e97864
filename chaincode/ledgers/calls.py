"""A call as a client starts it: who asks, when, and a nonce that makes it the only one of its kind."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chaincode import canonical
from chaincode.blocks import Creator
from chaincode.errors import Code, ContractError
from chaincode.fabric.proposals import Invocation

if TYPE_CHECKING:
    from chaincode.identity import Identity

LARGEST_DOCUMENT = 1024 * 1024
"""Bytes of a call's document in JSON."""


def call(channel: str, contract: str, function: str, document: dict[str, Any], *, by: Identity) -> Invocation:
    """Raises ContractError for a document that JSON cannot spell, or not within the limit."""
    args = (function.encode("utf-8", "replace"), _spelled(document))
    return invocation(channel, contract, args, by=by)


def invocation(channel: str, chaincode: str, args: tuple[bytes, ...], *, by: Identity) -> Invocation:
    """Also of Fabric's own chaincodes, whose arguments are not JSON."""
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    creator = Creator(by.msp_id, by.certificate)
    return Invocation(channel, chaincode, args, secrets.token_bytes(24), now, creator)


def _spelled(document: dict[str, Any]) -> bytes:
    try:
        text = canonical.data(document)
    except (TypeError, ValueError, RecursionError) as error:
        raise ContractError(Code.BAD_ARGUMENT, "the document is not JSON") from error
    if len(text) > LARGEST_DOCUMENT:
        raise ContractError(Code.BAD_ARGUMENT, f"the document is over {LARGEST_DOCUMENT} bytes")
    return text
