"""The table of a job's states."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from chainfaas.jobs import lifecycle
from chainfaas.jobs.moves import move
from chainfaas.models import Job
from chainfaas.models.states import AT_MACHINE, ENDED, MOVES, PLACED, UNDER_WAY, State

JOBS = Path(__file__).resolve().parents[2] / "chainfaas" / "jobs"


def reachable(start: State) -> set[State]:
    found, new = {start}, {start}
    while new:
        new = {target for state in new for target in MOVES.get(state, ())} - found
        found |= new
    return found


def test_every_state_is_reached_and_every_one_leads_to_an_end() -> None:
    assert reachable(State.SUBMITTED) == set(State)
    for state in UNDER_WAY:
        assert reachable(state) & ENDED


def test_nothing_leads_out_of_an_end_and_the_sets_cover_all() -> None:
    assert not ENDED & MOVES.keys()
    assert set(State) == UNDER_WAY | ENDED
    assert not UNDER_WAY & ENDED
    assert AT_MACHINE < PLACED < UNDER_WAY


def test_every_job_can_be_stopped() -> None:
    assert all(State.CANCELLED in MOVES[state] for state in UNDER_WAY)


def test_no_other_code_gives_a_job_another_state() -> None:
    for path in JOBS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                updated = [keyword.arg for keyword in node.keywords] if node.func.attr == "update" else []
                assert "state" not in updated, f"{path.name}: {ast.unparse(node)}"


def test_every_move_in_the_code_is_in_the_table() -> None:
    sets = {"AT_MACHINE": AT_MACHINE, "ON_ITS_WAY": lifecycle.ON_ITS_WAY}
    seen = 0
    for path in JOBS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "move":
                _, sources, target = node.args
                targets = ENDED - {State.CANCELLED, State.LOST}
                if isinstance(target, ast.Attribute) and target.attr != "state":
                    targets = frozenset({State[target.attr]})
                states = sets[sources.id] if isinstance(sources, ast.Name) else named(sources)
                for state in states:
                    assert targets <= MOVES[state], f"{ast.unparse(node)} from {state}"
                seen += 1
    assert seen >= 9


def named(sources: ast.expr) -> list[State]:
    assert isinstance(sources, ast.Set)
    return [State[element.attr] for element in sources.elts if isinstance(element, ast.Attribute)]


def test_a_move_that_is_not_in_the_table_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="no move leads"):
        move(Job(), {State.SUBMITTED, State.ASSIGNED}, State.SUCCEEDED)
    with pytest.raises(AssertionError, match="no move leads"):
        move(Job(), {State.RECORDED}, State.ASSIGNED)
