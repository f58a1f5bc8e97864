"""The ledger's end of the stream: contracts in servers of their own, honest, hostile, dead and back again."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from fabric_protos.ledger.queryresult import kv_query_result_pb2 as rows
from fabric_protos.peer import chaincode_pb2 as chaincodes
from fabric_protos.peer import chaincode_shim_pb2 as shim
from fabric_protos.peer.chaincode_shim_pb2_grpc import ChaincodeServicer, add_ChaincodeServicer_to_server

from chaincode import server
from chaincode.client import Ledger, NetworkConfig
from chaincode.errors import Code, ContractError, LedgerError, Unavailable
from chaincode.fabric import responses
from chaincode.fabric.encoding import encoded
from chaincode.ledgers.embedded import EmbeddedLedger
from chaincode.ledgers.engine import Engine
from chaincode.ledgers.served.chaincodes import Chaincodes, ChaincodeServer
from chaincode.stream import KIND, ChaincodeFailed
from tests.chaincode.processes import ServerProcess
from tests.contracts.authority import Authority

JOB = {
    "job": "j",
    "developer": "dora",
    "function": "dora/wordcount",
    "memory_mb": 1024,
    "timeout_ms": 1000,
    "max_rate": 64,
    "machine": "m",
    "rate": 16,
}

Script = Callable[[Any, Iterator[Any]], Iterator[Any]]
"""What a chaincode says once a transaction has come: gets that, and what comes after."""


class Scripted(ChaincodeServicer):  # type: ignore[misc]
    """A chaincode that says what a test tells it to."""

    def __init__(self, script: Script, name: str = "monitoring") -> None:
        self.script, self.name = script, name

    def Connect(self, request_iterator: Iterator[Any], context: Any) -> Iterator[Any]:
        yield message(KIND.REGISTER, encoded(chaincodes.ChaincodeID(name=self.name)))
        for _ in range(2):
            next(request_iterator)
        for transaction in request_iterator:
            yield from self.script(transaction, request_iterator)


def message(kind: int, payload: bytes = b"", of: Any = None) -> Any:
    fields = {"txid": of.txid, "channel_id": of.channel_id} if of else {}
    return shim.ChaincodeMessage(type=kind, payload=payload, **fields)


def done(of: Any, answer: bytes = b"null") -> Any:
    return message(KIND.COMPLETED, encoded(responses.success(answer)), of)


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def open_ledger(
    opened: ExitStack, tmp_path: Path, network: NetworkConfig, platform: Authority
) -> Callable[..., Ledger]:
    """The controller before a ledger whose contracts are at these addresses."""

    def start(**addresses: str) -> Ledger:
        servers = {name: ChaincodeServer(address) for name, address in addresses.items()}
        executor = opened.enter_context(Chaincodes(servers))
        engine = opened.enter_context(closing(Engine(tmp_path / "ledger.db", network, executor=executor)))
        return EmbeddedLedger(engine, tmp_path, platform.enrol("controller", chainfaas_role="controller"))

    return start


@pytest.fixture
def scripted(opened: ExitStack, open_ledger: Callable[..., Ledger]) -> Callable[..., Ledger]:
    def start(script: Script, name: str = "monitoring") -> Ledger:
        started = grpc.server(ThreadPoolExecutor(8))
        add_ChaincodeServicer_to_server(Scripted(script, name), started)
        address = f"127.0.0.1:{started.add_insecure_port('127.0.0.1:0')}"
        started.start()
        opened.callback(lambda: started.stop(0).wait())
        return open_ledger(monitoring=address)

    return start


@pytest.fixture
def run(opened: ExitStack) -> Callable[..., str]:
    """A server in this process."""

    def start(contract: str, **options: Any) -> str:
        started, address = server.serve(server.Chaincode(contract, contract), "127.0.0.1:0", **options)
        opened.callback(lambda: started.stop(0).wait())
        return address

    return start


class TestHonest:
    def test_contract_may_answer_without_asking(self, scripted: Callable[..., Ledger]) -> None:
        ledger = scripted(lambda transaction, _: iter([done(transaction, b'"hello"')]))

        assert ledger.evaluate("monitoring", "any", {}) == "hello"

    def test_unknown_contract_is_the_callers_mistake(self, open_ledger: Callable[..., Ledger]) -> None:
        with pytest.raises(ContractError, match="no such contract"):
            open_ledger().evaluate("nobody", "any", {})

    def test_one_contract_calls_the_other(
        self, run: Callable[..., str], open_ledger: Callable[..., Ledger], providers: Authority
    ) -> None:
        ledger = open_ledger(monitoring=run("monitoring"), monetary=run("monetary"))
        ledger.transact("monitoring", "init", {"providers_root": providers.pem})

        [poor], _ = ledger.transact("monitoring", "create", {"items": [JOB]})
        ledger.transact("monetary", "deposit", {"op": "o", "account": "dora", "amount": 10**6})
        [rich], commit = ledger.transact("monitoring", "create", {"items": [JOB]})

        assert poor["code"] == Code.INSUFFICIENT_FUNDS
        assert rich["ok"]
        block, position = ledger.transaction(commit.tx_id)
        assert block.transactions[position].event == {"name": "create", "payload": {"jobs": [JOB["job"]]}}
        assert ledger.verify().verified

    def test_called_contract_that_is_away_ends_the_transaction(
        self, run: Callable[..., str], open_ledger: Callable[..., Ledger]
    ) -> None:
        ledger = open_ledger(monitoring=run("monitoring"), monetary="127.0.0.1:1")

        with pytest.raises(ChaincodeFailed, match="INVOKE_CHAINCODE failed"):
            ledger.endorse("monitoring", "create", {"items": [JOB]})

    def test_query_is_paged_and_closed(self, scripted: Callable[..., Ledger]) -> None:
        def script(transaction: Any, answers: Iterator[Any]) -> Iterator[Any]:
            for number in range(250):
                yield message(
                    KIND.PUT_STATE,
                    encoded(shim.PutState(key=f"k/{number:03}", value=str(number).encode())),
                    transaction,
                )
                assert next(answers).type == KIND.RESPONSE
            yield message(KIND.GET_STATE_BY_RANGE, encoded(shim.GetStateByRange(startKey="k")), transaction)
            page = shim.QueryResponse.FromString(next(answers).payload)
            pages = [page]
            while page.has_more:
                yield message(KIND.QUERY_STATE_NEXT, encoded(shim.QueryStateNext(id=page.id)), transaction)
                page = shim.QueryResponse.FromString(next(answers).payload)
                pages.append(page)
            yield message(KIND.QUERY_STATE_CLOSE, encoded(shim.QueryStateClose(id=page.id)), transaction)
            assert not shim.QueryResponse.FromString(next(answers).payload).has_more
            keys = [rows.KV.FromString(found.resultBytes).key for page in pages for found in page.results]
            assert keys == sorted(keys)
            yield done(transaction, f"[{len(pages)},{len(keys)}]".encode())

        ledger = scripted(script)

        assert ledger.transact("monitoring", "fill", {})[0] == [1, 0]  # it does not see its own writes
        assert ledger.evaluate("monitoring", "read", {}) == [3, 250]

    def test_proposal_comes_as_it_was_signed(self, scripted: Callable[..., Ledger]) -> None:
        seen: list[Any] = []

        def script(transaction: Any, _: Iterator[Any]) -> Iterator[Any]:
            seen.append(transaction)
            yield done(transaction)

        scripted(script).evaluate("monitoring", "any", {})

        assert seen[0].proposal.proposal_bytes
        assert seen[0].proposal.signature


def says(*kinds: Any) -> Script:
    return lambda transaction, _: iter([kind(transaction) for kind in kinds])


FAILURES: dict[str, Script] = {
    "an error": says(lambda of: message(KIND.ERROR, b"boom", of)),
    "garbage for an answer": says(lambda of: message(KIND.COMPLETED, b"\xff\xff", of)),
    "no status": says(lambda of: message(KIND.COMPLETED, b"", of)),
    "a status of its own": says(
        lambda of: message(KIND.COMPLETED, encoded(responses.peer.Response(status=500)), of)
    ),
    "an event that is no JSON": says(
        lambda of: shim.ChaincodeMessage(
            type=KIND.COMPLETED,
            payload=done(of).payload,
            txid=of.txid,
            channel_id=of.channel_id,
            chaincode_event={"event_name": "e", "payload": b"{"},
        )
    ),
    "an answer to another": says(lambda of: message(KIND.COMPLETED, b"", None)),
    "two requests at once": says(*[lambda of: message(KIND.GET_STATE, b"", of)] * 20),
    "the end": lambda transaction, rest: _fail(),
    "nothing": says(),
}


@pytest.mark.parametrize("name", FAILURES)
def test_chaincode_that_fails_is_a_failure_at_once(
    monkeypatch: pytest.MonkeyPatch, scripted: Callable[..., Ledger], name: str
) -> None:
    monkeypatch.setattr("chaincode.ledgers.served.requests.EXECUTE_S", 0.3)
    ledger = scripted(FAILURES[name])

    began = time.monotonic()
    for _ in range(2):  # and the next one finds a stream again
        with pytest.raises(ChaincodeFailed):
            ledger.endorse("monitoring", "any", {})
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (KIND.GET_STATE, b"\xff"),
        (KIND.GET_STATE, encoded(shim.GetState(key=""))),
        (KIND.GET_STATE, encoded(shim.GetState(key="k", collection="private"))),
        (KIND.PUT_STATE, encoded(shim.PutState(key="k", value=b"\xff"))),
        (KIND.PUT_STATE, encoded(shim.PutState(key="", value=b"1"))),
        (KIND.GET_STATE_BY_RANGE, encoded(shim.GetStateByRange(startKey="k", collection="private"))),
        (KIND.QUERY_STATE_NEXT, encoded(shim.QueryStateNext(id="nobody's"))),
        (KIND.GET_QUERY_RESULT, b""),
        (KIND.GET_PRIVATE_DATA_HASH, b""),
        (KIND.INVOKE_CHAINCODE, b"\xff"),
        (KIND.REGISTER, b""),
        (99, b""),
    ],
)
def test_request_that_cannot_be_answered_is_answered_by_an_error(
    scripted: Callable[..., Ledger], kind: int, payload: bytes
) -> None:
    def script(transaction: Any, answers: Iterator[Any]) -> Iterator[Any]:
        yield message(kind, payload, transaction)
        answer = next(answers)
        yield done(transaction, b'"%d"' % answer.type)

    assert scripted(script).evaluate("monitoring", "any", {}) == str(KIND.ERROR)


def test_ledger_that_cannot_read_tells_both_sides(
    monkeypatch: pytest.MonkeyPatch, scripted: Callable[..., Ledger]
) -> None:
    told: list[Any] = []

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("the disk is gone")

    def script(transaction: Any, answers: Iterator[Any]) -> Iterator[Any]:
        yield message(KIND.GET_STATE, encoded(shim.GetState(key="k")), transaction)
        told.append(next(answers))
        yield message(KIND.ERROR, b"gave up", transaction)

    monkeypatch.setattr("chaincode.ledgers.store.Store.get", fail)
    with pytest.raises(Unavailable, match="the disk is gone"):
        scripted(script).evaluate("monitoring", "any", {})

    _await(lambda: bool(told))
    assert told[0].type == KIND.ERROR


def test_other_channel_is_not_here(scripted: Callable[..., Ledger]) -> None:
    def script(transaction: Any, answers: Iterator[Any]) -> Iterator[Any]:
        name = chaincodes.ChaincodeID(name="monetary/elsewhere")
        yield message(
            KIND.INVOKE_CHAINCODE, encoded(chaincodes.ChaincodeSpec(chaincode_id=name)), transaction
        )
        answer = next(answers)
        yield done(transaction, b'"%d"' % answer.type)

    assert scripted(script).evaluate("monitoring", "any", {}) == str(KIND.ERROR)


def test_transaction_that_took_too_long_has_no_context_any_more(
    monkeypatch: pytest.MonkeyPatch, scripted: Callable[..., Ledger]
) -> None:
    monkeypatch.setattr("chaincode.ledgers.served.requests.EXECUTE_S", 0.1)
    told: list[Any] = []
    over = threading.Event()

    def script(transaction: Any, answers: Iterator[Any]) -> Iterator[Any]:
        over.wait(5)
        yield message(KIND.PUT_STATE, encoded(shim.PutState(key="k", value=b"1")), transaction)
        told.append(next(answers))
        yield message(KIND.ERROR, b"gave up", transaction)
        over.clear()

    ledger = scripted(script)
    with pytest.raises(ChaincodeFailed, match="timeout expired"):
        ledger.endorse("monitoring", "any", {})
    over.set()

    _await(lambda: not over.is_set())
    assert told[0].type == KIND.ERROR
    assert b"no ledger context" in told[0].payload


@pytest.mark.parametrize("name", ["monetary", ""])
def test_chaincode_of_another_name_is_not_ours(scripted: Callable[..., Ledger], name: str) -> None:
    ledger = scripted(says(done), name)

    with pytest.raises(ChaincodeFailed, match="could not launch"):
        ledger.evaluate("monitoring", "any", {})


def test_server_that_says_nothing_costs_its_time_once(
    monkeypatch: pytest.MonkeyPatch, open_ledger: Callable[..., Ledger]
) -> None:
    monkeypatch.setattr("chaincode.ledgers.served.chaincodes.DIAL_S", 0.3)
    started = grpc.server(ThreadPoolExecutor(8))
    add_ChaincodeServicer_to_server(_Silent(), started)
    ledger = open_ledger(monitoring=f"127.0.0.1:{started.add_insecure_port('127.0.0.1:0')}")
    started.start()

    def ask(_: int) -> None:
        with pytest.raises(ChaincodeFailed, match="could not launch"):
            ledger.evaluate("monitoring", "any", {})

    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    took = time.monotonic() - began
    started.stop(0).wait()

    assert took < 1


def test_killed_chaincode_fails_at_once_and_works_when_it_is_back(
    opened: ExitStack, open_ledger: Callable[..., Ledger], providers: Authority
) -> None:
    process = opened.enter_context(ServerProcess("monitoring"))
    ledger = open_ledger(monitoring=process.address)
    document = {"providers_root": providers.pem}
    ledger.transact("monitoring", "init", document)

    process.kill()
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(ChaincodeFailed):
            ledger.endorse("monitoring", "init", document)
    assert time.monotonic() - began < 0.5

    opened.enter_context(ServerProcess("monitoring", listen=process.address))
    time.sleep(0.2)
    with pytest.raises(ContractError, match="ALREADY_DONE"):
        ledger.endorse("monitoring", "init", document)


def test_server_elsewhere_needs_a_root() -> None:
    for address in ("127.0.0.1:1", "localhost:1", "[::1]:1"):
        Chaincodes({"monitoring": ChaincodeServer(address)}).close()
    for address in ("10.0.0.1:1", "example.org:1", "localhost.example.org:1"):
        with pytest.raises(LedgerError, match="another machine"):
            Chaincodes({"monitoring": ChaincodeServer(address)})


def test_both_ends_show_certificates(platform: Authority, providers: Authority, run: Any) -> None:
    (certificate, key), (mine, my_key) = platform.server("localhost"), platform.server("peer")
    eves, eves_key = providers.server("eve")
    tls = server.credentials(key.encode(), certificate.encode(), platform.pem.encode())
    address = run("monitoring", tls=tls).replace("127.0.0.1", "localhost")
    good = ChaincodeServer(address, platform.pem, mine, my_key)

    for bad in (
        ChaincodeServer(address),
        ChaincodeServer(address, platform.pem),
        ChaincodeServer(address, platform.pem, eves, eves_key),
        ChaincodeServer(address, providers.pem, mine, my_key),
    ):
        with Chaincodes({"monitoring": bad}) as refused, pytest.raises(ChaincodeFailed, match="UNAVAILABLE"):
            refused._links["monitoring"]._launch()
    with Chaincodes({"monitoring": good}) as trusted:
        assert trusted._links["monitoring"]._launch().end_reason is None
    assert my_key not in repr(good)


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


class _Silent(ChaincodeServicer):  # type: ignore[misc]
    def Connect(self, request_iterator: Iterator[Any], context: Any) -> Iterator[Any]:
        yield from (None for _ in request_iterator if False)


def _fail() -> Iterator[Any]:
    raise RuntimeError("the chaincode died")
    yield
