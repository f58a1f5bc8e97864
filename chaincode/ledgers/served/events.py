"""The contracts' events of block after block, as `gateway.ChaincodeEvents` tells them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fabric_protos.gateway import gateway_pb2 as gateway
from fabric_protos.orderer.ab_pb2 import SeekPosition
from fabric_protos.peer.chaincode_event_pb2 import ChaincodeEvent

from chaincode import canonical
from chaincode.blocks import VALID, Block, Transaction
from chaincode.fabric import blocks
from chaincode.ledgers.engine import Engine
from chaincode.ledgers.store import Stored

LOOK_S = 0.5
"""How often one who waits looks whether its client is still there."""

AT_ONCE = 20
"""Blocks that are read at a time."""

LAST = 2**63 - 1
"""The largest number that a block can have here: SQLite's."""


def follow(engine: Engine, asked: Any, goes_on: Callable[[], bool]) -> Iterator[Any]:
    """`gateway.ChaincodeEventsResponse` for each block that has events of the contract."""
    first, seen = start_of(engine, asked.start_position), asked.after_transaction_id
    for stored in chain(engine, first, lambda _: goes_on()):
        block = blocks.view(blocks.parse(stored.block))
        events = [event(tx) for tx in _after(block, seen) if _counts(tx, asked.chaincode_id)]
        seen = ""  # it says where in the first block to go on
        if events:
            yield gateway.ChaincodeEventsResponse(events=events, block_number=block.number)


def chain(engine: Engine, number: int, goes_on: Callable[[int], bool]) -> Iterator[Stored]:
    """Each block from this number on, those to come too, while `goes_on` says so of the next one's number."""
    while goes_on(number):
        found = engine.stored(number, AT_ONCE)
        yield from found
        number += len(found)
        if not found:
            engine.await_block(number, LOOK_S)


def start_of(engine: Engine, position: Any) -> int:
    """The number of the block that an `orderer.SeekPosition` names; the next one's, if it names none."""
    kind = SeekPosition.WhichOneof(position, "Type")
    if kind == "oldest":
        return 0
    if kind == "specified":
        return min(int(position.specified.number), LAST)
    return engine.height() - int(kind == "newest")


def event(tx: Transaction) -> Any:
    """`protos.ChaincodeEvent`."""
    assert tx.event is not None  # noqa: S101 - the caller has looked
    return ChaincodeEvent(
        chaincode_id=tx.contract,
        tx_id=tx.id,
        event_name=tx.event["name"],
        payload=canonical.data(tx.event["payload"]),
    )


def _counts(tx: Transaction, contract: str) -> bool:
    return tx.event is not None and tx.contract == contract and tx.validation_code == VALID


def _after(block: Block, tx_id: str) -> list[Transaction]:
    """The block's transactions after this one; all, if it is not there."""
    ids = [tx.id for tx in block.transactions]
    return block.transactions[ids.index(tx_id) + 1 :] if tx_id in ids else block.transactions
