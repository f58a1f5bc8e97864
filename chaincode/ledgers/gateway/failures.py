"""What a gRPC failure means to a caller: whose fault it is, and whether to try again.

Fabric's gateway tells the reasons in words more than in codes (internal/pkg/gateway/*.go), so the words are
read here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import grpc

from chaincode.errors import Conflict, LedgerError, Misbehaved, Refused, Unavailable
from chaincode.fabric import responses

_REFUSED = re.compile(
    r"access denied|creator org|error validating|duplicate transaction|message larger than max"
    r"|orderer: status=(BAD_REQUEST|FORBIDDEN|REQUEST_ENTITY_TOO_LARGE)",
    re.IGNORECASE,
)
_DISAGREE = re.compile(r"ProposalResponsePayloads do not match", re.IGNORECASE)
_CHAINCODE = re.compile(r"chaincode response \d+")
_NO_PEERS = re.compile(
    r"no combination of peers|unavailability of peers|any endorsing peers|no peers available", re.IGNORECASE
)
"""While a dead peer is still listed, or before the others have told what they run (registry.go)."""

_UNREADABLE = "Exception deserializing response"
"""grpc's own word, from this side of the wire."""

_REFUSALS = (
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,  # of a peer's first look at a proposal (endorser, preProcess)
)

_PASSING = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,  # a stream that was cut
    grpc.StatusCode.ABORTED,  # a chaincode process that died
    grpc.StatusCode.RESOURCE_EXHAUSTED,  # more calls at once than the peer takes
)
"""What may go well a moment later, or at another peer."""


def of(error: grpc.RpcError) -> LedgerError:
    """The failure in this ledger's terms. A contract's no wins over all that is around it."""
    words = list(_words(error))
    for word in words:
        refusal = responses.contract_error(word)
        if refusal is not None:
            return refusal
    return _kind(error.code(), "; ".join(words))


def _kind(code: grpc.StatusCode, text: str) -> LedgerError:
    if _UNREADABLE in text:
        return Misbehaved("the answer cannot be read")
    if _DISAGREE.search(text):
        return Conflict(f"the endorsers disagree: {text}")
    if _NO_PEERS.search(text):
        return Unavailable(text)
    if _CHAINCODE.search(text):
        return LedgerError(text)
    if _REFUSED.search(text) or code in _REFUSALS:
        return Refused(text)
    if code in _PASSING:
        return Unavailable(f"{code.name}: {text}")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return LedgerError("this server has no gateway service: it takes Fabric from 2.4 on")
    return LedgerError(f"{code.name}: {text}")


def _words(error: grpc.RpcError) -> Iterator[str]:
    """Those of each endorser, then those of the gateway."""
    trailing: Any = error.trailing_metadata() or ()
    for key, value in trailing:
        if key == responses.DETAILS:
            yield from _details(value)
    yield error.details() or ""


def _details(packed: bytes) -> Iterator[str]:
    try:
        details = responses.unpack_details(packed)
    except Refused:
        return  # the status itself still tells what happened
    for detail in details:
        yield f"{detail.message} ({detail.msp_id} at {detail.address})"
