"""`python -m ops.demo [--json] [--data DIR] [--ledger served]`: start the platform, register, call, and show
what happened."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx

from ops.demo import platform, scenes, telling

GRACE_S = "0.5"
"""How long the machine waits for its receipt to be on the ledger: a demo has no minute for that."""


def main() -> int:
    """The process's exit code: 0 if everything went as it should."""
    parser = argparse.ArgumentParser(prog="chainfaas demo", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument(
        "--data", type=Path, help="keep what the demo makes here (default: a folder that is removed)"
    )
    parser.add_argument(
        "--ledger",
        choices=["embedded", "served"],
        default="embedded",
        help="served: the ledger is a process of its own, behind Fabric's wire",
    )
    arguments = parser.parse_args()
    try:
        with _folder(arguments.data) as data, _platform(data, arguments.ledger) as url:
            outcome = scenes.play(url, data, arguments.ledger)
    except (platform.DidNotStart, scenes.WentWrong, httpx.HTTPError) as error:
        print(f"error: the demo did not end well: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if arguments.json:
        print(json.dumps(outcome.document(), indent=2))
    else:
        telling.tell(outcome)
    return 0


@contextlib.contextmanager
def _platform(data: Path, kind: str) -> Iterator[str]:
    """Its URL. Its line damages a receipt when asked to, and its machine does not wait long for one."""
    with contextlib.ExitStack() as stack:
        environment = {"CHAINFAAS_SETTLE_AFTER_S": GRACE_S}
        if kind == "served":
            environment["LEDGER_URL"] = stack.enter_context(platform.ledger(data))
        options = ("--provider-user", "pete", "--slots", "4")
        yield stack.enter_context(platform.running(data, *options, program="ops.demo.noisy", **environment))


@contextlib.contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="chainfaas-demo-") as folder:
        yield Path(folder)


if __name__ == "__main__":
    sys.exit(main())
