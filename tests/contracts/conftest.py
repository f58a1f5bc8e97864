from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from chaincode import client
from chaincode.client import Ledger, NetworkConfig
from chaincode.identity import Identity
from chaincode.ledgers.served import server
from tests.contracts.authority import Authority
from tests.contracts.world import CHANNEL, World


@pytest.fixture(scope="session")
def platform() -> Authority:
    return Authority.make("PlatformMSP")


@pytest.fixture(scope="session")
def providers() -> Authority:
    return Authority.make("ProvidersMSP")


@pytest.fixture
def network(platform: Authority, providers: Authority) -> NetworkConfig:
    return NetworkConfig(CHANNEL, {"PlatformMSP": platform.pem, "ProvidersMSP": providers.pem})


@pytest.fixture(params=["embedded", "served"])
def url(
    request: pytest.FixtureRequest, tmp_path: Path, platform: Authority, network: NetworkConfig
) -> Iterator[str]:
    """A new ledger of each kind. A new kind is one more parameter, and how to start it."""
    path = tmp_path / "ledger.db"
    if request.param == "embedded":
        yield f"embedded://{path}"
    else:
        with served(path, platform, network) as found:
            yield found


@contextmanager
def served(path: Path, platform: Authority, network: NetworkConfig) -> Iterator[str]:
    """The embedded ledger behind Fabric's wire, on a free port of this machine."""
    root = path.with_name("tls.pem")
    root.write_text(platform.pem)
    with server.serve(path, network, tls=server.TLS(*platform.server("localhost"))) as started:
        port = started.address.rpartition(":")[2]
        yield f"fabric://localhost:{port}/{network.channel}?tls_root={root}"


@pytest.fixture
def ledger(url: str, platform: Authority, providers: Authority, network: NetworkConfig) -> Iterator[World]:
    """The cast before a ledger of each kind."""
    with ExitStack() as opened:

        def connect(identity: Identity) -> Ledger:
            return opened.enter_context(client.connect(url, identity, config=network))

        controller = connect(platform.enrol("controller", chainfaas_role="controller"))
        controller.transact("monitoring", "init", {"providers_root": providers.pem})
        yield World(connect, platform, providers)
