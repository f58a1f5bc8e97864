"""The figures as tables for people; beside each, as `x1.02`, its ratio to the run before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ops.bench import wire
from ops.bench.amounts import BATCH_SIZES, IN_FLIGHT
from ops.bench.calls import BODIES

ONE, MANY = "in_flight_1", f"in_flight_{IN_FLIGHT}"

TIMES = {
    "http_ms": "HTTP, call to answer",
    "t_prc_ms": "T_prc, provider has it",
    "t_prv_ms": "T_prv, function starts",
    "t_cmp_ms": "T_cmp, pull and run",
    "t_rsp_ms": "T_rsp, result stored",
    "overhead_ms": "T_rsp without T_cmp",
    "t_bil_ms": "T_bil, stored to paid",
}

BOOKS = {
    "single": "1 job a transaction",
    f"single_{IN_FLIGHT}_at_once": f"1 job, {IN_FLIGHT} at once",
    **{f"batch_{size}": f"{size} jobs a transaction" for size in BATCH_SIZES},
}

WIRE = {
    ("single", "transactions_per_s"): "transactions a second",
    ("single", "endorse_ms", "p50"): "endorse, ms: p50",
    ("single", "endorse_ms", "p95"): "endorse, ms: p95",
    ("single", "submit_ms", "p50"): "submit to commit: p50",
    ("single", "submit_ms", "p95"): "submit to commit: p95",
    ("single", "jobs_per_s"): "jobs/s, 1 in each",
    ("batched", "jobs_per_s"): f"jobs/s, {wire.BATCH} in each",
    ("batched", "submit_ms", "p50"): "their submit, ms: p50",
    ("batched", "submit_ms", "p95"): "their submit, ms: p95",
}

RANKS = ("p50", "p95")

NAME, CELL = 26, 19


def tell(document: dict[str, Any]) -> None:
    """Print it."""
    page = _Page(document)
    page.surroundings()
    for function in BODIES:
        page.calls(function)
    page.ledger()
    page.wire()
    page.steps()


class _Page:
    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._ratios: dict[str, float] = (document["before"] or {}).get("ratios", {})

    def surroundings(self) -> None:
        made, before = self._document["surroundings"], self._document["before"]
        commit = f"commit {made['commit'] or 'unknown'}{', changed' if made['changed'] else ''}"
        load = " ".join(f"{load:g}" for load in made["load"])
        print(f"ChainFaaS bench, {commit}, {made['at']}{', quick' if self._document['quick'] else ''}")
        print(
            f"{made['cores']} cores ({made['cpu']}), load {load}, Python {made['python']}, {made['system']}"
        )
        if before is None:
            print("no run before this one: no ratios")
        else:
            print(f"x: ratio to the run before, commit {before['commit'] or 'unknown'}, {before['at']}")

    def calls(self, function: str) -> None:
        _head(f"Calls of {function}", *(f"{n} in flight: {rank}" for n in (1, IN_FLIGHT) for rank in RANKS))
        alone, crowd = (self._cell("calls", function, n, "jobs_per_s") for n in (ONE, MANY))
        self._line("calls a second", alone, "", crowd)
        for time, meaning in TIMES.items():
            ways = [("calls", function, n, time, rank) for n in (ONE, MANY) for rank in RANKS]
            self._line(meaning, *(self._cell(*way) for way in ways))
        self._line("a bare process", *(self._cell("plain", function, "ms", rank) for rank in RANKS))
        self._line("bare processes a second", "", "", self._cell("plain", function, "per_s"))
        to_plain = self._document["ratios"]["to_plain"][function]
        print(
            f"  A call takes {to_plain['http_p50']:g} times the bare process;"
            f" {IN_FLIGHT} in flight reach {to_plain['per_s']:g} of its rate."
        )
        for n, figures in self._document["calls"][function].items():
            errors, again = figures["errors"], figures["retries_503"]
            if errors or again:
                print(f"  {n}: errors by status {errors}, tried again after a 503: {again}")

    def ledger(self) -> None:
        _head("The ledger alone", "jobs/s", "transactions/s", "to single")
        for way, meaning in BOOKS.items():
            cells = [self._cell("ledger", way, rate) for rate in ("jobs_per_s", "transactions_per_s")]
            self._line(meaning, *cells, f"{self._document['ledger'][way]['ratio_to_single']:g}")
        verify = self._document["ledger"]["verify"]
        rate = self._cell("ledger", "verify", "blocks_per_s")
        print(f"  {verify['blocks']} blocks replayed from the first: {rate} blocks/s")

    def wire(self) -> None:
        figures, ratios = self._document["wire"], self._document["ratios"]["to_embedded"]
        _head(
            "The ledger over the wire",
            *(column for n in (1, IN_FLIGHT) for column in (f"{n} in flight", "to embedded")),
        )
        for way, meaning in WIRE.items():
            cells = [(self._cell("wire", "served", n, *way), _at(ratios, n, *way)) for n in (ONE, MANY)]
            self._line(meaning, *(text for cell, ratio in cells for text in (cell, f"{ratio:.2f}")))
        gains = [(_gain(figures["served"][n]), _gain(figures["embedded"][n])) for n in (ONE, MANY)]
        self._line(
            "batched to unbatched",
            *(f"{gain:.2f}" for over, beside in gains for gain in (over, over / beside)),
        )
        self._wire_steps(figures)
        verify, rate = figures["served"]["verify"], self._cell("wire", "served", "verify", "blocks_per_s")
        print(
            f"  {verify['blocks']} blocks delivered and replayed from the first: {rate} blocks/s,"
            f" {ratios['verify']['blocks_per_s']:.2f} of embedded;"
            f" {verify['asking_s']:.2f} s of it for questions"
        )

    def _wire_steps(self, figures: dict[str, Any]) -> None:
        _head("A transaction on the wire", "ms: mean", "times", "share")
        for name, step in figures["steps"].items():
            cells = self._cell("wire", "steps", name, "ms"), f"{step['times']:g}", f"{step['share']:.0%}"
            self._line(name, *cells, about=step["about"])
        slowest, (trips, share) = figures["slowest"], wire.way_there(figures)
        alone, crowd = figures["embedded"][ONE]["single"], figures["served"][MANY]["single"]
        print(f"  Slowest: {slowest['step']}, {slowest['share']:.0%} of a transaction: {slowest['why']}.")
        print(
            f"  An empty round trip takes {self._cell('wire', 'round_trip_ms', 'p50')} ms; a transaction"
            f" makes {trips:g}, which is {share:.0%} of it. Embedded, without any, endorse takes"
            f" {alone['endorse_ms']['p50']:.1f} ms and submit {alone['submit_ms']['p50']:.1f} ms."
        )
        busy = crowd["cpu_ms"] * crowd["transactions_per_s"] / 1000
        print(
            f"  The client's CPU for a transaction: {crowd['cpu_ms']:.1f} ms with {IN_FLIGHT} in flight,"
            f" {busy:.0%} of a core."
        )

    def steps(self) -> None:
        _head("The steps of one call of echo", "ms: p50", "p95", "CPU, ms")
        for name, step in self._document["steps"].items():
            cells = [self._cell("steps", name, "ms", rank) for rank in RANKS]
            cpu = "-" if step["cpu_ms"] is None else self._cell("steps", name, "cpu_ms")
            self._line(name, *cells, cpu, about=step["about"])
        slowest = self._document["slowest"]
        share = f"{slowest['share']:.0%} of the way to the answer"
        print(f"  Slowest: {slowest['step']}, {share}: {slowest['why']}.")
        print(f"  With the stopwatch, a call took {self._cell('answer_ms', 'p50')} ms.")
        alone, crowd = (self._cell("cpu_ms_per_job", n) for n in (ONE, MANY))
        print(f"  The platform's CPU for a job: {alone} ms alone, {crowd} ms with {IN_FLIGHT} in flight.")

    def _cell(self, *way: str) -> str:
        """One figure and its ratio."""
        value = _at(self._document, *way)
        ratio = self._ratios.get(".".join(way))
        return f"{value:,.1f}" + ("" if ratio is None else f" x{ratio:.2f}")

    @staticmethod
    def _line(name: str, *cells: str, about: str = "") -> None:
        print(_row(name, cells) + (f"  {about}" if about else ""))


def _at(document: Any, *way: str) -> Any:
    for key in way:
        document = document[key]
    return document


def _gain(figures: dict[str, Any]) -> float:
    return float(figures["batched"]["ratio_to_single"])


def _head(title: str, *columns: str) -> None:
    print(f"\n{_row(title, columns, indent='')}")


def _row(name: str, cells: Sequence[str], indent: str = "  ") -> str:
    return (f"{indent + name:<{NAME}}" + "".join(f"{cell:>{CELL}}" for cell in cells)).rstrip()
