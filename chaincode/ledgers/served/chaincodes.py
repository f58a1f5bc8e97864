"""The peer's end of the chaincode-as-a-service protocol: contracts that run in servers of their own.

Like a peer, it connects when a transaction comes and there is no stream (core/chaincode, Launch), and so
finds a server that was started again. Whoever answers as the chaincode decides what is written: without a
root for its TLS, only an address of this machine is taken.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
from fabric_protos.peer import chaincode_pb2 as chaincodes
from fabric_protos.peer import proposal_pb2 as peer
from fabric_protos.peer.chaincode_shim_pb2_grpc import ChaincodeStub
from google.protobuf.message import DecodeError

from chaincode.errors import Code, ContractError, LedgerError
from chaincode.fabric.encoding import encoded
from chaincode.ledgers.execution import Transaction
from chaincode.ledgers.served.requests import Requests
from chaincode.stream import KIND, MESSAGE_BYTES, Broken, Busy, ChaincodeFailed, Stream, Violation, name_of

log = logging.getLogger(__name__)

DIAL_S = 3.0
"""How long a server may take to register (core/container/externalbuilder, DialTimeout)."""

PAUSE_S = 0.1
"""For so long after a server could not be reached, nobody tries again."""


@dataclass(frozen=True)
class ChaincodeServer:
    """Where a contract's server is; keys and certificates in PEM."""

    address: str  #: host:port
    root: str | None = None  #: of its TLS
    certificate: str | None = None  #: ours, for a server that asks for one
    key: str | None = field(default=None, repr=False)

    def channel(self) -> grpc.Channel:
        options = [
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            ("grpc.use_local_subchannel_pool", 1),  # a new channel tries at once, whatever failed before
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.http2.max_pings_without_data", 0),
        ]
        if self.root is None:
            return grpc.insecure_channel(self.address, options)
        key, certificate = self.key and self.key.encode(), self.certificate and self.certificate.encode()
        credentials = grpc.ssl_channel_credentials(self.root.encode(), key or None, certificate or None)
        return grpc.secure_channel(self.address, credentials, options)

    def check(self) -> None:
        if self.root is None and not _is_here(self.address.rpartition(":")[0].strip("[]")):
            raise LedgerError(f"{self.address} is another machine: give the root of the chaincode's TLS")


class Chaincodes:
    """A `chaincode.ledgers.execution.Executor`."""

    def __init__(self, servers: Mapping[str, ChaincodeServer]) -> None:
        """By contract. Raises LedgerError for an address that cannot be trusted."""
        self._links = {contract: Link(contract, server) for contract, server in servers.items()}

    def execute(self, stub: Transaction, contract: str, arguments: Sequence[bytes]) -> bytes:
        if contract not in self._links:
            raise ContractError(Code.BAD_ARGUMENT, "there is no such contract")
        return self._links[contract].execute(stub, arguments)

    def close(self) -> None:
        for link in self._links.values():
            link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Link:
    """The stream to one server, opened when it is needed."""

    def __init__(self, contract: str, server: ChaincodeServer) -> None:
        server.check()
        self._contract, self._server = contract, server
        self._opening = threading.Lock()
        self._stream: Stream | None = None
        self._failure: ChaincodeFailed | None = None
        self._failed_at = 0.0

    def execute(self, stub: Transaction, arguments: Sequence[bytes]) -> bytes:
        stream = self._open()
        try:
            with stream.open(stub.channel, stub.tx_id) as talk:
                call = chaincodes.ChaincodeInput(args=arguments)
                signed = peer.SignedProposal(
                    proposal_bytes=stub.signed.proposal, signature=stub.signed.signature
                )
                talk.say(KIND.TRANSACTION, encoded(call), proposal=signed)
                return Requests(talk, stub).answer_all()
        except (Broken, Busy) as error:
            raise ChaincodeFailed(f"failed to execute transaction {stub.tx_id}: {error}") from error

    def close(self) -> None:
        with self._opening:
            if self._stream:
                self._stream.end()

    def _open(self) -> Stream:
        """Raises ChaincodeFailed, at once if it was just tried in vain."""
        with self._opening:
            if self._stream and self._stream.end_reason is None:
                return self._stream
            if self._failure and time.monotonic() < self._failed_at + PAUSE_S:
                raise ChaincodeFailed(self._failure.detail)
            try:
                self._stream = self._launch()
            except ChaincodeFailed as failure:
                self._failure, self._failed_at = failure, time.monotonic()
                raise
            return self._stream

    def _launch(self) -> Stream:
        stream, ready = Stream(), threading.Event()
        threading.Thread(target=self._follow, args=(stream, ready), daemon=True).start()
        if not ready.wait(DIAL_S):
            stream.end(f"not registered within {DIAL_S:.0f} s")
        if stream.end_reason is not None:
            raise ChaincodeFailed(f"could not launch chaincode {self._contract}: {stream.end_reason}")
        return stream

    def _follow(self, stream: Stream, ready: threading.Event) -> None:
        """What the chaincode says, until the stream ends from either side."""
        with self._server.channel() as channel:
            messages = ChaincodeStub(channel).Connect(stream.outgoing())
            stream.hang_up = messages.cancel
            try:
                self._register(stream, messages)
                ready.set()
                for message in messages:
                    _hear(stream, message)
            except Violation as violation:
                stream.end(str(violation))
            except StopIteration:
                pass
            except grpc.RpcError as error:
                stream.end(_words(error))
            finally:
                stream.end("chaincode stream terminated")
                if ready.is_set() and stream.end_reason:
                    log.warning("chaincode %s: %s", self._contract, stream.end_reason)
                ready.set()

    def _register(self, stream: Stream, messages: Iterator[Any]) -> None:
        first = next(messages)
        name = ""
        with contextlib.suppress(DecodeError):
            name = chaincodes.ChaincodeID.FromString(first.payload).name
        if first.type != KIND.REGISTER or name != self._contract:
            raise Violation(f"{name_of(first.type)} of {name!r} instead of {self._contract!r}'s registration")
        stream.send(KIND.REGISTERED)
        stream.send(KIND.READY)


def _hear(stream: Stream, message: Any) -> None:
    if message.type == KIND.KEEPALIVE or stream.deliver(message):
        return
    if message.type not in (KIND.COMPLETED, KIND.ERROR):
        # Its transaction is over: it took too long.
        why = f"{name_of(message.type)} failed: transaction ID: {message.txid}: no ledger context"
        stream.send(KIND.ERROR, why.encode(), channel_id=message.channel_id, txid=message.txid)


def _words(error: grpc.RpcError) -> str:
    return f"{error.code().name}: {error.details()}"


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
