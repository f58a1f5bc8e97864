from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from chaincode import client
from chaincode.client import Ledger, NetworkConfig
from chaincode.contracts import CONTRACTS
from chaincode.identity import Identity
from chaincode.ledgers.execution import Executor
from chaincode.ledgers.served import server
from chaincode.ledgers.served.chaincodes import Chaincodes, ChaincodeServer
from tests.chaincode.processes import ServerProcess
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


@pytest.fixture(scope="session")
def chaincodes() -> Iterator[Chaincodes]:
    """The contracts as programs of their own."""
    with ExitStack() as started:
        processes = {name: started.enter_context(ServerProcess(name)) for name in CONTRACTS}
        servers = {name: ChaincodeServer(process.address) for name, process in processes.items()}
        yield started.enter_context(Chaincodes(servers))


@pytest.fixture(params=["embedded", "served", "chaincode servers"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path, platform: Authority, network: NetworkConfig
) -> Iterator[str]:
    """A new ledger of each kind. A new kind is one more parameter, and how to start it."""
    path = tmp_path / "ledger.db"
    if kind == "embedded":
        yield f"embedded://{path}"
    else:
        separate = kind == "chaincode servers"
        executor = request.getfixturevalue("chaincodes") if separate else None
        with served(path, platform, network, executor) as found:
            yield found


@contextmanager
def served(
    path: Path, platform: Authority, network: NetworkConfig, executor: Executor | None = None
) -> Iterator[str]:
    """The embedded ledger behind Fabric's wire, on a free port of this machine."""
    root = path.with_name("tls.pem")
    root.write_text(platform.pem)
    tls = server.TLS(*platform.server("localhost"))
    with server.serve(path, network, tls=tls, executor=executor) as started:
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
