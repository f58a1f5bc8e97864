"""The real platform, as a process of its own, for tests that call it over HTTP as anybody would."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
QUICK = {"CHAINFAAS_SWEEP_EVERY_S": "1", "CHAINFAAS_PASSWORDS_PER_MINUTE": "1000"}


class Platform:
    """`python -m ops.embedded` on a folder. May be killed and started again on the same folder and port."""

    def __init__(self, data: Path, *options: str, **environment: str) -> None:
        self.data, self.url = data, ""
        self._port = _free_port()
        self._options = options
        self._environment = environment
        self._process: subprocess.Popen[str] | None = None
        self.visitors: list[httpx.Client] = []

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return (self.data / "log").read_text()

    def start(self) -> Platform:
        self.data.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "ops.embedded", "--port", str(self._port), "--data", str(self.data)]
        environment = {**os.environ, **QUICK, **self._environment}
        with (self.data / "log").open("a") as log:
            self._process = subprocess.Popen(
                [*command, *self._options],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        watchdog = threading.Timer(60, self._process.kill)
        watchdog.start()
        line = self._process.stdout.readline()
        watchdog.cancel()
        assert line.startswith("ready "), f"it did not start:\n{self.log[-3000:]}"
        self.url = line.split()[1]
        return self

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        for visitor in self.visitors:
            visitor.close()
        return self._end(signal.SIGINT)

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(number)
        code = self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        return code


class Person:
    """An account on a running platform."""

    def __init__(self, platform: Platform, name: str, *roles: str) -> None:
        self.name, self.password = name, secrets.token_urlsafe(12)
        self.http = httpx.Client(
            base_url=f"{platform.url}/api/v1", timeout=120, limits=httpx.Limits(max_connections=200)
        )
        platform.visitors.append(self.http)
        if roles:
            self.post("/register", username=name, password=self.password, roles=list(roles))
            self.sign_in()

    def sign_in(self) -> None:
        token = self.post("/tokens", username=self.name, password=self.password, name="test")["token"]
        self.http.headers["Authorization"] = f"Bearer {token}"

    def post(self, path: str, **document: Any) -> Any:
        return answer(self.http.post(path, json=document))

    def get(self, path: str) -> Any:
        return answer(self.http.get(path))

    def deploy(self, name: str, image: str, **terms: Any) -> None:
        self.post("/functions", name=name, image=image, **terms)

    def invoke(self, function: str, body: bytes = b"", **headers: str) -> httpx.Response:
        owner_and_name = function if "/" in function else f"{self.name}/{function}"
        return self.http.post(f"/functions/{owner_and_name}/invoke", content=body, headers=headers)

    def account(self) -> dict[str, int]:
        account: dict[str, int] = self.get(f"/ledger/accounts/{self.name}")
        return account

    def settled(self, job: str, within_s: float = 30) -> dict[str, Any]:
        """The job, once its hold is closed."""
        end = time.monotonic() + within_s
        while True:
            found: dict[str, Any] = self.get(f"/jobs/{job}")
            if found["settled"]:
                return found
            assert time.monotonic() < end, f"not settled: {found}"
            time.sleep(0.02)


def _free_port() -> int:
    """A port below those that the kernel gives to clients, which could be in the way after a restart."""
    for _ in range(100):
        with socket.socket() as candidate:
            port = 20000 + secrets.randbelow(10000)
            with contextlib.suppress(OSError):
                candidate.bind(("127.0.0.1", port))
                return port
    raise RuntimeError("no free port")


def host(platform: Platform) -> Person:
    """The account that is paid for the hosted machines."""
    person = Person(platform, "host")
    person.password = (platform.data / "hosted" / "password").read_text().strip()
    person.sign_in()
    return person


def answer(response: httpx.Response) -> Any:
    assert not response.is_error, (
        f"{response.request.method} {response.url}: {response.status_code} {response.text}"
    )
    return response.json()


def threads(pid: int) -> int:
    """How many threads a process has."""
    match = re.search(r"^Threads:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert match
    return int(match[1])
