"""What a chaincode asks for while it runs a transaction, answered from the ledger's state as a peer does
(fabric/core/chaincode/handler.go)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any

from fabric_protos.ledger.queryresult import kv_query_result_pb2 as rows
from fabric_protos.peer import chaincode_pb2 as chaincodes
from fabric_protos.peer import chaincode_shim_pb2 as shim
from google.protobuf.message import DecodeError

from chaincode import canonical
from chaincode.errors import ContractError, LedgerError
from chaincode.fabric import encoding, responses
from chaincode.fabric.encoding import encoded
from chaincode.ledgers.execution import Transaction
from chaincode.stream import KIND, ChaincodeFailed, Talk, name_of, result
from chaincode.stub import Version

EXECUTE_S = 30.0
"""How long a chaincode may take for a transaction (core.yaml, chaincode.executetimeout)."""

PAGE = 100
"""Results in one message (core/chaincode, MaxResultLimit)."""

LAST = "\U0010ffff"
"""Behind all keys."""


class Requests:
    """Those of one transaction, one after the other."""

    def __init__(self, talk: Talk, stub: Transaction) -> None:
        self._talk, self._stub = talk, stub
        self._queries: dict[str, Iterator[bytes]] = {}
        self._answers: dict[int, Callable[[bytes], bytes]] = {
            KIND.GET_STATE: self._get,
            KIND.PUT_STATE: self._put,
            KIND.DEL_STATE: self._delete,
            KIND.GET_STATE_BY_RANGE: self._range,
            KIND.GET_HISTORY_FOR_KEY: self._history,
            KIND.QUERY_STATE_NEXT: self._next,
            KIND.QUERY_STATE_CLOSE: self._close,
            KIND.INVOKE_CHAINCODE: self._invoke,
        }

    def answer_all(self) -> bytes:
        """The chaincode's own answer, when it is through. Raises ContractError for its no, ChaincodeFailed if
        it failed, and Broken if it says nothing any more."""
        deadline = time.monotonic() + EXECUTE_S
        while True:
            message = self._talk.listen(deadline - time.monotonic())
            if message.type in (KIND.COMPLETED, KIND.ERROR):
                return self._end(message)
            self._answer(message)

    def _answer(self, message: Any) -> None:
        try:
            payload = self._answers.get(message.type, _nothing)(message.payload)
        except Exception as error:
            why = f"{name_of(message.type)} failed: transaction ID: {self._talk.tx_id}: {error}"
            self._talk.say(KIND.ERROR, why.encode("utf-8", "replace"))
            if not isinstance(error, (LedgerError, DecodeError, ValueError)):
                raise  # ours: the chaincode learns of it, and so does whoever called
        else:
            self._talk.say(KIND.RESPONSE, payload)

    def _end(self, message: Any) -> bytes:
        answer = result(message)
        if message.HasField("chaincode_event"):
            event = message.chaincode_event
            try:
                self._stub.event(event.event_name, canonical.parse(event.payload))
            except (ValueError, RecursionError) as error:
                raise ChaincodeFailed("the chaincode's event is not JSON") from error
        return answer

    def _get(self, payload: bytes) -> bytes:
        value = self._stub.get(_key(shim.GetState.FromString(payload)))
        return b"" if value is None else value.encode()

    def _put(self, payload: bytes) -> bytes:
        asked = shim.PutState.FromString(payload)
        self._stub.put(_key(asked), asked.value.decode())
        return b""

    def _delete(self, payload: bytes) -> bytes:
        self._stub.delete(_key(shim.DelState.FromString(payload)))
        return b""

    def _range(self, payload: bytes) -> bytes:
        asked = shim.GetStateByRange.FromString(payload)
        if asked.collection or asked.metadata:
            raise ValueError("this ledger has no private data, and no bookmarks")
        return self._query(
            encoded(rows.KV(key=key, value=value.encode()))
            for key, value in self._stub.range(asked.startKey, asked.endKey or LAST)
        )

    def _history(self, payload: bytes) -> bytes:
        key = shim.GetHistoryForKey.FromString(payload).key
        return self._query(_modification(version) for version in self._stub.history(key))

    def _query(self, results: Iterator[bytes]) -> bytes:
        return self._page(str(len(self._queries)), results)

    def _next(self, payload: bytes) -> bytes:
        query = shim.QueryStateNext.FromString(payload).id
        if query not in self._queries:
            raise ValueError("query iterator not found")
        return self._page(query, self._queries[query])

    def _close(self, payload: bytes) -> bytes:
        query = shim.QueryStateClose.FromString(payload).id
        if query in self._queries:
            self._queries[query] = iter(())
        return encoded(shim.QueryResponse(id=query))

    def _page(self, query: str, results: Iterator[bytes]) -> bytes:
        found = list(islice(results, PAGE + 1))  # one more, to know whether there is more
        self._queries[query] = chain(found[PAGE:], results)
        page = [shim.QueryResultBytes(resultBytes=row) for row in found[:PAGE]]
        return encoded(shim.QueryResponse(results=page, has_more=len(found) > PAGE, id=query))

    def _invoke(self, payload: bytes) -> bytes:
        spec = chaincodes.ChaincodeSpec.FromString(payload)
        name, _, channel = spec.chaincode_id.name.partition("/")
        if channel not in ("", self._stub.channel):
            raise ValueError(f"this ledger is the channel {self._stub.channel}")
        try:
            response = responses.success(self._stub.call(name, spec.input.args))
        except ContractError as error:
            response = responses.refusal(error)
        # The whole message with which the other chaincode ended its part.
        return encoded(shim.ChaincodeMessage(type=KIND.COMPLETED, payload=encoded(response)))


def _nothing(_: bytes) -> bytes:
    raise ValueError("this ledger does not have that")


def _key(asked: Any) -> str:
    if asked.collection or not asked.key:
        raise ValueError("a key must not be empty, and this ledger has no private data")
    return str(asked.key)


def _modification(version: Version) -> bytes:
    return encoded(
        rows.KeyModification(
            tx_id=version.tx_id,
            value=(version.value or "").encode(),
            timestamp=encoding.timestamp(version.at),
            is_delete=version.value is None,
        )
    )
