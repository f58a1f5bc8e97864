"""Blocks and where transactions stand, as one identity may see them: `protos.Deliver` for the blocks
themselves, Fabric's chaincode `qscc` for what its index knows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fabric_protos.common import common_pb2 as common
from fabric_protos.common import ledger_pb2 as common_ledger

from chaincode.errors import LedgerError, Misbehaved, Refused, Unavailable
from chaincode.fabric import blocks, encoding
from chaincode.identity import Identity
from chaincode.ledgers import calls
from chaincode.ledgers.gateway import requests
from chaincode.ledgers.gateway.connection import Connection

NOT_THERE = "no such transaction ID"
"""How qscc says it (fabric/common/ledger/blkstorage)."""

KNOWN_TIMES = 256
"""Blocks whose time is remembered."""


@dataclass(frozen=True)
class Place:
    """Where a transaction stands."""

    block: Any  #: `common.Block`
    index: int

    @property
    def code(self) -> int:
        return blocks.codes(self.block)[self.index]


class Chain:
    def __init__(self, connection: Connection, channel: str, identity: Identity) -> None:
        self._connection, self._channel, self._identity = connection, channel, identity
        self._times: OrderedDict[int, str] = OrderedDict()

    def height(self) -> int:
        return int(_read(common_ledger.BlockchainInfo, self._ask(b"GetChainInfo")).height)

    def find(self, tx_id: str) -> Place | None:
        """Where it stands, also one that does not count; None if it is not on the chain."""
        try:
            block = _read(common.Block, self._ask(b"GetBlockByTxID", tx_id.encode()))
        except LedgerError as error:
            if NOT_THERE in error.detail:
                return None
            raise
        for index, envelope in enumerate(block.data.data):
            if blocks.channel_header(envelope).tx_id == tx_id:
                return Place(block, index)
        raise Misbehaved("the block that was given for a transaction does not hold it")

    def time_of(self, number: int) -> str:
        """A block's time; "" if it cannot be asked now, since the block stands anyway."""
        try:
            return self._times.get(number) or self._remember(number)
        except Unavailable:
            return ""

    def blocks(self, start: int, stop: int) -> Iterator[Any]:
        """`common.Block`s from start to stop, both included, or to the chain's end."""
        request = requests.seek(self._channel, start, stop, self._identity)
        answers = self._connection.stream(requests.DELIVER, iter([request]))
        return self._in_order(answers, start)

    def follow(self, start: int) -> Iterator[Any]:
        """`common.Block`s from start on, each as soon as it is there."""
        request = requests.seek(self._channel, start, requests.LAST, self._identity, wait=True)
        answers = self._connection.stream(requests.DELIVER, iter([request]), endless=True)
        return self._in_order(answers, start)

    def _in_order(self, answers: Iterator[Any], number: int) -> Iterator[Any]:
        for answer in answers:
            if answer.WhichOneof("Type") != "block":
                _check_end(answer.status)
                return
            if answer.block.header.number != number:
                raise Misbehaved(f"block {answer.block.header.number} was given for {number}")
            blocks.check_data(answer.block)
            yield answer.block
            number += 1

    def _remember(self, number: int) -> str:
        found = blocks.time_of(_read(common.Block, self._ask(b"GetBlockByNumber", str(number).encode())))
        self._times[number] = found
        if len(self._times) > KNOWN_TIMES:
            self._times.popitem(last=False)
        return found

    def _ask(self, function: bytes, *args: bytes) -> bytes:
        """One of qscc's functions (fabric/core/scc/qscc)."""
        all_args = (function, self._channel.encode(), *args)
        call = calls.invocation(self._channel, "qscc", all_args, by=self._identity)
        answer = self._connection.ask(requests.EVALUATE, requests.evaluate(call, self._identity))
        return bytes(answer.result.payload)


def _read(kind: Any, payload: bytes) -> Any:
    try:
        return _message(kind, payload)
    except Refused as error:
        raise Misbehaved(error.detail) from error


@encoding.reader("what qscc answers")
def _message(kind: Any, payload: bytes) -> Any:
    return encoding.message(kind, payload)


def _check_end(status: int) -> None:
    """How a stream of blocks ended: all were there, or the chain ended before."""
    if status in (common.SUCCESS, common.NOT_FOUND):
        return
    if status in (common.FORBIDDEN, common.BAD_REQUEST):
        raise Refused(f"blocks are not given to this identity: {common.Status.Name(status)}")
    raise Unavailable(f"blocks cannot be given now: {status}")
