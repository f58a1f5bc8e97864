"""What a client is told when something is refused: the status codes and words of a real peer's gateway.

From Fabric's internal/pkg/gateway (evaluate.go, endorse.go, submit.go, apiutils.go) and core/endorser. A peer
tells a stranger no more than that it is one; why stands in the server's log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
from fabric_protos.gateway.gateway_pb2 import ErrorDetail

from chaincode.errors import ContractError, LedgerError, Refused, Unavailable
from chaincode.fabric import responses
from chaincode.ledgers.membership import AccessDenied
from chaincode.ledgers.served.limits import TooMany
from chaincode.stream import ChaincodeFailed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """A gRPC status. `detail` is what the peer behind the gateway said."""

    code: grpc.StatusCode
    message: str
    detail: str = ""


class Malformed(Refused):
    """The request cannot be read."""


class QueryFailed(LedgerError):
    """A chaincode of the peer's own cannot answer."""


@dataclass(frozen=True)
class Answers:
    """Those of one server, which has a name in them."""

    channel: str
    msp_id: str
    address: str

    @contextmanager
    def to(self, context: grpc.ServicerContext, answer: Callable[[LedgerError], Answer]) -> Iterator[None]:
        """Ends the call with what `answer` makes of an error within the block."""
        try:
            yield
        except LedgerError as error:
            log.info("refused %s: %s", context.peer(), error)
            self._end(context, answer(error))
        except TooMany as error:
            self._end(context, Answer(grpc.StatusCode.RESOURCE_EXHAUSTED, f"too many requests, {error}"))

    def evaluate(self, error: LedgerError) -> Answer:
        code, detail = self._of_peer(error)
        if code is grpc.StatusCode.UNAVAILABLE:
            return Answer(code, "failed to evaluate transaction, see attached details for more info", detail)
        if code is grpc.StatusCode.INVALID_ARGUMENT:
            return Answer(code, f"failed to unpack transaction proposal: {detail}")
        return Answer(code, f"evaluate call to endorser returned error: {detail}", detail)

    def endorse(self, error: LedgerError) -> Answer:
        code, detail = self._of_peer(error)
        if code is grpc.StatusCode.INVALID_ARGUMENT:
            return Answer(code, detail)
        if code is not grpc.StatusCode.UNAVAILABLE:
            code = grpc.StatusCode.ABORTED
        return Answer(code, "failed to endorse transaction, see attached details for more info", detail)

    def submit(self, error: LedgerError) -> Answer:
        """The orderer's word: 4xx is final, everything else may have been committed."""
        if isinstance(error, Malformed):
            return Answer(grpc.StatusCode.INVALID_ARGUMENT, error.detail)
        if isinstance(error, Refused):
            status = "FORBIDDEN" if isinstance(error, AccessDenied) else "BAD_REQUEST"
            said = f"received unsuccessful response from orderer: status={status}, info={error.detail}"
            return Answer(grpc.StatusCode.ABORTED, said)
        message = "no orderers could successfully process transaction"
        return Answer(grpc.StatusCode.UNAVAILABLE, message, error.detail)

    def read(self, error: LedgerError) -> Answer:
        """Of a commit's status, and of events."""
        if isinstance(error, Malformed):
            return Answer(grpc.StatusCode.INVALID_ARGUMENT, error.detail)
        if isinstance(error, Refused):
            return Answer(grpc.StatusCode.PERMISSION_DENIED, error.detail)
        return Answer(grpc.StatusCode.UNAVAILABLE, error.detail)

    def _of_peer(self, error: LedgerError) -> tuple[grpc.StatusCode, str]:
        if isinstance(error, ContractError):
            refusal = responses.refusal(error)
            return grpc.StatusCode.UNKNOWN, f"chaincode response {refusal.status}, {refusal.message}"
        if isinstance(error, QueryFailed):
            return grpc.StatusCode.UNKNOWN, f"chaincode response 500, {error.detail}"
        if isinstance(error, Malformed):
            return grpc.StatusCode.INVALID_ARGUMENT, error.detail
        if isinstance(error, AccessDenied):
            denied = f"access denied: channel [{self.channel}] creator org [{error.msp_id}]"
            return grpc.StatusCode.FAILED_PRECONDITION, f"error validating proposal: {denied}"
        if isinstance(error, ChaincodeFailed):
            return grpc.StatusCode.ABORTED, error.detail
        if isinstance(error, Unavailable):
            return grpc.StatusCode.UNAVAILABLE, error.detail
        return grpc.StatusCode.FAILED_PRECONDITION, error.detail

    def _end(self, context: grpc.ServicerContext, answer: Answer) -> None:
        if answer.detail:
            said = ErrorDetail(address=self.address, msp_id=self.msp_id, message=answer.detail)
            packed = responses.pack_details(answer.code.value[0], answer.message, [said])
            context.set_trailing_metadata(((responses.DETAILS, packed),))
        context.abort(answer.code, answer.message)
