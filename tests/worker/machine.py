"""A program with one machine in it, to be killed: `python -m tests.worker.machine FOLDER`.

A line of its input is the text of a task for the machine; a line of its output is one of its reports.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import structlog

from chaincode.identity import PROVIDERS
from tests.contracts.authority import Authority
from tests.worker.controller import Controller, make_app, make_config
from worker.provider import Provider
from worker.runtime.process import ProcessRuntime

MACHINE = "mortal"


def main(folder: Path) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    app = make_app()
    controller = Controller(app)
    controller.enrol(MACHINE)
    identity = Authority.make(PROVIDERS).enrol(MACHINE)
    runtime = ProcessRuntime(MACHINE, folder / "scratch", functions=Path(__file__).parent / "hostile")
    Provider(make_config(MACHINE, folder, identity), app, runtime=runtime).start()
    say("ready")
    threading.Thread(target=tell_reports, daemon=True).start()
    for line in sys.stdin:
        controller.send(MACHINE, line.strip())


def tell_reports() -> None:
    controller = Controller(make_app())
    while True:
        say(controller.report(MACHINE, timeout_s=3600).dump())


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
