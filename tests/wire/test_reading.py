"""Blocks and what the peer's own chaincode knows of them, as any client of Fabric asks for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from fabric_protos.common import common_pb2 as common
from fabric_protos.common.ledger_pb2 import BlockchainInfo
from fabric_protos.orderer import ab_pb2 as orderer
from fabric_protos.peer.events_pb2_grpc import DeliverStub
from fabric_protos.peer.transaction_pb2 import ProcessedTransaction

from chaincode.fabric import blocks, proposals
from chaincode.fabric.encoding import encoded
from chaincode.ledgers.gateway import requests
from tests.contracts.world import CHANNEL
from tests.wire.raw import Served, words

OLDEST = orderer.SeekPosition(oldest=orderer.SeekOldest())
NEWEST = orderer.SeekPosition(newest=orderer.SeekNewest())


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Three blocks; the last one's transaction does not count."""
    served = Served(tmp_path)
    fast, slow = served.envelope(), served.envelope()
    served.submit(fast)
    served.submit(slow)
    yield served
    served.stop()


def seek(served: Served, start: Any, stop: Any) -> Any:
    """Signed by the controller."""
    request = requests.seek(CHANNEL, 0, 0, served.controller)
    payload = common.Payload.FromString(request.payload)
    payload.data = encoded(orderer.SeekInfo(start=start, stop=stop, behavior=1))
    whole = encoded(payload)
    return common.Envelope(payload=whole, signature=served.controller.sign(whole))


def numbers(answers: Any) -> tuple[list[int], int]:
    """The blocks that came, and the status that ended them."""
    *found, last = answers
    return [answer.block.header.number for answer in found], last.status


class TestDeliver:
    @pytest.mark.parametrize(
        ("start", "stop", "expected"),
        [
            (0, 2, ([0, 1, 2], common.SUCCESS)),
            (1, 1, ([1], common.SUCCESS)),
            (1, 99, ([1, 2], common.NOT_FOUND)),
            (3, 3, ([], common.NOT_FOUND)),
            (2**64 - 1, 2**64 - 1, ([], common.NOT_FOUND)),
            (2, 1, ([], common.BAD_REQUEST)),
        ],
    )
    def test_blocks_from_one_to_another(self, served: Served, start: int, stop: int, expected: Any) -> None:
        assert (
            numbers(served.deliver(iter([requests.seek(CHANNEL, start, stop, served.controller)])))
            == expected
        )

    def test_oldest_and_newest(self, served: Served) -> None:
        assert numbers(served.deliver(iter([seek(served, OLDEST, NEWEST)])))[0] == [0, 1, 2]
        assert numbers(served.deliver(iter([seek(served, NEWEST, NEWEST)])))[0] == [2]

    def test_several_requests_on_one_stream(self, served: Served) -> None:
        twice = [requests.seek(CHANNEL, 1, 1, served.controller)] * 2

        statuses = [answer.status for answer in served.deliver(iter(twice))]

        assert statuses == [0, common.SUCCESS] * 2

    def test_who_waits_gets_the_block_that_comes(self, served: Served) -> None:
        request = requests.seek(CHANNEL, 3, 3, served.controller, wait=True)
        answers = served.deliver(iter([request]))
        threading.Timer(0.2, lambda: served.submit(served.envelope())).start()

        assert numbers(answers) == ([3], common.SUCCESS)

    def test_another_channel_is_not_there(self, served: Served) -> None:
        [answer] = served.deliver(iter([requests.seek("other", 0, 0, served.controller)]))

        assert answer.status == common.NOT_FOUND

    def test_request_without_an_end_is_a_bad_one(self, served: Served) -> None:
        [answer] = served.deliver(iter([seek(served, OLDEST, None)]))

        assert answer.status == common.BAD_REQUEST

    def test_filtered_blocks_tell_outcomes_and_no_content(self, served: Served) -> None:
        request = requests.seek(CHANNEL, 1, 2, served.controller)

        first, second, end = DeliverStub(served.channel).DeliverFiltered(iter([request]))

        assert end.status == common.SUCCESS
        listed = [answer.filtered_block.filtered_transactions[0] for answer in (first, second)]
        assert [transaction.tx_validation_code for transaction in listed] == [0, 11]
        assert first.filtered_block.channel_id == CHANNEL


class TestQscc:
    def ask(self, served: Served, *args: bytes) -> bytes:
        call = replace(served.call(), contract="qscc", args=args)
        return bytes(served.evaluate(served.signed(call)).result.payload)

    def test_chain_info(self, served: Served) -> None:
        info = BlockchainInfo.FromString(self.ask(served, b"GetChainInfo", b"chainfaas"))

        last = common.Block.FromString(self.ask(served, b"GetBlockByNumber", b"chainfaas", b"2"))
        assert (info.height, info.currentBlockHash) == (3, blocks.hash_of(last.header))
        assert info.previousBlockHash == last.header.previous_hash

    def test_transaction_and_its_block(self, served: Served) -> None:
        block = common.Block.FromString(self.ask(served, b"GetBlockByNumber", b"chainfaas", b"2"))
        tx_id = blocks.channel_header(block.data.data[0]).tx_id.encode()

        by_id = common.Block.FromString(self.ask(served, b"GetBlockByTxID", b"chainfaas", tx_id))
        found = ProcessedTransaction.FromString(self.ask(served, b"GetTransactionByID", b"chainfaas", tx_id))

        assert by_id == block
        assert (found.validationCode, encoded(found.transactionEnvelope)) == (11, block.data.data[0])

    @pytest.mark.parametrize(
        ("args", "why"),
        [
            ((b"GetTransactionByID", b"chainfaas", b"0" * 64), "no such transaction ID"),
            ((b"GetBlockByTxID", b"chainfaas", b"\xff"), "no such transaction ID"),
            ((b"GetBlockByNumber", b"chainfaas", b"3"), "not found"),
            ((b"GetBlockByNumber", b"chainfaas", b"-1"), "not found"),
            ((b"GetBlockByNumber", b"chainfaas", b"9" * 5000), "parse"),
            ((b"GetBlockByNumber", b"chainfaas", b"x"), "parse"),
            ((b"GetChainInfo", b"other"), "Invalid chain ID"),
            ((b"GetNothing", b"chainfaas"), "not found"),
            ((), "not found"),
        ],
    )
    def test_what_is_not_there(self, served: Served, args: tuple[bytes, ...], why: str) -> None:
        with pytest.raises(grpc.RpcError) as caught:
            self.ask(served, *args)

        assert caught.value.code() is grpc.StatusCode.UNKNOWN
        assert "chaincode response 500" in words(caught.value)
        assert why in words(caught.value)

    def test_it_writes_nothing(self, served: Served) -> None:
        call = replace(served.call(), contract="qscc", args=(b"GetChainInfo", b"chainfaas"))

        with pytest.raises(grpc.RpcError) as caught:
            served.endorse(proposals.sign(proposals.build(call), served.controller))
        assert caught.value.code() is grpc.StatusCode.ABORTED
