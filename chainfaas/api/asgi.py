"""How requests reach the API under ASGI. Pages go through Django's own handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpResponse

from chainfaas.api import problems
from chainfaas.errors import TooLarge
from tasks import limits

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PROGRAMS = problems.OURS
"""Addresses that are no pages."""

PAGE = 2 * limits.BODY
"""The largest form of a page: an input of 1 MiB, and what goes with it."""
DRAINED = 16 * limits.BODY
"""How much of a body that is too large is read and dropped, so that its sender gets to see the answer."""


class Handler(ASGIHandler):
    """Django's handler without the two things that cost a thread for each request: middleware (the API has no
    sessions, forms or pages), and a thread of its own for its synchronous parts (the views bring theirs)."""

    _get_response_async: Any  # Django's stubs do not have it

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        await self.handle(scope, receive, send)

    def load_middleware(self, is_async: bool = False) -> None:
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        self._middleware_chain = convert_exception_to_response(self._get_response_async)


class LimitedBody:
    """Hands on requests with a body of at most this size, whatever their Content-Length says. Django by
    itself would write a body of any size to disk before a view could refuse it."""

    def __init__(self, app: App, limit: int = limits.BODY) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = None if _declared(scope) > DRAINED else await _read(receive, self._limit)
        except _HungUp:
            return
        if body is None:
            await _respond(
                problems.answer(TooLarge(f"The body is larger than {self._limit >> 20} MiB.")), send
            )
            return
        handed_on = False

        async def read() -> dict[str, Any]:
            nonlocal handed_on
            if handed_on:
                return await receive()  # that the caller hung up
            handed_on = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, read, send)


class _HungUp(Exception):
    """Half a body is none."""


async def _read(receive: Receive, limit: int) -> bytes | None:
    """All of the body, or None if it is too large."""
    body, size = bytearray(), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _HungUp
        part = message.get("body", b"")
        size += len(part)
        if size <= limit:
            body += part
        if size > DRAINED or not message.get("more_body", False):
            return bytes(body) if size <= limit else None


def _declared(scope: Scope) -> int:
    value = dict(scope["headers"]).get(b"content-length", b"0")
    return int(value) if value.isdigit() and len(value) < 20 else 0


async def _respond(response: HttpResponse, send: Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in response.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})
