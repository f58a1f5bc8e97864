"""The baseline: the same bundled function, run as a bare process of this machine by nobody's platform."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ops.bench.amounts import IN_FLIGHT, Amounts
from ops.bench.figures import WentWrong, per_second, spread
from worker.runtime.process import BUNDLED


def measure(image: str, body: bytes, amounts: Amounts) -> dict[str, Any]:
    """Milliseconds one after another, and how many a second where many are begun at once."""
    alone = [_run(image, body) for _ in range(amounts.plain)]
    began = time.perf_counter()
    with ThreadPoolExecutor(IN_FLIGHT) as threads:
        crowd = list(threads.map(lambda _: _run(image, body), range(amounts.crowd)))
    return {"ms": spread(alone), "per_s": per_second(len(crowd), time.perf_counter() - began)}


def _run(image: str, body: bytes) -> float:
    handler = BUNDLED / image.removeprefix("chainfaas/") / "handler.py"
    began = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-B", str(handler)], input=body, capture_output=True, check=False
    )
    took_ms = (time.perf_counter() - began) * 1000
    if ended.returncode:
        raise WentWrong(f"{image} as a bare process ended with code {ended.returncode}")
    return took_ms
