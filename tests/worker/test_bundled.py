"""The functions that come with ChainFaaS, as a user sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.messages import Outcome
from tests.worker.making import make_run, nothing
from worker.runtime import Finished
from worker.runtime.process import ProcessRuntime


@pytest.fixture
def runtime(tmp_path: Path) -> ProcessRuntime:
    return ProcessRuntime("bundled", tmp_path)


def call(runtime: ProcessRuntime, name: str, body: bytes = b"") -> Finished:
    return runtime.run(make_run(f"chainfaas/{name}", input=body), nothing)


@pytest.mark.parametrize(
    ("text", "words", "top"),
    [
        ("", 0, []),
        ("12, 3.4 -- !", 0, []),
        ("The cat; the CAT. the hat!", 6, [["the", 3], ["cat", 2], ["hat", 1]]),
        ("b a b a c", 5, [["a", 2], ["b", 2], ["c", 1]]),
        ("don't x2y", 4, [["don", 1], ["t", 1], ["x", 1], ["y", 1]]),
        ("Éa éa ÖL öl straße 東京", 6, [["éa", 2], ["öl", 2], ["straße", 1], ["東京", 1]]),
        (" ".join("abcdefghijklm"), 13, [[letter, 1] for letter in "abcdefghij"]),
        ('"\\\x00\x1f\u2028"', 0, []),
    ],
    ids=["nothing", "no letters", "any case", "equals", "runs of letters", "any script", "ten", "oddities"],
)
def test_wordcount_counts(runtime: ProcessRuntime, text: str, words: int, top: list[object]) -> None:
    finished = call(runtime, "wordcount", text.encode())

    assert (finished.exit_code, finished.log) == (0, b"")
    assert json.loads(finished.output) == {"words": words, "top": top}


def test_wordcount_says_what_it_cannot_read(runtime: ProcessRuntime) -> None:
    finished = call(runtime, "wordcount", b"caf\xe9")

    assert (finished.outcome, finished.exit_code, finished.output) == (Outcome.EXITED, 2, b"")
    assert finished.log == b"the input is not UTF-8 text: byte 3 cannot be read\n"


def test_wordcount_reads_a_largest_body_in_little_time_and_memory(runtime: ProcessRuntime) -> None:
    finished = call(runtime, "wordcount", b"word " * 209_000)

    assert json.loads(finished.output)["words"] == 209_000
    assert finished.run_ms < 2000


def test_sleep_sleeps_as_long_as_it_is_told(runtime: ProcessRuntime) -> None:
    finished = call(runtime, "sleep", b" 0.2\n")

    assert finished.output == b"slept 0.2 s\n"
    assert finished.run_ms >= 200


@pytest.mark.parametrize("text", [b"soon", b"-1", b"nan", b"1e99", b"\xff"])
def test_sleep_refuses_what_is_no_time(runtime: ProcessRuntime, text: bytes) -> None:
    finished = call(runtime, "sleep", text)

    assert (finished.exit_code, finished.log) == (2, b"the input is not a number of seconds\n")


@pytest.mark.parametrize("name", ["echo", "wordcount", "fail", "crash"])
def test_they_start_fast(runtime: ProcessRuntime, name: str) -> None:
    """A slow import shows here. The quickest of five, since the machine may be busy."""
    assert min(call(runtime, name, b"a").run_ms for _ in range(5)) < 60
