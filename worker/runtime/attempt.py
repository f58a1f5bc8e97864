"""Watch over one started function: read what it writes, and hold it to its limits until it is dead."""

from __future__ import annotations

import math
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from tasks import limits
from tasks.messages import Outcome
from worker.runtime import launcher, scratch
from worker.runtime.base import Finished

CHUNK = 64 * 1024
"""Bytes read at once: what a pipe holds."""

LOOK_S = 0.25
"""How often the scratch folder is measured."""

SCRATCH_SIZE = 64 * 1024 * 1024
SCRATCH_FILES = 4096

PATIENCE = 4 * 1024 * 1024
PENANCE_S = 0.005
"""A function that logged more than PATIENCE bytes is read slowly, or reading it would take a whole core."""


Reader = Callable[[bytes], None]


class Attempt:
    """A function that has started. `finish` is called once; `kill` at any time, from any thread."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        folder: Path,
        *,
        started: float,
        timeout_s: float,
        sweep: Callable[[], object],
    ) -> None:
        self._process = process
        self._folder = folder
        self._sweep = sweep  #: kills what left the process group
        self._started = started  #: monotonic
        self._deadline = started + timeout_s
        self._next_look = started + LOOK_S
        self._output = bytearray()
        self._log = bytearray()
        self._logged = 0
        self._killed_for: Outcome | None = None
        self._over = False
        self._lock = threading.Lock()

    def kill(self, why: Outcome) -> None:
        """End it now, for the first reason given. Nothing if it ended already."""
        with self._lock:
            if not self._over and self._killed_for is None:
                self._killed_for = why
                self._kill_group()

    def finish(self) -> Finished:
        """See it through to its end."""
        readers: dict[int, Reader] = {
            _descriptor(self._process.stdout): self._wrote,
            _descriptor(self._process.stderr): self._logs,
        }
        self._watch(readers)
        run_ms = math.ceil((time.monotonic() - self._started) * 1000)
        self.bury()
        for descriptor, reader in readers.items():
            self._drain(descriptor, reader)
        return self._finished(self._process.returncode, run_ms)

    def bury(self) -> None:
        """Kill the whole group and the strays, and take the process off the table. May be repeated."""
        with self._lock:
            if self._over:
                return
            self._over = True
            # Before wait(): as long as it is a zombie, no other process can be given its number.
            self._kill_group()
        self._process.wait()
        self._sweep()

    def _watch(self, readers: dict[int, Reader]) -> None:
        """Read until the process itself is dead; its children may hold the pipes open for longer."""
        end = os.pidfd_open(self._process.pid)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(end, selectors.EVENT_READ)
                for descriptor, reader in readers.items():
                    selector.register(descriptor, selectors.EVENT_READ, reader)
                while self._read_once(selector, end):
                    self._enforce()
        finally:
            os.close(end)

    def _read_once(self, selector: selectors.BaseSelector, end: int) -> bool:
        """Wait for something to happen and take it in; False if it was the end."""
        ready = {key.fd: key for key, _ in selector.select(self._patience())}
        if end in ready:
            return False
        for key in ready.values():
            if chunk := os.read(key.fd, CHUNK):
                key.data(chunk)
            else:
                selector.unregister(key.fd)
        return True

    def _patience(self) -> float:
        if self._killed_for is not None:
            return LOOK_S
        return max(0.0, min(self._deadline, self._next_look) - time.monotonic())

    def _enforce(self) -> None:
        now = time.monotonic()
        if now >= self._deadline:
            self.kill(Outcome.TIMED_OUT)
        if now >= self._next_look:
            self._next_look = now + LOOK_S
            if scratch.is_over(self._folder, size=SCRATCH_SIZE, files=SCRATCH_FILES):
                self._logs(b"\nended: it wrote too much to its temporary folder\n")
                self.kill(Outcome.OUTPUT_LIMIT)
        if self._logged > PATIENCE:
            time.sleep(PENANCE_S)

    def _wrote(self, chunk: bytes) -> None:
        self._output += chunk
        if len(self._output) > limits.BODY:
            self._output = self._output[: limits.BODY + 1]  # enough to know that it was too much
            self.kill(Outcome.OUTPUT_LIMIT)

    def _logs(self, chunk: bytes) -> None:
        self._logged += len(chunk)
        self._log += chunk
        if len(self._log) > 4 * limits.LOG:
            del self._log[: -limits.LOG]

    def _drain(self, descriptor: int, reader: Reader) -> None:
        """Take what is left in a pipe. A writer that escaped could keep it open, so never wait."""
        os.set_blocking(descriptor, False)
        with suppress(BlockingIOError):
            while len(self._output) <= limits.BODY and (chunk := os.read(descriptor, CHUNK)):
                reader(chunk)

    def _finished(self, code: int, run_ms: int) -> Finished:
        too_much = len(self._output) > limits.BODY
        return Finished(
            outcome=self._killed_for or (Outcome.OUTPUT_LIMIT if too_much else _outcome(code)),
            exit_code=code if code >= 0 else 128 - code,
            run_ms=run_ms,
            output=b"" if too_much else bytes(self._output),
            log=bytes(self._log[-limits.LOG :]),
        )

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


def _descriptor(pipe: IO[bytes] | None) -> int:
    assert pipe is not None  # noqa: S101 - it was asked for
    return pipe.fileno()


def _outcome(code: int) -> Outcome:
    if code < 0:
        return Outcome.SIGNALLED
    return Outcome.OUT_OF_MEMORY if code == launcher.OUT_OF_MEMORY else Outcome.EXITED
