"""`manage.py rebuild_account_index`."""

from __future__ import annotations

import io

from django.core.management import call_command

from chainfaas.models import AccountChange
from tests.jobs.world import Twin, World


def test_the_index_is_the_same_built_anew(world: World, machine: Twin) -> None:
    world.placed()
    world.run()
    world.sweep()
    columns = ("account", "block", "tx_id", "why", "free", "held", "change")
    before = list(AccountChange.objects.order_by("id").values_list(*columns))

    call_command("rebuild_account_index", stdout=io.StringIO())

    assert before
    assert list(AccountChange.objects.order_by("id").values_list(*columns)) == before
