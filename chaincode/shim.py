"""A contract's stub over a stream to a peer: what Fabric's shim is, for our contracts alone.

Why it is our own: docs/adr/0009. Each message means what the peer's handler (fabric,
core/chaincode/handler.go) and Go's shim (fabric-chaincode-go, shim/handler.go) make of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from fabric_protos.ledger.queryresult import kv_query_result_pb2 as rows
from fabric_protos.peer import chaincode_event_pb2 as events
from fabric_protos.peer import chaincode_pb2 as chaincodes
from fabric_protos.peer import chaincode_shim_pb2 as shim
from fabric_protos.peer import proposal_pb2 as peer

from chaincode import canonical
from chaincode.errors import ContractError, LedgerError
from chaincode.fabric import encoding, proposals, responses
from chaincode.fabric.encoding import encoded
from chaincode.identity import Caller
from chaincode.stream import KIND, Broken, Talk, Violation, name_of, result
from chaincode.stub import Stub, Version, composite_range

R = TypeVar("R")

Run = Callable[[Stub, str, Sequence[bytes]], bytes]
"""Runs a call of a contract: its arguments, and its answer. Raises ContractError."""

log = logging.getLogger(__name__)

ANSWER_S = 60.0
"""How long a peer may take to answer; a called contract has 30 s there (chaincode.executetimeout)."""

FIRST = "\x01"
"""Where plain keys begin; composite ones begin with NUL (shim/stub.go, emptyKeySubstitute)."""


class PeerRefused(Exception):
    """The peer could not do what the contract asked it. No contract goes on after that."""


class ChaincodeStub:
    """A `chaincode.stub.Stub` for one transaction that a peer asks for."""

    def __init__(self, talk: Talk, signed: Any) -> None:
        """`signed` is the `protos.SignedProposal`, also in a contract that another one called. The peer has
        checked its signature."""
        proposal = proposals.parse(signed.proposal_bytes)
        if proposal.tx_id != talk.tx_id:
            raise Violation("the signed proposal is of another transaction")
        self.channel, self.tx_id = talk.channel, talk.tx_id
        self.time, self.called = proposal.time, proposal.contract
        self.caller = Caller.of(proposal.creator.msp_id, proposal.creator.certificate)
        self.transient = _transient(signed.proposal_bytes)
        self.told: dict[str, Any] = {}  #: fields of the last message: its event, if there is one
        self._talk = talk

    def get(self, key: str) -> str | None:
        # A value is never empty, and a key that is not there has an empty one.
        return self._ask(KIND.GET_STATE, shim.GetState(key=key)).decode() or None

    def put(self, key: str, value: str) -> None:
        self._ask(KIND.PUT_STATE, shim.PutState(key=key, value=value.encode()))

    def delete(self, key: str) -> None:
        self._ask(KIND.DEL_STATE, shim.DelState(key=key))

    def range(self, start: str, end: str) -> Iterator[tuple[str, str]]:
        return self._range(start or FIRST, end) if end else iter(())  # "" would be the end of all keys

    def composite(self, kind: str, parts: Sequence[str]) -> Iterator[tuple[str, str]]:
        return self._range(*composite_range(kind, parts))

    def history(self, key: str) -> Iterator[Version]:
        return self._query(KIND.GET_HISTORY_FOR_KEY, shim.GetHistoryForKey(key=key), _version)

    def invoke(self, contract: str, function: str, document: dict[str, Any]) -> Any:
        call = chaincodes.ChaincodeInput(args=[function.encode(), canonical.data(document)])
        spec = chaincodes.ChaincodeSpec(chaincode_id=chaincodes.ChaincodeID(name=contract), input=call)
        # The answer is the whole message with which the other chaincode ended its part.
        return canonical.parse(
            result(shim.ChaincodeMessage.FromString(self._ask(KIND.INVOKE_CHAINCODE, spec)))
        )

    def event(self, name: str, payload: dict[str, Any]) -> None:
        data = canonical.data(payload)
        # The peer writes the chaincode's id and the transaction's into it.
        self.told = {"chaincode_event": events.ChaincodeEvent(event_name=name, payload=data)}

    def _range(self, start: str, end: str) -> Iterator[tuple[str, str]]:
        return self._query(KIND.GET_STATE_BY_RANGE, shim.GetStateByRange(startKey=start, endKey=end), _row)

    def _query(self, kind: int, question: Any, read: Callable[[bytes], R]) -> Iterator[R]:
        """Asked at once; the pages after the first when they are needed. A query that is not read to its end
        is closed by the peer, when the transaction ends."""
        page = self._page(kind, question)
        return (read(found.resultBytes) for found in self._results(page))

    def _results(self, page: Any) -> Iterator[Any]:
        yield from page.results
        while page.has_more:
            page = self._page(KIND.QUERY_STATE_NEXT, shim.QueryStateNext(id=page.id))
            yield from page.results

    def _page(self, kind: int, question: Any) -> Any:
        return shim.QueryResponse.FromString(self._ask(kind, question))

    def _ask(self, kind: int, question: Any) -> bytes:
        self._talk.say(kind, encoded(question))
        answer = self._talk.listen(ANSWER_S)
        if answer.type == KIND.RESPONSE:
            return bytes(answer.payload)
        if answer.type == KIND.ERROR:
            raise PeerRefused(answer.payload.decode("utf-8", "replace"))
        raise PeerRefused(f"{name_of(kind)} was answered with {name_of(answer.type)}")


def perform(talk: Talk, message: Any, contract: str, run: Run) -> None:
    """Run one TRANSACTION. Whatever happens, the peer hears how it ended."""
    try:
        stub = ChaincodeStub(talk, message.proposal)
        arguments = chaincodes.ChaincodeInput.FromString(message.payload).args
        response = _respond(stub, contract, arguments, run)
        talk.end(KIND.COMPLETED, encoded(response), **stub.told)
    except (PeerRefused, Violation, Broken, LedgerError) as error:
        log.warning("transaction %s: %s", talk.tx_id[:8], error)
        talk.end(KIND.ERROR, str(error).encode())
    except Exception as error:
        # A fault of ours, which concerns nobody but the log.
        log.exception("transaction %s failed", talk.tx_id[:8])
        talk.end(KIND.ERROR, f"the contract failed: {type(error).__name__}".encode())


def _respond(stub: ChaincodeStub, contract: str, arguments: Sequence[bytes], run: Run) -> Any:
    """`protos.Response`. The contract's no is one too: it is the caller's to read."""
    try:
        return responses.success(run(stub, contract, arguments))
    except ContractError as error:
        stub.told = {}
        return responses.refusal(error)


def _row(data: bytes) -> tuple[str, str]:
    found = rows.KV.FromString(data)
    return found.key, found.value.decode()


def _version(data: bytes) -> Version:
    found = rows.KeyModification.FromString(data)
    value = None if found.is_delete else found.value.decode()
    return Version(found.tx_id, encoding.iso(found.timestamp), value)


def _transient(proposal: bytes) -> dict[str, bytes]:
    """What the caller tells the contract alone: it stands in no transaction."""
    payload = peer.ChaincodeProposalPayload.FromString(peer.Proposal.FromString(proposal).payload)
    return dict(payload.TransientMap)
