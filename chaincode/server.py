"""A contract as a chaincode server: Fabric's peers, or a served ledger, connect to it and run it.

    python -m chaincode.server --contract monitoring --listen 127.0.0.1:7052

It serves `protos.Chaincode` (peer/chaincode_shim.proto), the chaincode-as-a-service protocol, needs nothing
but requirements.txt beside it, and keeps nothing: it may be killed and started at any time. Whoever connects
can make it compute, and no more; with TLS and --tls-clients, only those whom that root certifies.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from fabric_protos.peer import chaincode_pb2 as chaincodes
from fabric_protos.peer.chaincode_shim_pb2_grpc import ChaincodeServicer, add_ChaincodeServicer_to_server

from chaincode.contracts import CONTRACTS
from chaincode.fabric.encoding import encoded
from chaincode.ledgers.execution import InProcess
from chaincode.shim import Run, perform
from chaincode.stream import KIND, MESSAGE_BYTES, Broken, Busy, Stream, Violation, name_of

log = logging.getLogger(__name__)

MOST_PEERS = 64
"""Streams at once."""

THREADS = 32
"""Transactions of one peer that run at a time; the others wait for their turn."""

PATIENCE_S = 10.0
"""How long a peer may take to register the chaincode."""

GRACE_S = 2.0
"""How long transactions under way may take to end, when the server is told to."""


class Chaincode(ChaincodeServicer):  # type: ignore[misc] # generated code has no types
    """One contract for any number of peers, each with a stream of its own."""

    def __init__(self, chaincode_id: str, contract: str, run: Run | None = None) -> None:
        self._id, self._contract = chaincode_id, contract
        self._run = run or InProcess().execute
        self._streams: set[Stream] = set()
        self._ending = False

    def Connect(self, request_iterator: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: N802
        stream = Stream()
        stream.send(KIND.REGISTER, encoded(chaincodes.ChaincodeID(name=self._id)))
        self._streams.add(stream)
        threading.Thread(target=self._follow, args=(stream, request_iterator), daemon=True).start()
        yield from stream.outgoing()
        if stream.end_reason:
            log.warning("the stream of %s: %s", context.peer(), stream.end_reason)
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, stream.end_reason)

    def drain(self) -> None:
        """Begin nothing, wait for what is under way, and end the streams."""
        self._ending = True
        deadline = time.monotonic() + GRACE_S
        while any(stream.talks for stream in list(self._streams)) and time.monotonic() < deadline:
            time.sleep(0.01)
        for stream in list(self._streams):
            stream.end()

    def _follow(self, stream: Stream, messages: Iterator[Any]) -> None:
        """One peer's messages, until its stream ends from either side."""
        # A pool for each, so that a peer that answers nothing keeps nobody waiting but itself.
        pool = ThreadPoolExecutor(THREADS, "transaction")
        try:
            self._register(stream, messages)
            for message in messages:
                self._hear(stream, pool, message)
        except Violation as violation:
            stream.end(str(violation))
        except (grpc.RpcError, StopIteration):
            pass  # the peer is gone
        finally:
            stream.end()
            self._streams.discard(stream)
            pool.shutdown(wait=False)

    def _register(self, stream: Stream, messages: Iterator[Any]) -> None:
        late = threading.Timer(PATIENCE_S, stream.end, ["the peer did not register the chaincode"])
        late.daemon = True
        late.start()
        try:
            for kind in (KIND.REGISTERED, KIND.READY):
                message = next(messages)
                if message.type != kind:
                    raise Violation(f"{name_of(message.type)} came where {name_of(kind)} was due")
        finally:
            late.cancel()

    def _hear(self, stream: Stream, pool: ThreadPoolExecutor, message: Any) -> None:
        if message.type == KIND.TRANSACTION:
            self._begin(stream, pool, message)
        elif message.type in (KIND.RESPONSE, KIND.ERROR):
            stream.deliver(message)  # too late for anybody is too late
        elif message.type == KIND.KEEPALIVE:
            stream.send(KIND.KEEPALIVE)
        elif message.type == KIND.INIT:
            _refuse(stream, message, "this chaincode has no Init: commit it without --init-required")
        else:
            raise Violation(f"{name_of(message.type)} is nothing that a peer says")

    def _begin(self, stream: Stream, pool: ThreadPoolExecutor, message: Any) -> None:
        if self._ending:
            _refuse(stream, message, "the chaincode server is ending")
            return
        try:
            talk = stream.open(message.channel_id, message.txid)
        except (Busy, Broken) as refusal:
            _refuse(stream, message, str(refusal))
            return

        def run() -> None:
            with talk:
                perform(talk, message, self._contract, self._run)

        pool.submit(run)


def _refuse(stream: Stream, message: Any, why: str) -> None:
    stream.send(KIND.ERROR, why.encode(), channel_id=message.channel_id, txid=message.txid)


def credentials(key: bytes, certificate: bytes, clients: bytes | None) -> grpc.ServerCredentials:
    """Of a server that shows this certificate and, if `clients` is given, asks for one of that root's."""
    return grpc.ssl_server_credentials([(key, certificate)], clients, require_client_auth=clients is not None)


def serve(
    chaincode: Chaincode, listen: str, tls: grpc.ServerCredentials | None = None
) -> tuple[grpc.Server, str]:
    """The server, started, and its address. Port 0 is any free one. Raises RuntimeError for one in use."""
    server = grpc.server(
        ThreadPoolExecutor(MOST_PEERS, "peer"),
        maximum_concurrent_rpcs=MOST_PEERS,
        options=[
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            ("grpc.so_reuseport", 0),  # or a second server would take half of the peers
            # A peer pings once a minute (internal/pkg/comm, ClientInterval); gRPC's own limit, once in
            # five minutes, would end its stream. We ping too, to know when a peer's machine died.
            ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
        ],
    )
    add_ChaincodeServicer_to_server(chaincode, server)
    port = server.add_secure_port(listen, tls) if tls else server.add_insecure_port(listen)
    server.start()
    return server, f"{listen.rpartition(':')[0]}:{port}"


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    chaincode = Chaincode(options.id or options.contract, options.contract)
    try:
        server, address = serve(chaincode, options.listen, _tls(options))
    except (OSError, RuntimeError) as error:
        sys.stderr.write(f"chaincode server: {error}\n")
        return 1
    sys.stdout.write(f"ready {address}\n")
    sys.stdout.flush()
    stopped.wait()
    chaincode.drain()
    server.stop(grace=1).wait()
    return 0


def _tls(options: argparse.Namespace) -> grpc.ServerCredentials | None:
    if not options.tls_key:
        return None
    clients = options.tls_clients and options.tls_clients.read_bytes()
    return credentials(options.tls_key.read_bytes(), options.tls_certificate.read_bytes(), clients)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaincode.server", description=__doc__)
    parser.add_argument("--contract", required=True, choices=sorted(CONTRACTS))
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        default=os.environ.get("CHAINCODE_SERVER_ADDRESS"),
        required="CHAINCODE_SERVER_ADDRESS" not in os.environ,
    )
    parser.add_argument(
        "--id",
        default=os.environ.get("CHAINCODE_ID"),
        help="the package id that a Fabric peer knows it by; the contract's name for a served ledger",
    )
    parser.add_argument("--tls-key", type=Path, metavar="PEM")
    parser.add_argument("--tls-certificate", type=Path, metavar="PEM")
    parser.add_argument("--tls-clients", type=Path, metavar="PEM", help="the root of those who may connect")
    options = parser.parse_args(argv)
    if bool(options.tls_key) != bool(options.tls_certificate) or (
        options.tls_clients and not options.tls_key
    ):
        parser.error("--tls-key and --tls-certificate belong together, and --tls-clients to both")
    return options


if __name__ == "__main__":
    sys.exit(main())
