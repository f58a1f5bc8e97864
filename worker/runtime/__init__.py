"""What runs functions on a provider's machine. `connect(config)` picks the adapter by RUNTIME_URL."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from worker.runtime.base import Finished, ImageUnavailable, Runtime, RuntimeBroken, RuntimeFault

if TYPE_CHECKING:
    from worker.config import Config

__all__ = ["Finished", "ImageUnavailable", "Runtime", "RuntimeBroken", "RuntimeFault", "connect"]


def connect(config: Config) -> Runtime:
    """The runtime behind the configured URL. Raises ValueError, saying what to set, if it does not fit."""
    from worker.runtime.process import ProcessRuntime

    scheme = urlsplit(config.runtime_url).scheme
    if scheme != "process":
        raise ValueError(f"RUNTIME_URL {config.runtime_url!r} is not supported: use process://")
    if urlsplit(config.broker_url).scheme != "memory":
        # A plain process hides nothing from the function, so it runs none that a stranger may choose.
        raise ValueError("RUNTIME_URL process:// is for BROKER_URL memory:// only: use docker://")
    return ProcessRuntime(config.machine, config.data / "scratch")
