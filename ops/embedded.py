"""`python -m ops.embedded`: the whole platform in one process, on Python packages alone.

Prints `ready URL` on stdout when it can be called. Ends clean on Ctrl-C; may also be killed at any moment:
database and ledger are files, and what was under way goes on at the next start.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import socket
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ops import logs

if TYPE_CHECKING:
    from celery import Celery

    from worker.provider import Provider

DRAIN_S = 5.0
"""How long jobs under way may go on after Ctrl-C."""

CONNECTIONS = 1000
"""At once; who comes then is answered 503. Each may hold the beginning of a request."""


def main() -> int:
    """The process's exit code."""
    os.umask(0o077)  # what is in the data folder is nobody else's business
    arguments = _arguments()
    logs.configure(arguments.log_level)
    try:
        data = _folder(arguments.data)
        listener = _listen(arguments.host, arguments.port)
        lock = _lock(data)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    # WhiteNoise hands over files piece by piece, as WSGI has it; Django copes, and warns each time.
    warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
    os.environ["CHAINFAAS_DATA"] = str(data)
    os.environ["BROKER_URL"] = "memory://"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chainfaas.settings")
    with lock, listener:
        try:
            return _run(arguments, data, listener)
        except Exception as error:
            if not _explains_itself(error):
                raise
            print(f"error: {error}", file=sys.stderr)
            return 1


def _explains_itself(error: Exception) -> bool:
    """Whether its text is all that whoever starts the platform needs: a wrong setting, an option, a name."""
    from django.core.exceptions import ImproperlyConfigured

    from chaincode.errors import LedgerError
    from chainfaas.errors import ChainFaaSError

    return isinstance(error, (ImproperlyConfigured, ChainFaaSError, LedgerError))


def _run(arguments: argparse.Namespace, data: Path, listener: socket.socket) -> int:
    import django

    django.setup()
    from django.core.management import call_command

    from chainfaas import accounts
    from chainfaas.celery import app
    from chainfaas.ingress import Ingress
    from chainfaas.jobs import recovery
    from chainfaas.ledger import connection
    from ops.celery_threads import Controller

    _check_settings()
    call_command("migrate", verbosity=0)
    connection.ledger()
    accounts.welcome_missed()
    providers = _providers(arguments, data, app)
    controller, ingress = Controller(app), Ingress(app)
    controller.start()
    ingress_thread = _thread(ingress.run, "ingress")
    ingress.ready.wait(10)
    for provider in providers:
        provider.start()
    recovery.after_restart()
    try:
        _serve(arguments, listener)
    finally:
        _stop(controller, ingress, ingress_thread, providers)
        connection.close()
    return 0


def _check_settings() -> None:
    from django.core import checks
    from django.core.exceptions import ImproperlyConfigured

    for found in checks.run_checks(tags=["chainfaas"]):
        raise ImproperlyConfigured(f"{found.msg} {found.hint or ''}".strip())


def _providers(arguments: argparse.Namespace, data: Path, app: Celery) -> list[Provider]:
    from ops import hosting
    from worker.provider import Provider

    if not arguments.providers:
        return []
    user = hosting.owner(arguments.provider_user, data / "hosted")
    configs = hosting.enrol(user, arguments.providers, arguments.slots, data / "hosted")
    return [Provider(config, app) for config in configs]


def _serve(arguments: argparse.Namespace, listener: socket.socket) -> None:
    """Answer HTTP until a signal says stop."""
    import uvicorn

    class Server(uvicorn.Server):
        """Says when it can be called, and leaves signals to end it without an error."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            host, port = listener.getsockname()[:2]
            print(f"ready http://{host}:{port}", flush=True)

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self.handle_exit)
            yield

    config = uvicorn.Config(
        "chainfaas.asgi:application",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        limit_concurrency=CONNECTIONS,
        server_header=False,
        proxy_headers=False,  # else anybody on this machine could call under another address
    )
    Server(config).run(sockets=[listener])


def _stop(controller: Any, ingress: Any, ingress_thread: Any, providers: list[Provider]) -> None:
    """Let what runs come to its end for a moment. Whatever does not is taken up at the next start."""
    from celery.worker import state

    end = time.monotonic() + DRAIN_S
    for provider in providers:
        provider.stop(max(0.1, end - time.monotonic()))
    state.should_stop = 0  # type: ignore[assignment] # an exit code, or None to go on
    ingress.stop()
    controller.join(1.0)
    ingress_thread.join(2.0)


def _thread(target: Any, name: str) -> Any:
    import threading

    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread


def _folder(path: Path) -> Path:
    path = path.expanduser().absolute()
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(
            f"cannot listen on {host}:{port} ({error.strerror}); choose another with --port"
        ) from error
    return listener


def _lock(data: Path) -> IO[str]:
    """One process a data folder."""
    lock = (data / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise OSError(
            f"another ChainFaaS runs on {data}; stop it or choose another folder with --data"
        ) from error
    return lock


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ops.embedded", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--port", type=_number(0, 65535), default=8000, help="0: any free one; the `ready` line says which"
    )
    parser.add_argument("--data", type=Path, default=Path(".data"), help="what must survive a restart")
    parser.add_argument(
        "--providers", type=_number(0, 100), default=1, help="machines hosted in this process"
    )
    parser.add_argument("--provider-user", help="the account that is paid for them (default: host)")
    parser.add_argument(
        "--slots", type=_number(1, 256), default=max(2, os.cpu_count() or 1), help="jobs at once a machine"
    )
    parser.add_argument("--log-level", default="info")
    return parser.parse_args()


def _number(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not least <= (value := int(text)) <= most:
            raise argparse.ArgumentTypeError(f"{value} is not between {least} and {most}")
        return value

    return number


if __name__ == "__main__":
    sys.exit(main())
