"""What every test may ask for: the cast, a ledger of its own, and a machine to run jobs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections
from pytest_django.fixtures import Settings

from tests import cast

# A shell that runs the tests in the background has them ignore Ctrl-C, and so would all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A database file for this session alone: several may run at once."""
    path = tmp_path_factory.mktemp("database") / "test.db"
    connections["default"].settings_dict["TEST"]["NAME"] = str(path)


@pytest.fixture(autouse=True)
def quick(settings: Settings) -> None:
    """Nobody's patience is tested where no test says so."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.PLACE_WAIT_S = 0.2


@pytest.fixture
def ledger(settings: Settings, tmp_path: Path) -> Iterator[None]:
    """A new ledger, and authorities to sign on it."""
    from chainfaas.ledger import connection

    connection.close()
    settings.LEDGER_URL = f"embedded://{tmp_path / 'ledger.db'}"
    settings.IDENTITY_URL = f"embedded://{tmp_path / 'identity'}"
    yield
    connection.close()


@pytest.fixture
def platform(ledger: None, transactional_db: None) -> Iterator[None]:
    """Database and ledger, empty. The API works in threads, and no transaction holds for all of them."""
    from django.core.cache import cache

    cache.clear()
    yield
    cast.close_connections()


@pytest.fixture
def dora(platform: None) -> cast.Person:
    """A developer."""
    return cast.Person.registered("dora", "developer")


@pytest.fixture
def pete(platform: None) -> cast.Person:
    """A provider."""
    return cast.Person.registered("pete", "provider")


@pytest.fixture
def eve(platform: None) -> cast.Person:
    """A stranger, with the roles of both."""
    return cast.Person.registered("eve", "developer", "provider")


@pytest.fixture
def machine(pete: cast.Person) -> Iterator[cast.Machine]:
    """Pete's machine, connected; it answers what a test has it answer."""
    with cast.Machine.of(pete) as lent:
        yield lent
