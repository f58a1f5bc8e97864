"""`python -m ops.demo [--json] [--data DIR]`: start the platform, register, call, and show what happened."""

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


def main() -> int:
    """The process's exit code: 0 if everything went as it should."""
    parser = argparse.ArgumentParser(prog="chainfaas demo", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument(
        "--data", type=Path, help="keep what the demo makes here (default: a folder that is removed)"
    )
    arguments = parser.parse_args()
    try:
        with (
            _folder(arguments.data) as data,
            platform.running(data, "--provider-user", "pete", "--slots", "4") as url,
        ):
            outcome = scenes.play(url, data)
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
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="chainfaas-demo-") as folder:
        yield Path(folder)


if __name__ == "__main__":
    sys.exit(main())
