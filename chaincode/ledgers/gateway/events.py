"""What a ledger tells by itself: blocks and contracts' events, as they are committed.

A stream that fails goes on at the next address, after the last thing that was told: nothing is told twice
and nothing is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from chaincode import canonical
from chaincode.blocks import Block
from chaincode.errors import Unavailable
from chaincode.fabric import blocks
from chaincode.identity import Identity
from chaincode.ledgers.gateway import requests
from chaincode.ledgers.gateway.chain import Chain
from chaincode.ledgers.gateway.connection import Connection, pauses


@dataclass(frozen=True)
class Event:
    """What a contract told in a valid transaction."""

    contract: str
    name: str
    payload: Any
    tx_id: str
    block: int


class Follower:
    def __init__(self, connection: Connection, chain: Chain, channel: str, identity: Identity) -> None:
        self._connection, self._chain = connection, chain
        self._channel, self._identity = channel, identity

    def blocks(self, start: int | None) -> Iterator[Block]:
        number = self._chain.height() if start is None else start
        given = self._again(lambda last: self._chain.follow(last.header.number + 1 if last else number))
        return (blocks.view(block) for block in given)

    def events(self, contract: str, start: int | None, after: str) -> Iterator[Event]:
        first = self._chain.height() if start is None else start

        def opened(last: Event | None) -> Iterator[Event]:
            place = (last.block, last.tx_id) if last else (first, after)
            return self._events(contract, *place)

        return self._again(opened)

    def _events(self, contract: str, start: int, after: str) -> Iterator[Event]:
        request = requests.chaincode_events(self._channel, contract, start, after, self._identity)
        for answer in self._connection.stream(requests.CHAINCODE_EVENTS, request, endless=True):
            for told in answer.events:
                payload = canonical.parse(told.payload)
                yield Event(told.chaincode_id, told.event_name, payload, told.tx_id, answer.block_number)

    def _again(self, opened: Callable[[Any], Iterator[Any]]) -> Iterator[Any]:
        """Opened after the last thing that was told, for as long as the connection is not closed."""
        last, pause = None, pauses()
        while not self._connection.is_closed():
            try:
                for told in opened(last):
                    last, pause = told, pauses()
                    yield told
            except Unavailable:
                if self._connection.is_closed():
                    return
            time.sleep(next(pause))
