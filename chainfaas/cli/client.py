"""The server, seen from the command line: sends requests, reads problems, follows pages."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import click

import chainfaas
from chainfaas.cli import output
from chainfaas.cli.errors import Failure, Garbled, Problem, Unreachable

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 60
PAUSES_S = (0.1, 0.4)
"""How long to wait before a request that may be repeated is sent again after its connection broke."""

REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Record(dict[str, Any]):
    """An object that the server sent. A field that has to be there and is not is the server's fault."""

    def __missing__(self, field: str) -> Any:
        raise Garbled(f"the server did not answer with the field {field!r} that we need")


class Server:
    """One ChainFaaS server, and who asks it."""

    def __init__(self, url: str, token: str | None) -> None:
        # httpx imports its own command line if it can, and with it rich: 50 ms that no call of ours needs.
        sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
        import httpx

        self.url = url
        self.authenticated = token is not None
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}
        self._errors = httpx
        self._http = httpx.Client(
            base_url=url,
            headers={"User-Agent": f"chainfaas/{chainfaas.__version__}"},
            timeout=TIMEOUT_S,
            verify=url.startswith("https:"),  # loading the certificates costs more than a call on plain HTTP
            trust_env=urlsplit(url).hostname not in LOOPBACK,  # a proxy would look for its own loopback
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def ask(
        self, method: str, path: str, json: object = None, *, headers: Mapping[str, str] | None = None
    ) -> Any:
        """What the server answers, or None where it has nothing to say. Raises Problem if it says no."""
        response = self.send(method, path, json=json, headers=headers)
        self.check(response)
        if response.status_code == 204 or not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            raise Garbled(
                f"{self.url} did not answer in JSON",
                "Is it a ChainFaaS server? --url or CHAINFAAS_URL names another.",
            ) from error

    def record(
        self, method: str, path: str, json: object = None, *, headers: Mapping[str, str] | None = None
    ) -> Record:
        """Like ask, where the answer is an object."""
        answer = self.ask(method, path, json, headers=headers)
        if not isinstance(answer, dict):
            raise Garbled(f"{self.url} did not answer {method} {path} as a ChainFaaS server does")
        return Record(answer)

    def pages(self, path: str, limit: int) -> list[Record]:
        """The first items of a list, over as many pages as it takes."""
        items: list[Record] = []
        for page in self._pages(path):
            items += page
            if len(items) >= limit:
                break
        return items[:limit]

    def _pages(self, path: str) -> Iterator[list[Record]]:
        following: str | None = path
        while following:
            page = self.record("GET", following)
            results = page.get("results")
            if not isinstance(results, list) or not all(isinstance(item, dict) for item in results):
                raise Garbled(f"{self.url} did not answer with a list")
            yield [Record(item) for item in results]
            following = page.get("next")
            if following:
                following = self._here(following)

    def _here(self, link: str) -> str:
        """A link of the server's, on the address by which we reach it: behind a proxy it may know another."""
        target = urlsplit(link)
        path = target.path.removeprefix(urlsplit(self.url).path)
        return f"{path}?{target.query}" if target.query else path

    def send(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
        timeout: float = TIMEOUT_S,
    ) -> httpx.Response:
        """The server's answer, whatever it is. A broken connection is tried again where that does no harm."""
        sent = {**self._authorization, **(headers or {})}
        request = self._http.build_request(
            method, path, json=json, content=content, headers=sent, timeout=timeout
        )
        if repeatable is None:
            repeatable = method in REPEATABLE or "Idempotency-Key" in sent
        pauses = list(PAUSES_S) if repeatable else []
        while True:
            try:
                return self._once(request)
            except (self._errors.NetworkError, self._errors.RemoteProtocolError) as error:
                if not pauses:
                    raise Unreachable(f"cannot reach {self.url}: {_reason(error)}", self._cure()) from error
                _debug(f"! {_reason(error)}; trying again")
                time.sleep(pauses.pop(0))
            except self._errors.TimeoutException as error:
                raise Unreachable(f"{self.url} did not answer in time", self._cure()) from error
            except self._errors.HTTPError as error:
                raise Unreachable(f"cannot talk to {self.url}: {_reason(error)}") from error

    def check(self, response: httpx.Response) -> None:
        """Raises the Problem that an answer tells of."""
        if not response.is_success:
            raise self.problem(response)

    def problem(self, response: httpx.Response) -> Failure:
        status, job = response.status_code, response.headers.get("ChainFaaS-Job-Id", "")
        if response.is_redirect:
            return Failure(f"{self.url} has moved to {response.headers.get('Location')}: use that as --url")
        try:
            document = response.json()
        except ValueError:
            document = None
        if not isinstance(document, dict) or "title" not in document:
            message = f"{self.url} answered {status} {response.reason_phrase} and no reason"
            return Problem(message, _again(response), status=status, job=job)
        slug = str(document.get("type", "")).rpartition("/")[2]
        message = _sentence(document)
        if slug == "still-running":  # nobody's fault, and asking again would be another job
            return Problem(message, status=status, slug=slug, job=job)
        fault = document.get("fault")
        if fault and fault != "caller":
            message += f" (the {fault}'s fault)"
        again = "" if slug == "no-runtime" else _again(response)  # waiting does not bring a machine
        return Problem(message, self._login(status), again, status=status, slug=slug, job=job)

    def _once(self, request: httpx.Request) -> httpx.Response:
        began = time.monotonic()
        _debug(f"> {request.method} {request.url}")
        for name, value in request.headers.items():
            _debug(f">   {name}: {'(secret)' if name == 'authorization' else value}")
        response = self._http.send(request)
        _debug(f"< {response.status_code} in {(time.monotonic() - began) * 1000:.0f} ms")
        return response

    def _cure(self) -> str:
        if urlsplit(self.url).hostname in LOOPBACK:
            return "Is it running? `chainfaas up` starts one here; --url or CHAINFAAS_URL names another."
        return "Check the address (--url or CHAINFAAS_URL) and the network; `chainfaas doctor` looks closer."

    def _login(self, status: int) -> str:
        if status != 401:
            return ""
        if self.authenticated:
            return "The token is not valid, or not any more: `chainfaas login` gets another."
        return f"Nobody is logged in to {self.url}: `chainfaas login`, or `chainfaas register NAME` first."


def retry_after(response: httpx.Response) -> float | None:
    """Seconds until the server wants to be asked again, if it says so (RFC 9110 10.2.3)."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def part(text: str) -> str:
    """One segment of a path, from what somebody typed."""
    if text in {"", ".", ".."}:
        raise click.UsageError(f"{text!r} names nothing.")
    return quote(text, safe="")


def check_url(text: str) -> str:
    """A server's address in the one form that the config file has it under."""
    text = text.strip()
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:
        host = port = None
    if not host or url.scheme not in {"http", "https"} or url.username or url.query or url.fragment:
        raise click.UsageError(
            f"{output.line(text)!r} is no server's address, such as http://127.0.0.1:8000."
        )
    host = f"[{host}]" if ":" in host else host
    return f"{url.scheme}://{host}{f':{port}' if port else ''}{url.path.rstrip('/')}"


def _sentence(document: Mapping[str, Any]) -> str:
    title, detail = str(document["title"]).rstrip("."), str(document.get("detail") or "")
    return f"{title}: {detail}" if detail.rstrip(".") not in {"", title} else title


def _again(response: httpx.Response) -> str:
    pause = retry_after(response)
    return "" if pause is None else f"Try again in {pause:.0f} s."


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _debug(text: str) -> None:
    if os.environ.get("CHAINFAAS_DEBUG", "0") not in {"", "0"}:
        click.echo(output.line(text), err=True)
