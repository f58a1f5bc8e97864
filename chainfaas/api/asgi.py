"""How requests reach the API under ASGI. Pages go through Django's own handler."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpResponse

from chainfaas.api import problems
from chainfaas.errors import Busy, ChainFaaSError, RequestTimeout, TooLarge
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


SENDING_S = 60.0
"""How long a caller may take to send a body."""
ROOM = 64 * limits.BODY
"""What all bodies that have not come to their end may hold together."""
SMALL = 64 * 1024


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
    itself would write a body of any size to disk before a view could refuse it. A body comes within a
    minute, and all that are on their way have some room together: half a body costs its sender nothing."""

    def __init__(self, app: App, limit: int = limits.BODY) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self._whole(scope, receive)
        except _HungUp:
            return
        except ChainFaaSError as error:
            await _respond(problems.answer(error), send)
            return
        handed_on = False

        async def read() -> dict[str, Any]:
            nonlocal handed_on
            if handed_on:
                return await receive()  # that the caller hung up
            handed_on = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, read, send)

    async def _whole(self, scope: Scope, receive: Receive) -> bytes:
        if _declared(scope) > DRAINED:
            raise self._too_large()
        try:
            async with asyncio.timeout(SENDING_S):
                with _Unfinished() as body:
                    await self._read(body, receive)
                    return bytes(body.parts)
        except TimeoutError:
            raise RequestTimeout from None

    async def _read(self, body: _Unfinished, receive: Receive) -> None:
        """Read to the end also what is refused, if that is not too far: else its sender would not see why."""
        size, refused = 0, None
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _HungUp
            part, more = message.get("body", b""), message.get("more_body", False)
            size += len(part)
            if refused is None:
                refused = self._too_large() if size > self._limit else body.add(part)
            if refused is not None:
                body.drop()
            if size > DRAINED:
                break
        if refused is not None:
            raise refused

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The body is larger than {self._limit >> 20} MiB.")


class _Unfinished:
    """A body as far as it came. Small ones are not counted, so that calls go on when large ones fill the
    room: the number of connections is bound too."""

    taken = 0  # by all

    def __init__(self) -> None:
        self.parts = bytearray()
        self._mine = 0

    def __enter__(self) -> _Unfinished:
        return self

    def __exit__(self, *_: object) -> None:
        self._take(0)

    def add(self, part: bytes) -> Busy | None:
        mine = max(0, len(self.parts) + len(part) - SMALL)
        if _Unfinished.taken - self._mine + mine > ROOM:
            return Busy()
        self._take(mine)
        self.parts += part
        return None

    def drop(self) -> None:
        self.parts.clear()
        self._take(0)

    def _take(self, mine: int) -> None:
        _Unfinished.taken += mine - self._mine
        self._mine = mine


class _HungUp(Exception):
    """Half a body is none."""


def _declared(scope: Scope) -> int:
    value = dict(scope["headers"]).get(b"content-length", b"0")
    return int(value) if value.isdigit() and len(value) < 20 else 0


async def _respond(response: HttpResponse, send: Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in response.items()]
    if response.status_code == RequestTimeout.status:
        headers.append((b"connection", b"close"))  # else what still comes would be read on and on
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})
