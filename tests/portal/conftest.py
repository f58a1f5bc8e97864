"""Everybody's browser."""

from __future__ import annotations

import pytest

from tests.cast import Person
from tests.portal.pages import Visitor


@pytest.fixture
def at_dora(dora: Person) -> Visitor:
    return Visitor(dora)


@pytest.fixture
def at_pete(pete: Person) -> Visitor:
    return Visitor(pete)


@pytest.fixture
def at_eve(eve: Person) -> Visitor:
    return Visitor(eve)


@pytest.fixture
def stranger(platform: None) -> Visitor:
    """Nobody in particular."""
    return Visitor()
