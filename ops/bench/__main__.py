"""`python -m ops.bench [--json] [--quick] [--out DIR]`: what a call costs, and the ratio to the last run."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from chaincode.errors import LedgerError
from ops.bench import books, calls, plain, records, steps, surroundings, telling, wire
from ops.bench.amounts import FULL, IN_FLIGHT, QUICK, Amounts
from ops.bench.calls import BODIES, IMAGES
from ops.bench.figures import WentWrong
from ops.demo import platform


def main() -> int:
    """The process's exit code. Figures are kept only if all were taken."""
    arguments = _arguments()
    try:
        with records.folder(arguments.out) as folder:
            before = records.before(folder, quick=arguments.quick)
            document = _measured(arguments.quick) | {"before": None}
            if before is not None:
                document["before"] = {
                    "commit": before["surroundings"]["commit"],
                    "at": before["surroundings"]["at"],
                    "ratios": records.ratios(document, before),
                }
            kept = records.keep(folder, document)
    except (WentWrong, platform.DidNotStart, LedgerError, OSError) as error:
        print(f"error: the bench did not end well: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if arguments.json:
        print(json.dumps(document, indent=2))
    else:
        telling.tell(document)
        print(f"\nkept in {kept}")
    return 0


def _measured(quick: bool) -> dict[str, Any]:
    amounts = QUICK if quick else FULL
    document: dict[str, Any] = {"version": 1, "quick": quick, "surroundings": surroundings.facts()}
    with tempfile.TemporaryDirectory(prefix="chainfaas-bench-") as name:
        folder = Path(name)
        _note("bare processes")
        document["plain"] = _plain(amounts)
        _note("calls")
        document["calls"] = calls.measure(folder / "calls", amounts)
        _note("the ledger")
        document["ledger"] = books.measure(folder / "ledger", amounts)
        _note("the wire")
        document["wire"] = wire.measure(folder / "wire", amounts)
        _note("the steps of a call")
        document |= steps.measure(folder / "steps", amounts)
    document["ratios"] = {
        "to_plain": {name: _to_plain(document, name) for name in BODIES},
        "to_embedded": wire.to_embedded(document["wire"]),
    }
    return document


def _plain(amounts: Amounts) -> dict[str, Any]:
    return {name: plain.measure(IMAGES[name], body, amounts) for name, body in BODIES.items()}


def _to_plain(document: dict[str, Any], function: str) -> dict[str, float]:
    """What the platform adds to the function: its time for a call, and the rate that is left."""
    bare, figures = document["plain"][function], document["calls"][function]
    return {
        "http_p50": round(figures["in_flight_1"]["http_ms"]["p50"] / bare["ms"]["p50"], 2),
        "per_s": round(figures[f"in_flight_{IN_FLIGHT}"]["jobs_per_s"] / bare["per_s"], 3),
    }


def _note(part: str) -> None:
    print(f"bench: {part}", file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; --help lists the options\n")


def _arguments() -> argparse.Namespace:
    parser = _Parser(prog="python -m ops.bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--quick", action="store_true", help="a few calls only: does it work at all?")
    parser.add_argument(
        "--out", type=Path, default=surroundings.ROOT / ".bench", help="where the figures are kept"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
