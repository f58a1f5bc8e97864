"""What a contract gets from a peer, and what that hears of it: each defect of the official shim, cured."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from fabric_protos.ledger.queryresult import kv_query_result_pb2 as rows
from fabric_protos.peer import chaincode_pb2 as chaincodes
from fabric_protos.peer import chaincode_shim_pb2 as shim
from fabric_protos.peer.proposal_response_pb2 import Response

from chaincode import canonical
from chaincode.errors import Code, ContractError
from chaincode.fabric import encoding, responses
from chaincode.fabric.encoding import encoded
from chaincode.shim import Run
from chaincode.stream import KIND
from chaincode.stub import Stub, composite_key
from tests.chaincode.conftest import Meet
from tests.chaincode.peer import Peer

Body = Callable[[Any], Any]


def contract(body: Body) -> Run:
    """A contract of one function."""

    def run(stub: Stub, contract: str, arguments: Sequence[bytes]) -> bytes:
        return canonical.data(body(stub))

    return run


def pages(*results: bytes, more: bool = False) -> bytes:
    found = [shim.QueryResultBytes(resultBytes=result) for result in results]
    return encoded(shim.QueryResponse(results=found, has_more=more, id="q"))


def completed(response: Any) -> bytes:
    return encoded(shim.ChaincodeMessage(type=KIND.COMPLETED, payload=encoded(response)))


def row(key: str, value: str) -> bytes:
    return encoded(rows.KV(key=key, value=value.encode()))


EVERYTHING: dict[str, Body] = {
    "get": lambda stub: stub.get("k"),
    "put": lambda stub: stub.put("k", "1"),
    "delete": lambda stub: stub.delete("k"),
    "range": lambda stub: list(stub.range("a", "b")),
    "composite": lambda stub: list(stub.composite("cr", ("dora",))),
    "history": lambda stub: [version.value for version in stub.history("k")],
    "invoke": lambda stub: stub.invoke("monetary", "balance", {}),
}


@pytest.mark.parametrize("name", EVERYTHING)
class TestError:
    def test_error_of_the_peer_is_never_data(self, meet: Meet, name: str) -> None:
        peer = meet(contract(EVERYTHING[name]))

        tx_id = peer.begin()
        peer.answer_error(b"1")  # what could pass for a value

        assert peer.failure(tx_id) == "1"

    @pytest.mark.parametrize("kind", [KIND.COMPLETED, KIND.PUT_STATE, KIND.TRANSACTION])
    def test_answer_of_another_kind_is_no_answer(self, meet: Meet, name: str, kind: int) -> None:
        peer = meet(contract(EVERYTHING[name]))

        tx_id = peer.begin()
        peer.hear()
        peer.say(kind, b"1", tx_id)

        if kind == KIND.TRANSACTION:
            assert "exists" in peer.failure(tx_id)
        else:
            assert peer.end().name == "FAILED_PRECONDITION"

    def test_answer_that_is_garbage_ends_the_transaction(self, meet: Meet, name: str) -> None:
        peer = meet(contract(EVERYTHING[name]))

        tx_id = peer.begin()
        peer.answer(tx_id, b"\xff\xff\xff")

        if name in ("put", "delete"):  # whose answers say no more than that they came
            assert peer.result(tx_id) is None
        else:
            assert peer.failure(tx_id).startswith("the contract failed")


def test_error_of_a_later_page_is_no_end_of_the_range(meet: Meet) -> None:
    peer = meet(contract(EVERYTHING["range"]))

    tx_id = peer.begin()
    peer.answer(tx_id, pages(row("a", "1"), more=True))
    peer.answer_error()

    assert peer.failure(tx_id) == "the disk is gone"


def test_uncaught_exception_is_an_answer_without_details(meet: Meet) -> None:
    def fail(stub: Stub) -> None:
        raise KeyError("a secret")

    peer = meet(contract(fail))

    assert peer.failure(peer.begin()) == "the contract failed: KeyError"
    assert peer.failure(peer.begin()) == "the contract failed: KeyError"


def test_contracts_no_is_the_callers_to_read(meet: Meet) -> None:
    def refuse(stub: Any) -> None:
        stub.event("never", {})
        raise ContractError(Code.FORBIDDEN, "not yours")

    peer = meet(contract(refuse))

    peer.begin()
    last = peer.hear()

    assert last.type == KIND.COMPLETED
    assert Response.FromString(last.payload).status == 400
    assert str(responses.contract_error(Response.FromString(last.payload).message)) == "FORBIDDEN: not yours"
    assert not last.HasField("chaincode_event")


def test_many_transactions_write_at_once_on_one_stream(meet: Meet) -> None:
    """Of the official shim's answers, some were lost at 32 in flight."""

    def write(stub: Stub) -> str:
        for number in range(5):
            stub.put(f"{stub.tx_id}/{number}", stub.tx_id * 500)
        return f"{stub.get('k')}"

    peer = meet(contract(write))
    open_, ended = {peer.begin() for _ in range(200)}, {}

    while open_:
        message = peer.hear()
        if message.type == KIND.PUT_STATE:
            asked = shim.PutState.FromString(message.payload)
            assert asked.value.decode() == message.txid * 500
            peer.say(KIND.RESPONSE, b"", message.txid)
        elif message.type == KIND.GET_STATE:
            peer.say(KIND.RESPONSE, f'"{message.txid}"'.encode(), message.txid)
        else:
            open_.remove(message.txid)
            ended[message.txid] = canonical.parse(Response.FromString(message.payload).payload)

    assert all(value == f'"{tx_id}"' for tx_id, value in ended.items())


def test_other_chaincode_is_called_as_the_peer_wants_it(meet: Meet) -> None:
    peer = meet(contract(lambda stub: stub.invoke("monetary", "balance", {"b": 1, "a": "é"})))

    tx_id = peer.begin()
    asked = peer.answer(tx_id, completed(responses.success(b'{"free":7}')))

    spec = chaincodes.ChaincodeSpec.FromString(asked.payload)
    assert asked.type == KIND.INVOKE_CHAINCODE
    assert spec.chaincode_id.name == "monetary"
    assert list(spec.input.args) == [b"balance", b'{"a":"\\u00e9","b":1}']
    assert peer.result(tx_id) == {"free": 7}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (completed(responses.refusal(ContractError(Code.NOT_FOUND, "no"))), "NOT_FOUND"),
        (completed(Response(status=500, message="broken")), "chaincode response 500, broken"),
        (completed(Response()), "chaincode response 0"),
        (encoded(shim.ChaincodeMessage(type=KIND.ERROR, payload=b"broken")), "returned with failure: broken"),
        (b"", "returned with failure"),
    ],
)
def test_refusal_of_the_other_chaincode_is_its_callers(meet: Meet, answer: bytes, expected: str) -> None:
    def call(stub: Stub) -> str:
        try:
            stub.invoke("monetary", "balance", {})
        except ContractError as error:
            return str(error.code)
        return "went well"

    peer = meet(contract(call))

    tx_id = peer.begin()
    peer.answer(tx_id, answer)

    if expected == "NOT_FOUND":
        assert peer.result(tx_id) == "NOT_FOUND"
    else:
        assert expected in peer.failure(tx_id)


def test_last_event_goes_with_the_answer(meet: Meet) -> None:
    def tell(stub: Stub) -> None:
        stub.event("first", {})
        stub.event("last", {"jobs": ["j"]})

    peer = meet(contract(tell))

    peer.begin()
    event = peer.hear().chaincode_event

    assert (event.event_name, event.payload) == ("last", b'{"jobs":["j"]}')


def test_transient_data_is_there(meet: Meet) -> None:
    peer = meet(contract(lambda stub: stub.transient["password"].decode()))

    assert peer.result(peer.begin(password=b"hush")) == "hush"


def test_contract_knows_who_asks_and_for_what(meet: Meet) -> None:
    """Also one that another contract called: the proposal is still the caller's own."""
    peer = meet(
        contract(lambda s: [s.caller.id, s.caller.user, s.caller.msp_id, s.called, s.channel, s.tx_id])
    )

    tx_id = peer.begin(contract="another")

    assert peer.result(tx_id) == ["dora", "dora", "ProvidersMSP", "another", "chainfaas", tx_id]


def test_absent_key_is_none(meet: Meet) -> None:
    peer = meet(contract(EVERYTHING["get"]))

    tx_id = peer.begin()
    peer.answer(tx_id)

    assert peer.result(tx_id) is None


def test_range_is_read_over_its_pages(meet: Meet) -> None:
    peer = meet(contract(lambda stub: list(stub.range("", "b"))))

    tx_id = peer.begin()
    first = peer.answer(tx_id, pages(row("a1", "1"), row("a2", "2"), more=True))
    second = peer.answer(tx_id, pages(row("a3", "3")))

    asked = shim.GetStateByRange.FromString(first.payload)
    assert (asked.startKey, asked.endKey) == ("\x01", "b")  # composite keys are kept apart
    assert (second.type, shim.QueryStateNext.FromString(second.payload).id) == (KIND.QUERY_STATE_NEXT, "q")
    assert peer.result(tx_id) == [["a1", "1"], ["a2", "2"], ["a3", "3"]]


def test_range_to_nowhere_is_not_the_range_to_the_end(meet: Meet) -> None:
    peer = meet(contract(lambda stub: list(stub.range("a", ""))))

    assert peer.result(peer.begin()) == []


def test_composite_keys_are_found_by_their_first_parts(meet: Meet) -> None:
    peer = meet(contract(EVERYTHING["composite"]))

    tx_id = peer.begin()
    asked = shim.GetStateByRange.FromString(peer.answer(tx_id, pages()).payload)

    assert asked.startKey == composite_key("cr", ("dora",))
    assert asked.startKey < composite_key("cr", ("dora", "\U0010fffe")) < asked.endKey
    assert peer.result(tx_id) == []


def test_history_tells_deletions_and_times(meet: Meet) -> None:
    at = "2026-11-23T10:00:00.000001Z"
    peer = meet(contract(lambda s: [[v.tx_id, v.at, v.value] for v in s.history("k")]))
    changes = [
        rows.KeyModification(tx_id="b", timestamp=encoding.timestamp(at), is_delete=True),
        rows.KeyModification(tx_id="a", timestamp=encoding.timestamp(at), value=b"1"),
    ]

    tx_id = peer.begin()
    asked = peer.answer(tx_id, pages(*map(encoded, changes)))

    assert shim.GetHistoryForKey.FromString(asked.payload).key == "k"
    assert peer.result(tx_id) == [["b", at, None], ["a", at, "1"]]


def test_payloads_are_not_logged(meet: Meet, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    peer = meet(contract(EVERYTHING["get"]))

    tx_id = peer.begin(password=b"hush-hush")
    peer.answer(tx_id, b'"a secret"')
    peer.result(tx_id)

    assert "secret" not in caplog.text
    assert "hush" not in caplog.text


def test_real_contract_runs(meet: Meet) -> None:
    peer = meet()

    tx_id = peer.begin(b"read", b'{"job":"j"}')
    asked = peer.answer(tx_id)
    last = peer.hear()

    assert shim.GetState.FromString(asked.payload).key == "job/j"
    refusal = responses.contract_error(Response.FromString(last.payload).message)
    assert refusal is not None
    assert refusal.code == Code.NOT_FOUND


@pytest.mark.parametrize("seed", range(3))
def test_answers_find_their_transactions_in_any_order(meet: Meet, seed: int) -> None:
    peer = meet(contract(EVERYTHING["get"]))
    shuffled = random.Random(seed)
    tx_ids = [peer.begin() for _ in range(20)]
    asked = [peer.hear().txid for _ in tx_ids]

    for tx_id in shuffled.sample(asked, len(asked)):
        peer.say(KIND.RESPONSE, f'"{tx_id}"'.encode(), tx_id)

    ends = _ends(peer, tx_ids)
    assert ends == {tx_id: f'"{tx_id}"' for tx_id in tx_ids}


def _ends(peer: Peer, tx_ids: list[str]) -> dict[str, Any]:
    last = [peer.hear() for _ in tx_ids]
    return {end.txid: canonical.parse(Response.FromString(end.payload).payload) for end in last}
