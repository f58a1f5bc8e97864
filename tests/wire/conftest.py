"""A served ledger, a proxy before it that fails on demand, and the controller's view through that."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from chaincode import client
from chaincode.client import NetworkConfig
from chaincode.identity import Identity
from chaincode.ledgers.gateway import GatewayLedger, requests
from chaincode.ledgers.served import server
from tests.contracts.authority import Authority
from tests.contracts.conftest import network, platform, providers
from tests.wire.proxy import Proxy

__all__ = ["network", "platform", "providers"]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long."""
    monkeypatch.setattr("chaincode.ledgers.gateway.connection.PATIENCE_S", 3.0)
    monkeypatch.setattr("chaincode.ledgers.gateway.ledger.SETTLE_S", 8.0)
    for name, deadline_s in (("EVALUATE", 4.0), ("SUBMIT", 2.0), ("COMMIT_STATUS", 1.0)):
        method = dataclasses.replace(getattr(requests, name), deadline_s=deadline_s)
        monkeypatch.setattr(requests, name, method)


@dataclass
class Wire:
    """Who is on it."""

    server: server.Server
    proxy: Proxy
    controller: GatewayLedger
    connect: Callable[..., GatewayLedger]

    @property
    def host(self) -> str:
        return f"localhost:{self.server.address.rpartition(':')[2]}"


@pytest.fixture
def wire(tmp_path: Path, platform: Authority, providers: Authority, network: NetworkConfig) -> Iterator[Wire]:
    with ExitStack() as opened:
        tls = server.TLS(*platform.server("localhost"))
        started = opened.enter_context(server.serve(tmp_path / "ledger.db", network, tls=tls))
        proxy = Proxy(started.address, platform)
        opened.callback(proxy.stop)
        root = tmp_path / "tls.pem"
        root.write_text(platform.pem)

        def connect(identity: Identity, *hosts: str) -> GatewayLedger:
            url = f"fabric://{','.join(hosts or (proxy.host,))}/{network.channel}?tls_root={root}"
            view = client.connect(url, identity, config=network)
            assert isinstance(view, GatewayLedger)
            return opened.enter_context(view)

        controller = connect(platform.enrol("controller", chainfaas_role="controller"))
        controller.transact("monitoring", "init", {"providers_root": providers.pem})
        proxy.calls.clear()
        yield Wire(started, proxy, controller, connect)
