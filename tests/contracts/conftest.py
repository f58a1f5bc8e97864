from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chaincode import client
from chaincode.client import Ledger, NetworkConfig
from chaincode.identity import Identity
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


@pytest.fixture(params=["embedded"])
def ledger(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    platform: Authority,
    providers: Authority,
    network: NetworkConfig,
) -> Iterator[World]:
    """The cast before a ledger of each kind. A new kind is one more parameter and how to connect to it."""
    with ExitStack() as opened:

        def connect(identity: Identity) -> Ledger:
            url = {"embedded": f"embedded://{tmp_path}/ledger.db"}[request.param]
            return opened.enter_context(client.connect(url, identity, config=network))

        controller = connect(platform.enrol("controller", chainfaas_role="controller"))
        controller.transact("monitoring", "init", {"providers_root": providers.pem})
        yield World(connect, platform, providers)
