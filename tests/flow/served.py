"""A served ledger as a process of its own, to be killed and started again on its folder and port."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

from tests.platform import ROOT, _free_port


class ServedLedger:
    """`python -m ops.ledger`, with the platform's own folder: they share the authority that signs."""

    def __init__(self, data: Path) -> None:
        self.data, self.url = data, ""
        self._port = _free_port()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self._end(signal.SIGINT)

    def start(self) -> Self:
        """Nothing, if it runs."""
        if self._process is not None:
            return self
        self.data.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "ops.ledger", "--data", str(self.data)]
        listen = ["--listen", f"127.0.0.1:{self._port}", "--log-level", "warning"]
        with (self.data / "ledger.log").open("a") as log:
            self._process = subprocess.Popen(
                [*command, *listen], cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        watchdog = threading.Timer(60, self._process.kill)
        watchdog.start()
        line = self._process.stdout.readline()
        watchdog.cancel()
        assert line.startswith("ready "), (self.data / "ledger.log").read_text()[-3000:]
        self.url = line.split()[1]
        return self

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None
