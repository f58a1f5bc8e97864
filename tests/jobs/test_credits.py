"""Credits of an account that is often paid."""

from __future__ import annotations

import pytest

from chainfaas.ledger import accounts as ledger
from chainfaas.ledger import connection
from tests.jobs.world import Twin, World


def test_the_sweeper_sums_a_providers_credits(
    world: World, machine: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "MOST_CREDITS", 2)
    account = str(world.pete.user.id)
    for _ in range(4):
        world.placed()
        world.run()
    before = world.pete.balance()

    world.sweep()

    credits = connection.evaluate("monetary", "balance", {"account": account})["credits"]
    assert len(credits) <= 2
    assert world.pete.balance() == before
    world.check_books()
