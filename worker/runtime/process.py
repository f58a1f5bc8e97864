"""`process://`: functions as plain processes of this machine. Only for functions that are part of ChainFaaS.

It bounds time, memory, output and files, and cleans up behind a function, but hides neither network nor disk
from it: that takes a container. So it knows the bundled functions only, and refuses a remote broker.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from tasks import names
from tasks.messages import Outcome, Run
from worker.runtime import launcher, scratch, strays
from worker.runtime.attempt import Attempt
from worker.runtime.base import Finished, ImageUnavailable, RuntimeBroken

log = structlog.get_logger()

BUNDLED = Path(__file__).resolve().parent.parent / "bundled"
LAUNCHER = Path(launcher.__file__).resolve()

IMAGE = re.compile(r"chainfaas/([a-z][a-z0-9-]{0,62})(:latest)?")

CPU_GRACE_S = 5
"""The time limit is the worker's; the limit of CPU time is for when the worker is no more."""


class ProcessRuntime:
    """Runs `chainfaas/<name>` from the handlers in a folder, each call as a process of its own."""

    def __init__(self, machine: str, folder: Path, *, functions: Path = BUNDLED) -> None:
        if not sys.platform.startswith("linux"):
            raise RuntimeBroken("RUNTIME_URL process:// needs Linux: use docker://")
        self._machine = machine
        self._folder = folder  #: of the temporary folders; a running machine's own
        self._functions = functions
        self._running: dict[str, Attempt] = {}
        self._closed = False
        self._lock = threading.Lock()

    def prepare(self, image: str) -> float:
        began = time.monotonic()
        self._handler(image)
        return (time.monotonic() - began) * 1000

    def run(self, task: Run, on_start: Callable[[], None]) -> Finished:
        handler = self._handler(task.image)
        task_id = names.task_id(task.job, task.attempt)
        try:
            with (
                scratch.folder(self._folder / task_id) as folder,
                self._launched(task, task_id, handler, folder) as attempt,
            ):
                on_start()
                return attempt.finish()
        except OSError as error:  # strerror alone: a path would tell where things lie on this machine
            raise RuntimeBroken(f"no process could be run: {error.strerror}") from error

    def stop(self, task_id: str) -> None:
        with self._lock:
            attempt = self._running.get(task_id)
        if attempt is not None:
            attempt.kill(Outcome.CANCELLED)

    def reap(self) -> None:
        killed = strays.kill_machine(self._machine)
        leftovers = list(self._folder.iterdir()) if self._folder.is_dir() else []
        for leftover in leftovers:
            scratch.remove(leftover)
        if killed or leftovers:
            log.warning("runtime.reaped", machine=self._machine, processes=killed, folders=len(leftovers))

    def close(self) -> None:
        with self._lock:
            self._closed = True
            attempts = list(self._running.values())
        for attempt in attempts:
            attempt.kill(Outcome.LOST)

    def _handler(self, image: str) -> Path:
        match = IMAGE.fullmatch(image)
        handler = self._functions / match[1] / "handler.py" if match else None
        if handler is None or not handler.is_file():
            raise ImageUnavailable("this machine runs the bundled functions only, no containers")
        return handler

    @contextmanager
    def _launched(self, task: Run, task_id: str, handler: Path, folder: Path) -> Iterator[Attempt]:
        """The function's process, where `stop` finds it; nothing of it is left afterwards."""
        started = time.monotonic()
        lifeline, worker_end = os.pipe()
        try:
            with _closing(lifeline):
                process = self._launch(task, task_id, handler, folder, lifeline=lifeline)
            with process.stdout, process.stderr:  # type: ignore[union-attr] # both are pipes
                attempt = Attempt(
                    process,
                    folder,
                    started=started,
                    timeout_s=task.timeout_s,
                    sweep=lambda: strays.kill_attempt(self._machine, task_id),
                )
                try:
                    self._register(task_id, attempt)
                    yield attempt
                finally:
                    attempt.bury()
                    with self._lock:
                        self._running.pop(task_id, None)
        finally:
            os.close(worker_end)

    def _register(self, task_id: str, attempt: Attempt) -> None:
        with self._lock:
            if self._closed:
                raise RuntimeBroken("this machine is shutting down")
            self._running[task_id] = attempt

    def _launch(
        self, task: Run, task_id: str, handler: Path, folder: Path, *, lifeline: int
    ) -> subprocess.Popen[bytes]:
        """Start the launcher. The input is a file, not a pipe: a function that never reads blocks nobody."""
        arguments = [handler, lifeline, task.memory_mb * launcher.MIB, _cpu_s(task)]
        with tempfile.TemporaryFile(dir=folder) as stdin:
            stdin.write(task.input)
            stdin.seek(0)
            return subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", LAUNCHER, *map(str, arguments)],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=folder,
                env=self._environment(task, task_id, folder),
                pass_fds=(lifeline,),
                start_new_session=True,
                umask=0o077,
            )

    def _environment(self, task: Run, task_id: str, folder: Path) -> dict[str, str]:
        fixed = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "LANG": "C.UTF-8",
            **strays.mark(self._machine, task_id),
        }
        own = {name: value for name, value in task.env.items() if name != strays.MARKER}
        return fixed | {launcher.ENV_PREFIX + name: value for name, value in own.items()}


def _cpu_s(task: Run) -> int:
    return math.ceil(task.timeout_s * max(1.0, task.cpus)) + CPU_GRACE_S


@contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)
