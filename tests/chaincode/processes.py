"""Chaincode servers as programs of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Self


class ServerProcess:
    """Running and ready, until the end of the `with`."""

    def __init__(self, contract: str, *options: str, listen: str = "127.0.0.1:0", **env: str) -> None:
        command = [sys.executable, "-m", "chaincode.server", "--contract", contract, "--listen", listen]
        self.process = subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **env},
        )
        assert self.process.stdout
        self.said = self.process.stdout.readline().split()
        self.address = self.said[-1] if self.said else ""

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> tuple[int, str]:
        """The exit code, and what was logged."""
        self.process.terminate()
        _, logged = self.process.communicate(timeout=10)
        return self.process.returncode, logged

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()
