"""Calling functions."""

from __future__ import annotations

from tests.cast import Machine, Person


def test_a_call_answers_with_what_the_function_wrote(dora: Person, machine: Machine) -> None:
    answer = dora.invoke("dora/example", b"hello")

    assert answer.status_code == 200, answer.content
    assert answer.content == b"hello"
    assert answer["ChainFaaS-Provider"] == "pete/laptop"
    assert answer["ChainFaaS-Duration-Ms"] == "20"
    assert machine.runs[0].job == answer["ChainFaaS-Job-Id"]
