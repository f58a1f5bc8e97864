"""A call, from its submission to its payment."""

from __future__ import annotations

from chaincode import pricing
from chainfaas.jobs import lifecycle
from chainfaas.models import State
from tests.jobs.world import Twin, World, fresh, output, story


def test_a_success_is_paid_exactly(world: World, machine: Twin) -> None:
    before = world.dora.balance(), world.pete.balance()

    job = world.call(body=b"to be")
    lifecycle.place(job)
    world.run()

    job = fresh(job)
    cost = pricing.cost(120, machine.row.rate, job.memory_mb)
    assert (job.state, job.settled, job.billed_ms, job.cost) == (State.SUCCEEDED, True, 120, cost)
    assert output(job) == b"to be"
    assert (world.dora.balance(), world.pete.balance()) == (before[0] - cost, before[1] + cost)
    assert story(job) == ["submitted", "assigned", "recorded", "queued", "running", "succeeded"]
    world.check_books()
    assert not world.failures
