"""Where and when the figures were taken: without it they say nothing."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent


def facts() -> dict[str, Any]:
    """To be asked before anything is measured, since measuring is load."""
    commit = _git("rev-parse", "--short", "HEAD")
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "changed": bool(_git("status", "--porcelain")) if commit else None,
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu(),
        "system": f"{platform.system()} {platform.release()}",
        "load": [round(load, 2) for load in os.getloadavg()],
    }


def _git(*arguments: str) -> str | None:
    """None where this is no checkout."""
    try:
        ended = subprocess.run(
            ["git", "-C", str(ROOT), *arguments],  # noqa: S607 - the developer's own
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return ended.stdout.strip()


def _cpu() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
