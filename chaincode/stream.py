"""One stream of `protos.ChaincodeMessage` (peer/chaincode_shim.proto) between a peer and a chaincode, from
either end.

Any number of transactions share it. What they send goes through one queue, since gRPC takes messages from one
iterator; what comes in goes to the transaction that it names, and only while that one waits for a message, so
that no answer is ever taken for the next one's.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, Self

from fabric_protos.peer import chaincode_shim_pb2 as shim
from fabric_protos.peer import proposal_response_pb2 as peer
from google.protobuf.message import DecodeError

from chaincode.errors import Unavailable
from chaincode.fabric import encoding, responses

KIND = shim.ChaincodeMessage.Type

MESSAGE_BYTES = 100 * 2**20
"""The largest message, as in Fabric (internal/pkg/comm, DefaultMaxRecvMsgSize)."""

MOST_TALKS = 1000
"""Transactions at once on one stream."""

LONGEST_QUEUE = 10_000
"""Messages that wait to be sent; more than so many, and the other side does not read."""


class Broken(Exception):
    """The stream has ended, or nothing comes."""


class Busy(Exception):
    """No transaction can begin."""


class Violation(Exception):
    """The other side does not keep to the protocol."""


class ChaincodeFailed(Unavailable):
    """The chaincode did not answer."""

    code = "CHAINCODE_FAILED"


class Stream:
    """One end. Whoever has the connection sends what `outgoing` gives, and delivers what comes."""

    def __init__(self) -> None:
        self._outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._talks: dict[tuple[str, str], Talk] = {}
        self._talking = threading.Lock()
        self.end_reason: str | None = None  #: None while it lasts, "" for one that ended well
        self.hang_up: Callable[[], object] = lambda: None

    @property
    def talks(self) -> int:
        return len(self._talks)

    def send(self, kind: int, payload: bytes = b"", **fields: Any) -> None:
        if self._outgoing.qsize() >= LONGEST_QUEUE:
            self.end("the other side does not read")
        if self.end_reason is None:
            self._outgoing.put(shim.ChaincodeMessage(type=kind, payload=payload, **fields))

    def outgoing(self) -> Iterator[Any]:
        """What is to be sent, message after message, until the end."""
        return iter(self._outgoing.get, None)

    def open(self, channel: str, tx_id: str) -> Talk:
        """Raises Busy if this transaction, or too many others, are under way, and Broken after the end."""
        with self._talking:
            if self.end_reason is not None:
                raise Broken("chaincode stream terminated")
            if (channel, tx_id) in self._talks:
                raise Busy(f"txid: {tx_id}({channel}) exists")
            if len(self._talks) >= MOST_TALKS:
                raise Busy(f"{MOST_TALKS} transactions are under way")
            talk = self._talks[channel, tx_id] = Talk(self, channel, tx_id)
            return talk

    def deliver(self, message: Any) -> bool:
        """False if its transaction is over, or never was. Raises Violation for what was not asked for."""
        with self._talking:
            talk = self._talks.get((message.channel_id, message.txid))
        if talk is not None:
            talk.hear(message)
        return talk is not None

    def end(self, reason: str = "") -> None:
        """For all who talk, and for whoever sends."""
        with self._talking:
            if self.end_reason is None:
                self.end_reason = reason
            talks = list(self._talks.values())
        for talk in talks:
            talk.interrupt()
        self._outgoing.put(None)
        self.hang_up()

    def finish(self, talk: Talk, kind: int, payload: bytes, **fields: Any) -> None:
        """Forget it with its last message: whoever hears that may begin the transaction again, and when no
        talk is left, all has been said."""
        with self._talking:
            self._outgoing.put(
                shim.ChaincodeMessage(
                    type=kind, payload=payload, channel_id=talk.channel, txid=talk.tx_id, **fields
                )
            )
            self._talks.pop((talk.channel, talk.tx_id), None)

    def forget(self, talk: Talk) -> None:
        with self._talking:
            if self._talks.get((talk.channel, talk.tx_id)) is talk:
                del self._talks[talk.channel, talk.tx_id]


class Talk:
    """One transaction's share of a stream: by turns, one side says something and hears one message."""

    def __init__(self, stream: Stream, channel: str, tx_id: str) -> None:
        self.channel, self.tx_id = channel, tx_id
        self._stream = stream
        self._heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._listening = False

    def say(self, kind: int, payload: bytes = b"", **fields: Any) -> None:
        self._listening = True  # before it is sent, or the answer could be faster
        self._stream.send(kind, payload, channel_id=self.channel, txid=self.tx_id, **fields)

    def end(self, kind: int, payload: bytes = b"", **fields: Any) -> None:
        """Say the last word."""
        self._stream.finish(self, kind, payload, **fields)

    def listen(self, timeout_s: float) -> Any:
        """The next message. Raises Broken if none comes."""
        try:
            message = self._heard.get(timeout=max(0.0, timeout_s))
        except queue.Empty as error:
            raise Broken("timeout expired while executing transaction") from error
        if message is None:
            self.interrupt()  # whoever listens again learns it too
            raise Broken("chaincode stream terminated")
        return message

    def hear(self, message: Any) -> None:
        if not self._listening:
            raise Violation(f"{name_of(message.type)} for {self.tx_id[:8]} was not asked for")
        self._listening = False
        self._heard.put(message)

    def interrupt(self) -> None:
        self._heard.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stream.forget(self)


def name_of(kind: int) -> str:
    return str(KIND.Name(kind)) if kind in KIND.values() else f"message {kind}"


def result(last: Any) -> bytes:
    """What the message that ends a transaction says: its answer. Raises ContractError for the contract's no,
    and ChaincodeFailed for everything else (fabric/core/chaincode, processChaincodeExecutionResult)."""
    if last.type != KIND.COMPLETED:
        raise ChaincodeFailed(f"transaction returned with failure: {last.payload.decode('utf-8', 'replace')}")
    try:
        response = encoding.message(peer.Response, last.payload)
    except DecodeError as error:
        raise ChaincodeFailed("failed to unmarshal response") from error
    if responses.OK <= response.status < responses.REFUSED:
        return bytes(response.payload)
    raise responses.contract_error(response.message) or ChaincodeFailed(
        f"chaincode response {response.status}, {response.message}"
    )
