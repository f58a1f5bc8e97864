"""Which machine gets a job."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from chainfaas.scheduler import policies
from chainfaas.scheduler.policies import POLICIES, Candidate, choose

FREE = Candidate("free", rate=16, busy=0, slots=2, limit=8)
DICE = Random(1)

candidates = st.lists(
    st.builds(
        Candidate,
        machine=st.uuids().map(str),
        rate=st.integers(1, 1000),
        busy=st.integers(0, 12),
        slots=st.integers(1, 3),
        limit=st.integers(1, 12),
        failure_rate=st.floats(0, 1),
        tried=st.booleans(),
    ),
    max_size=6,
)


@given(candidates, st.sampled_from(sorted(POLICIES)))
def test_a_policy_picks_one_with_room_that_was_not_tried_if_there_is_one(
    found: list[Candidate], policy: str
) -> None:
    choice = choose(found, POLICIES[policy], DICE)

    with_room = [candidate for candidate in found if candidate.busy < candidate.limit]
    if not with_room:
        assert choice is None
    else:
        assert choice in with_room
        assert not choice.tried or all(candidate.tried for candidate in with_room)


def test_cheapest_takes_the_lowest_rate_then_the_idler_one() -> None:
    dear = replace(FREE, machine="dear", rate=17)
    busy = replace(FREE, machine="busy", busy=1)

    assert choose([dear, busy, FREE], policies.cheapest, DICE) == FREE


def test_least_loaded_counts_jobs_for_each_slot_then_failures() -> None:
    large = replace(FREE, machine="large", busy=2, slots=8)
    small = replace(FREE, machine="small", busy=1, slots=1)
    failing = replace(large, machine="failing", failure_rate=0.5)

    assert choose([small, failing, large], policies.least_loaded, DICE) == large


def test_random_spreads_jobs_and_shuns_who_fails_more_than_others() -> None:
    failing = replace(FREE, machine="failing", failure_rate=1.0)
    other = replace(FREE, machine="other")
    counts = Counter(policies.random([FREE, other, failing], DICE).machine for _ in range(2000))

    assert abs(counts["free"] - counts["other"]) < 250
    assert 0 < counts["failing"] < 200, "it keeps a chance to do better"


def test_equals_are_chosen_by_the_dice() -> None:
    other = replace(FREE, machine="other")
    for policy in POLICIES.values():
        assert {policy([FREE, other], DICE).machine for _ in range(100)} == {"free", "other"}
