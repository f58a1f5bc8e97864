"""`protos.Deliver` (peer/events.proto): blocks, whole or filtered, from a number on.

What is refused is refused with a `common.Status` within the stream (fabric/common/deliver/deliver.go).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import grpc
from fabric_protos.common import common_pb2 as common
from fabric_protos.orderer.ab_pb2 import SeekInfo
from fabric_protos.peer.events_pb2 import (
    DeliverResponse,
    FilteredBlock,
    FilteredChaincodeAction,
    FilteredTransaction,
    FilteredTransactionActions,
)
from fabric_protos.peer.events_pb2_grpc import DeliverServicer

from chaincode.errors import LedgerError
from chaincode.fabric import blocks, encoding, transactions
from chaincode.ledgers.engine import WINDOW, Engine
from chaincode.ledgers.membership import AccessDenied
from chaincode.ledgers.served import events
from chaincode.ledgers.served.answers import Answers
from chaincode.ledgers.served.limits import Limits, Turnstile
from chaincode.ledgers.store import Stored

Shape = Callable[[Stored], Any]


class DeliverService(DeliverServicer):  # type: ignore[misc] # generated code has no types
    def __init__(self, engine: Engine, answers: Answers, turnstile: Turnstile, limits: Limits) -> None:
        self._engine, self._answers, self._turnstile, self._limits = engine, answers, turnstile, limits

    def Deliver(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: N802
        return self._serve(requests, context, _whole)

    def DeliverFiltered(  # noqa: N802
        self, requests: Iterator[Any], context: grpc.ServicerContext
    ) -> Iterator[Any]:
        return self._serve(requests, context, self._filtered)

    def _serve(self, requests: Iterator[Any], context: grpc.ServicerContext, shape: Shape) -> Iterator[Any]:
        with self._answers.to(context, self._answers.read), self._turnstile.waits(_address(context)):
            while request := self._next(requests, context):
                yield from self._answer(request, context, shape)

    def _next(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
        """The next request; None at the end. Hangs up on one who says nothing."""
        with _alarm(self._limits.patience_s, context.cancel):
            return next(requests, None)

    def _answer(self, request: Any, context: grpc.ServicerContext, shape: Shape) -> Iterator[Any]:
        try:
            seek = self._seek(request)
        except AccessDenied:
            yield DeliverResponse(status=common.FORBIDDEN)
            return
        except LedgerError:
            yield DeliverResponse(status=common.BAD_REQUEST)
            return
        if seek is None:
            yield DeliverResponse(status=common.NOT_FOUND)
            return
        yield from self._blocks(seek, context, shape)

    @encoding.reader("a request for blocks")
    def _seek(self, request: Any) -> Any:
        """`orderer.SeekInfo`; None for another channel. Raises Refused unless a member signed it now."""
        payload = encoding.message(common.Payload, request.payload)
        header = encoding.message(common.ChannelHeader, payload.header.channel_header)
        if abs(header.timestamp.ToDatetime(UTC) - datetime.now(UTC)) > WINDOW:
            raise ValueError("its time is too far from this ledger's")
        if header.channel_id != self._engine.config.channel:
            return None
        signed = encoding.message(common.SignatureHeader, payload.header.signature_header)
        self._engine.check(encoding.creator(signed.creator), request.payload, request.signature)
        seek = encoding.message(SeekInfo, payload.data)
        if not seek.HasField("start") or not seek.HasField("stop"):
            raise ValueError("it has no start or no end")
        return seek

    def _blocks(self, seek: Any, context: grpc.ServicerContext, shape: Shape) -> Iterator[Any]:
        first, last = (events.start_of(self._engine, position) for position in (seek.start, seek.stop))
        if last < first:
            yield DeliverResponse(status=common.BAD_REQUEST)
            return

        def goes_on(number: int) -> bool:
            waits = seek.behavior == SeekInfo.BLOCK_UNTIL_READY
            return context.is_active() and (waits or number < self._engine.height())

        for stored in events.chain(self._engine, first, goes_on):
            yield shape(stored)
            if stored.number >= last:
                yield DeliverResponse(status=common.SUCCESS)
                return
        yield DeliverResponse(status=common.NOT_FOUND)

    def _filtered(self, stored: Stored) -> Any:
        block = blocks.view(blocks.parse(stored.block))
        listed = [_listed(transaction) for transaction in block.transactions]
        channel = self._engine.config.channel
        return DeliverResponse(
            filtered_block=FilteredBlock(
                channel_id=channel, number=stored.number, filtered_transactions=listed
            )
        )


def _whole(stored: Stored) -> Any:
    return DeliverResponse(block=common.Block.FromString(stored.block))


def _listed(transaction: Any) -> Any:
    """A transaction's outcome, and its event without the payload."""
    actions = []
    if transaction.event is not None:
        event = events.event(transaction)
        event.ClearField("payload")
        actions = [FilteredChaincodeAction(chaincode_event=event)]
    return FilteredTransaction(
        txid=transaction.id,
        type=common.ENDORSER_TRANSACTION,
        tx_validation_code=transactions.code_of(transaction.validation_code),
        transaction_actions=FilteredTransactionActions(chaincode_actions=actions),
    )


def _address(context: grpc.ServicerContext) -> str:
    """Of the client's machine: its connections count together."""
    return str(context.peer()).rpartition(":")[0]


@contextmanager
def _alarm(after_s: float, ring: Callable[[], object]) -> Iterator[None]:
    timer = threading.Timer(after_s, ring)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
