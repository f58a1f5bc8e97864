"""`python -m worker`: run the machine that the environment describes, until SIGINT or SIGTERM."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable

import structlog
from environ.compat import ImproperlyConfigured  # type: ignore[attr-defined] # environ has no types

from chaincode.errors import Refused
from worker.app import provider_app
from worker.config import Config
from worker.provider import AlreadyRunning, Provider

log = structlog.get_logger()

LOOK_S = 1.0
"""How often it looks whether the worker still lives."""


def main() -> int:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    _on_signals(lambda *_: sys.exit(0))  # also out of waiting for a broker that is away
    try:
        config = Config.from_environment()
        return _run(Provider(config, provider_app(config)))
    except (ImproperlyConfigured, ValueError, OSError, Refused, AlreadyRunning) as error:
        log.error("provider.not_started", error=str(error))
        return 2


def _run(provider: Provider) -> int:
    leave = threading.Event()
    try:
        provider.start(timeout_s=None)
        _on_signals(lambda *_: leave.set())
        while provider.alive and not leave.wait(LOOK_S):
            pass
    finally:
        provider.stop()
    return 0 if leave.is_set() else 1


def _on_signals(handler: Callable[..., None]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
