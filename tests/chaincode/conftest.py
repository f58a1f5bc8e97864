from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from chaincode import server
from chaincode.identity import Identity
from chaincode.shim import Run
from tests.chaincode.peer import Peer
from tests.contracts.conftest import network, platform, providers

__all__ = ["network", "platform", "providers"]

Meet = Callable[..., Peer]


@pytest.fixture(scope="session")
def dora(providers: Any) -> Identity:
    identity: Identity = providers.enrol("dora", chainfaas_user="dora")
    return identity


@pytest.fixture
def serve() -> Iterator[Callable[[Run | None], str]]:
    """Starts a server of the monitoring contract, or of what a test runs in its place."""
    with ExitStack() as opened:

        def start(run: Run | None = None) -> str:
            chaincode = server.Chaincode("monitoring:cafe", "monitoring", run)
            started, address = server.serve(chaincode, "127.0.0.1:0", None)
            opened.callback(lambda: started.stop(0).wait())
            opened.callback(chaincode.drain)
            return address

        yield start


@pytest.fixture
def meet(serve: Callable[[Run | None], str], dora: Identity) -> Iterator[Meet]:
    """A peer before a server that runs this."""
    with ExitStack() as opened:

        def start(run: Run | None = None, **options: Any) -> Peer:
            return opened.enter_context(closing(Peer(serve(run), dora, **options)))

        yield start
