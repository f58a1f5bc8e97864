"""A ledger's file behind gRPC with TLS: one peer and one orderer, whose operator has to be trusted."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import grpc
from fabric_protos.gateway.gateway_pb2_grpc import add_GatewayServicer_to_server
from fabric_protos.peer.events_pb2_grpc import add_DeliverServicer_to_server

from chaincode.blocks import NetworkConfig
from chaincode.errors import Unavailable
from chaincode.ledgers.commits import Cut
from chaincode.ledgers.engine import Engine
from chaincode.ledgers.execution import Executor
from chaincode.ledgers.served.answers import Answers
from chaincode.ledgers.served.deliver import DeliverService
from chaincode.ledgers.served.gateway import GatewayService
from chaincode.ledgers.served.limits import Limits, Turnstile


@dataclass(frozen=True)
class TLS:
    """What the server shows, in PEM."""

    certificate: str
    key: str = field(repr=False)


class Server:
    """A served ledger, until `stop`."""

    def __init__(self, engine: Engine, server: grpc.Server, address: str) -> None:
        self._engine, self._server = engine, server
        self.address = address  #: host:port

    @property
    def config(self) -> NetworkConfig:
        return self._engine.config

    def revoke(self, lists: Iterable[bytes]) -> None:
        """Take these revocation lists (PEM) instead of those before. Raises Refused for a foreign one."""
        self._engine.revocations.replace(lists)

    def stop(self, grace_s: float = 1.0) -> None:
        """Let calls under way come to their end for a moment, and close the file."""
        stopped = self._server.stop(grace_s)
        stopped.wait()
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def serve(
    path: Path,
    config: NetworkConfig | None,
    *,
    tls: TLS,
    listen: str = "127.0.0.1:0",
    executor: Executor | None = None,
    cut: Cut | None = None,
    limits: Limits | None = None,
) -> Server:
    """Open the file, make it for `config` if it is new, and answer at `listen`; port 0 is any free one.

    Raises Unavailable if the file or the port is somebody else's.
    """
    engine = Engine(path, config, executor=executor, cut=cut)
    try:
        server, port = _listen(listen, tls, limits or Limits())
        address = f"{listen.rpartition(':')[0]}:{port}"
        _add_services(server, engine, address, limits or Limits())
        server.start()
    except BaseException:
        engine.close()
        raise
    return Server(engine, server, address)


def _listen(listen: str, tls: TLS, limits: Limits) -> tuple[grpc.Server, int]:
    server = grpc.server(
        ThreadPoolExecutor(limits.calls, "ledger"),
        maximum_concurrent_rpcs=limits.calls,
        options=[
            ("grpc.max_receive_message_length", limits.message_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),  # or a second server would take half of the calls
        ],
    )
    credentials = grpc.ssl_server_credentials([(tls.key.encode(), tls.certificate.encode())])
    try:
        return server, server.add_secure_port(listen, credentials)
    except RuntimeError as error:
        raise Unavailable(f"cannot listen on {listen}: choose another address") from error


def _add_services(server: grpc.Server, engine: Engine, address: str, limits: Limits) -> None:
    turnstile = Turnstile(limits)
    answers = Answers(engine.config.channel, engine.peer.identity.msp_id, address)
    add_GatewayServicer_to_server(GatewayService(engine, answers, turnstile), server)
    add_DeliverServicer_to_server(DeliverService(engine, answers, turnstile, limits), server)
