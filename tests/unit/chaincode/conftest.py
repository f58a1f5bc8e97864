from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chaincode import client
from chaincode.client import Ledger, NetworkConfig
from chaincode.identity import Identity
from tests.contracts.authority import Authority
from tests.contracts.world import CHANNEL, World


@dataclass
class Place:
    """A ledger file and who may speak there. `open` gives one view; `world` the whole cast."""

    path: Path
    opened: ExitStack
    platform: Authority = field(default_factory=lambda: Authority.make("PlatformMSP"))
    providers: Authority = field(default_factory=lambda: Authority.make("ProvidersMSP"))

    def __post_init__(self) -> None:
        self.config = NetworkConfig(
            CHANNEL, {"PlatformMSP": self.platform.pem, "ProvidersMSP": self.providers.pem}
        )
        self.identity = self.platform.enrol("controller", chainfaas_role="controller")

    @property
    def url(self) -> str:
        return f"embedded://{self.path}"

    def open(self, identity: Identity | None = None) -> Ledger:
        view = client.connect(self.url, identity or self.identity, config=self.config)
        return self.opened.enter_context(closing(view))

    def world(self) -> World:
        controller = self.open()
        controller.transact("monitoring", "init", {"providers_root": self.providers.pem})
        return World(self.open, self.platform, self.providers)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as opened:
        yield Place(tmp_path / "ledger.db", opened)
