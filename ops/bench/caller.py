"""A developer's program that calls functions: one connection kept open, and as little work as possible, since
it shares the cores with what it measures."""

from __future__ import annotations

import http.client
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from ops.bench.figures import WentWrong

TIMEOUT_S = 60
MOST_RETRIES = 50
DEFAULT_RETRY_S = 1.0


@dataclass(frozen=True)
class Answer:
    """What came back for one call, as its caller saw it."""

    status: int
    job: str | None
    sent_ns: int  #: time.monotonic_ns(): one clock for all processes of a machine
    received_ns: int
    retries: int  #: 503 answers before this one; their waits count as part of the call

    @property
    def took_ms(self) -> float:
        return (self.received_ns - self.sent_ns) / 1e6


class Caller:
    """Not for several threads."""

    def __init__(self, url: str, token: str = "") -> None:
        self._url, self._token = url, token
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_S)

    def again(self) -> Caller:
        """The same person with another connection."""
        return Caller(self._url, self._token)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def register(self) -> str:
        """Have an account as a developer; the user name."""
        name, password = f"bench-{secrets.token_hex(4)}", secrets.token_urlsafe(12)
        account = {"username": name, "email": f"{name}@example.org", "password": password}
        self.post("/register", {**account, "roles": ["developer"]})
        token = self.post("/tokens", {"username": name, "password": password, "name": "bench"})
        self._token = token["token"]
        return name

    def call(self, function: str, body: bytes) -> Answer:
        """Call a function. A 503 is tried again when the platform says, as a client should."""
        path, sent_ns, retries = f"/functions/{function}/invoke", time.monotonic_ns(), 0
        response, _ = self._ask("POST", path, body)
        while response.status == 503 and retries < MOST_RETRIES:
            time.sleep(float(response.headers.get("Retry-After") or DEFAULT_RETRY_S))
            response, _ = self._ask("POST", path, body)
            retries += 1
        job = response.headers.get("ChainFaaS-Job-Id")
        return Answer(response.status, job, sent_ns, time.monotonic_ns(), retries)

    def get(self, path: str) -> Any:
        return self._json("GET", path, None)

    def post(self, path: str, document: dict[str, Any]) -> Any:
        return self._json("POST", path, json.dumps(document).encode())

    def _json(self, method: str, path: str, body: bytes | None) -> Any:
        response, text = self._ask(method, path, body)
        if response.status >= 400:
            raise WentWrong(f"{method} {path} was answered {response.status}: {text[:200].decode()}")
        return json.loads(text)

    def _ask(self, method: str, path: str, body: bytes | None) -> tuple[http.client.HTTPResponse, bytes]:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            self._connection.request(method, f"/api/v1{path}", body, headers)
            response = self._connection.getresponse()
            return response, response.read()
        except (http.client.HTTPException, OSError) as error:
            self._connection.close()
            raise WentWrong(f"{method} {path}: {type(error).__name__} {error}".strip()) from error
