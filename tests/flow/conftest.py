"""One platform for the tests that do not kill theirs."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.platform import Person, Platform, host


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    running = Platform(tmp_path_factory.mktemp("platform"), "--slots", "4").start()
    yield running
    code = running.stop()
    assert code == 0, f"Ctrl-C ended it with {code}"
    assert "Traceback" not in running.log, running.log


@pytest.fixture
def dora(platform: Platform) -> Person:
    """A developer."""
    return Person(platform, f"dora-{secrets.token_hex(4)}", "developer")


@pytest.fixture(scope="session")
def pete(platform: Platform) -> Person:
    """Who is paid for the hosted machine."""
    return host(platform)


@pytest.fixture
def eve(platform: Platform) -> Person:
    """A stranger."""
    return Person(platform, f"eve-{secrets.token_hex(4)}", "developer", "provider", "peer")
