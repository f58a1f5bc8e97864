"""What Fabric's gateway says, in its own words, and what it means. The words are those measured on 2.5.16 or
read in internal/pkg/gateway at v2.5."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from fabric_protos.gateway import gateway_pb2 as gateway

from chaincode.errors import (
    Code,
    Conflict,
    ContractError,
    LedgerError,
    Misbehaved,
    Refused,
    Unavailable,
)
from chaincode.fabric import responses
from chaincode.ledgers.gateway import failures

CODE = grpc.StatusCode
ENDORSE = "failed to endorse transaction, see attached details for more info"


class Failure(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode, text: str, *details: str) -> None:
        self._code, self._text, self._details = code, text, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._text

    def trailing_metadata(self) -> Any:
        said = [gateway.ErrorDetail(address="p:1", msp_id="Org1MSP", message=text) for text in self._details]
        packed = responses.pack_details(self._code.value[0], self._text, said)
        return (("other", "x"), (responses.DETAILS, packed))


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (Failure(CODE.UNAVAILABLE, "failed to connect to all addresses"), Unavailable),
        (Failure(CODE.DEADLINE_EXCEEDED, "Deadline Exceeded"), Unavailable),
        (Failure(CODE.INTERNAL, "Received RST_STREAM with error code 2"), Unavailable),
        (Failure(CODE.INTERNAL, "Exception deserializing response!"), Misbehaved),
        (
            Failure(CODE.FAILED_PRECONDITION, "no combination of peers can be derived which satisfy …"),
            Unavailable,
        ),
        (
            Failure(CODE.RESOURCE_EXHAUSTED, "too many requests for /gateway.Gateway, …"),
            Unavailable,
        ),
        (Failure(CODE.RESOURCE_EXHAUSTED, "SERVER: Received message larger than max (2 vs. 1)"), Refused),
        (Failure(CODE.ABORTED, ENDORSE, "chaincode stream terminated"), Unavailable),
        (
            Failure(CODE.ABORTED, ENDORSE, "error validating proposal: access denied: channel [c] creator …"),
            Refused,
        ),
        (Failure(CODE.FAILED_PRECONDITION, "… access denied: channel [c] creator org [Org2MSP]"), Refused),
        (Failure(CODE.ABORTED, ENDORSE, "duplicate transaction found [12ab]. Creator [0a]"), Refused),
        (Failure(CODE.ABORTED, "… ProposalResponsePayloads do not match (base64): 'a' vs 'b'"), Conflict),
        (Failure(CODE.ABORTED, "… from orderer: status=BAD_REQUEST, info=error applying config"), Refused),
        (Failure(CODE.UNAVAILABLE, "no orderers could successfully process transaction"), Unavailable),
        (Failure(CODE.PERMISSION_DENIED, ""), Refused),
        (Failure(CODE.INVALID_ARGUMENT, "failed to unpack transaction proposal: EOF"), Refused),
    ],
)
def test_words_and_codes_mean(failure: Failure, kind: type[LedgerError]) -> None:
    found = failures.of(failure)

    assert type(found) is kind
    assert found.retry == (kind in (Unavailable, Conflict))


def test_contracts_no_is_found_among_the_endorsers_words() -> None:
    no = responses.refusal(ContractError(Code.FORBIDDEN, "only the controller may do this"))
    failure = Failure(CODE.ABORTED, ENDORSE, "peer is away", f"chaincode response 400, {no.message}")

    found = failures.of(failure)

    assert isinstance(found, ContractError)
    assert (found.code, found.detail) == (Code.FORBIDDEN, "only the controller may do this")


@pytest.mark.parametrize("code", [CODE.UNKNOWN, CODE.ABORTED, CODE.UNIMPLEMENTED])
def test_chaincode_that_fails_otherwise_is_not_tried_again(code: grpc.StatusCode) -> None:
    found = failures.of(Failure(code, "evaluate call returned error: chaincode response 500, panic"))

    assert type(found) is LedgerError
    assert not found.retry


def test_status_that_cannot_be_read_still_has_its_own_words() -> None:
    failure = Failure(CODE.UNAVAILABLE, "gone")
    failure.trailing_metadata = lambda: ((responses.DETAILS, b"\xff"),)  # type: ignore[method-assign]

    assert isinstance(failures.of(failure), Unavailable)
