"""A served ledger, a process of its own, and its client here: what the wire costs beside an embedded ledger.

Both do the same jobs in the same run, so that their ratios are the wire's; client and server share the cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaincode.client import NetworkConfig
from chaincode.identity import Identity
from chaincode.ledgers.gateway import Address, Connection, GatewayLedger
from chaincode.ledgers.gateway.connection import Method
from chainfaas.identity.embedded import EmbeddedAuthority
from ops.bench import books
from ops.bench.amounts import BATCH_SIZES, IN_FLIGHT, Amounts
from ops.bench.books import CHANNEL, Books
from ops.bench.figures import Times, spread
from ops.demo import platform

BATCH = BATCH_SIZES[-1]
"""Jobs in a transaction, against one."""

HALVES = ("endorse", "submit")
RATIOS = ("transactions_per_s", "jobs_per_s", "blocks_per_s", "p50", "p95")
METHODS = ("Endorse", "Submit", "CommitStatus", "Evaluate")

STEPS = {
    "endorse.sign": "ECDSA: the proposal, then the transaction",
    "endorse.Endorse": "the contract runs in the server, which checks one signature and makes one",
    "endorse.rest": "the client builds the proposal, and checks that what came back is what it asked for",
    "submit.Submit": "checked, judged, and written as a block that waits for the disk",
    "submit.sign": "ECDSA: the question for the status, and the one for the block's time",
    "submit.CommitStatus": "a round trip: it is committed since Submit answered",
    "submit.Evaluate": "a round trip: the whole block is fetched, for its time",
    "submit.rest": "the client parses what it sends, and the block",
}
"""Of one transaction, in their order: gateway methods by their names, and what the client does itself."""


def measure(folder: Path, amounts: Amounts) -> dict[str, Any]:
    """Both ledgers' transactions, jobs and check of the chain, and the steps of a transaction on the wire."""
    with books.embedded(folder / "embedded") as local:
        embedded = _ledger(local, amounts)
    with _served(folder / "served") as remote:
        served = _ledger(remote, amounts)
        steps = _steps(remote, amounts)
        round_trip = _each_ms(remote.ledger.height, amounts.single)
    return {
        "served": served,
        "embedded": embedded,
        "round_trip_ms": spread(round_trip),
        "steps": steps,
        "slowest": _slowest(steps),
    }


def to_embedded(figures: dict[str, Any]) -> dict[str, Any]:
    """Each figure of the served ledger to the embedded one's: rates, and times."""
    return _to(figures["served"], figures["embedded"])


def way_there(figures: dict[str, Any]) -> tuple[float, float]:
    """Of one transaction: how many round trips, and their share of its time, were each an empty one."""
    steps = figures["steps"].items()
    trips = sum(step["times"] for name, step in steps if name.partition(".")[2] in METHODS)
    return trips, trips * figures["round_trip_ms"]["p50"] / sum(step["ms"] for _, step in steps)


@contextmanager
def _served(folder: Path) -> Iterator[Books]:
    """Of a new ledger behind gRPC, with every call and signature of the client timed."""
    with platform.ledger(folder) as url:
        authority, times = EmbeddedAuthority(folder / "identity"), Times()
        controller = authority.controller()
        identity = _Signer(controller.msp_id, controller.certificate, controller.key, times)
        connection = _Wire(Address.parse(url), times)
        network = NetworkConfig(CHANNEL, authority.roots())
        with GatewayLedger(connection, CHANNEL, identity, network) as ledger:
            yield books.opened(ledger, authority, times)


class _Wire(Connection):
    def __init__(self, address: Address, times: Times) -> None:
        super().__init__(address)
        self._times = times

    def call(self, method: Method, request: Any) -> Any:
        with self._times.of(method.path.rpartition("/")[2]):
            return super().call(method, request)


@dataclass(frozen=True)
class _Signer(Identity):
    times: Times

    def sign(self, message: bytes) -> bytes:
        with self.times.of("sign"):
            return super().sign(message)


def _ledger(of: Books, amounts: Amounts) -> dict[str, Any]:
    """Both ways alone and in a crowd, and then a check of all the blocks that these made."""
    figures: dict[str, Any] = {
        "in_flight_1": {
            "single": _timed(of, books.alone, 1, amounts.single),
            "batched": _timed(of, books.alone, BATCH, amounts.batches),
        },
        f"in_flight_{IN_FLIGHT}": {
            "single": _timed(of, books.at_once, 1, amounts.single),
            "batched": _timed(of, books.at_once, BATCH, amounts.crowd_batches),
        },
    }
    for figure in figures.values():
        gain = figure["batched"]["jobs_per_s"] / figure["single"]["jobs_per_s"]
        figure["batched"]["ratio_to_single"] = round(gain, 2)
    of.times.take()
    verify = books.verified(of)
    asked_ms = sum(of.times.take().get("verify.Evaluate", ()))
    return {**figures, "verify": {**verify, "asking_s": round(asked_ms / 1000, 3)}}


def _timed(
    of: Books, loop: Callable[[Books, int, int], dict[str, Any]], size: int, rounds: int
) -> dict[str, Any]:
    """With the time of both halves of a transaction, and this process's CPU time for one."""
    cpu = time.process_time()
    figures = loop(of, size, rounds)
    cpu_ms = (time.process_time() - cpu) * 1000
    taken = of.times.take()
    return {
        **figures,
        **{f"{half}_ms": spread(taken[half]) for half in HALVES},
        "cpu_ms": round(cpu_ms / len(taken["submit"]), 3),
    }


def _to(served: dict[str, Any], embedded: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _to(value, embedded[name]) if isinstance(value, dict) else round(value / embedded[name], 3)
        for name, value in served.items()
        if isinstance(value, dict) or name in RATIOS
    }


def _steps(of: Books, amounts: Amounts) -> dict[str, Any]:
    """Where the time of a transaction of one job goes, one at a time: means, which add up to the whole."""
    books.alone(of, 1, amounts.single)
    taken = {name: (sum(times), len(times)) for name, times in of.times.take().items()}
    whole = sum(taken[half][0] for half in HALVES)
    for half in HALVES:
        within = sum(ms for name, (ms, _) in taken.items() if name.startswith(f"{half}."))
        taken[f"{half}.rest"] = taken[half][0] - within, taken[half][1]
    return {
        name: {
            "ms": round(taken[name][0] / taken["submit"][1], 3),
            "times": round(taken[name][1] / taken["submit"][1], 2),
            "share": round(taken[name][0] / whole, 3),
            "about": about,
        }
        for name, about in STEPS.items()
    }


def _slowest(steps: dict[str, dict[str, Any]]) -> dict[str, Any]:
    name = max(steps, key=lambda name: steps[name]["ms"])
    return {"step": name, "share": steps[name]["share"], "why": steps[name]["about"]}


def _each_ms(call: Callable[[], object], count: int) -> list[float]:
    times = Times()
    for _ in range(count):
        with times.of("call"):
            call()
    return times.take()["call"]
