"""The program of a function's process: put on the limits, then become the function.

Started as `python -I -S launcher.py HANDLER LIFELINE MEMORY CPU_S`, leader of a session of its own. The
function runs in this very interpreter: starting another would double the time that a call takes. For the
same reason it imports nothing that takes a millisecond (the signal module would).
"""

import fcntl
import os
import resource
import sys

ENV_PREFIX = "CHAINFAAS_FN_"
"""The function's own environment arrives under this prefix, or its LD_PRELOAD would be obeyed on the way."""

SIGKILL = 9
OUT_OF_MEMORY = 128 + SIGKILL
"""What a container that ran out of memory exits with."""

MIB = 1024 * 1024
FILE_SIZE = 64 * MIB
OPEN_FILES = 256
PROCESSES = 4096
"""RLIMIT_NPROC counts all threads of the *user*, a desktop's too: only a fork bomb has so many."""


def main() -> None:
    handler, lifeline, memory, cpu_s = sys.argv[1], *(int(text) for text in sys.argv[2:5])
    _die_with_worker(lifeline)
    with open(handler, "rb") as file:  # noqa: PTH123 - importing pathlib takes 5 ms
        # This name stands in tracebacks, which the developer reads: not where it lies on this machine.
        code = compile(file.read(), "handler.py", "exec")
    sys.argv = ["handler.py"]
    _dress()
    _limit(memory, cpu_s)
    _become(code)


def _die_with_worker(lifeline: int) -> None:
    """Have the kernel kill this process group when the worker's end of the pipe closes, even by kill -9.

    O_ASYNC signals the owner of a pipe that its other end was closed; owner and signal may be chosen. That is
    prctl(PR_SET_PDEATHSIG) for all descendants in the group, without importing ctypes (3 ms).
    """
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    try:
        os.read(lifeline, 1)
    except BlockingIOError:
        return
    os._exit(128 + SIGKILL)  # the end of the file: the worker died before the line was tied


def _dress() -> None:
    """Leave nothing in the environment but the function's own names and the fixed ones."""
    own = {name.removeprefix(ENV_PREFIX): os.environ.pop(name) for name in _prefixed(os.environ)}
    os.environ.update(own)


def _prefixed(names: "os._Environ[str]") -> list[str]:
    return [name for name in names if name.startswith(ENV_PREFIX)]


def _limit(memory: int, cpu_s: int) -> None:
    for kind, wanted in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, FILE_SIZE),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_NPROC, PROCESSES),
        (resource.RLIMIT_AS, memory),
    ):
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (value, value))


def _become(code: object) -> None:
    try:
        exec(code, {"__name__": "__main__", "__builtins__": __builtins__})  # type: ignore[arg-type]  # noqa: S102
    except SystemExit:
        raise
    except MemoryError:
        os.write(2, b"out of memory\n")
        os._exit(OUT_OF_MEMORY)
    except BaseException as error:  # noqa: BLE001 - the function's own fault, shown as Python shows it
        own = error.__traceback__
        shown = error.with_traceback(own and own.tb_next)  # without this program's frame
        sys.excepthook(type(shown), shown, shown.__traceback__)
        sys.exit(1)


if __name__ == "__main__":
    main()
