"""What every view of the API is: asynchronous outside, so that a waiting call costs no thread, and plain
inside: a handler that is no coroutine runs in one of the API's threads, where it may block."""

from __future__ import annotations

import inspect
import re
import uuid
from collections.abc import Callable
from typing import Any, ClassVar

import structlog
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chainfaas.api import problems, threads
from chainfaas.api.authentication import TokenAuthentication
from chainfaas.api.permissions import ACCOUNT, May, Need
from chainfaas.api.strict import JSONParser

Handler = Callable[..., Any]

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""What a function wrote must not be taken for a page, and nothing here is for a proxy to keep."""


class AlwaysJSON(BaseContentNegotiation):
    """One form of answer: what `Accept` says cannot make a call fail."""

    def select_parser(self, request: Request, parsers: list[BaseParser]) -> BaseParser | None:  # type: ignore[override]
        kind = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == kind), None)

    def select_renderer(  # type: ignore[override]
        self, request: Request, renderers: list[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], str(renderers[0].media_type)


class View(APIView):
    """`needs` names, for each method that the view has, what a call must bring."""

    needs: ClassVar[dict[str, Need]] = {}
    authentication_classes = [TokenAuthentication]
    permission_classes = [May]
    parser_classes = [JSONParser]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = AlwaysJSON
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    view_is_async = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for method in cls.http_method_names:
            # Forgetting to say who may call must not open the door.
            if hasattr(cls, method):
                cls.needs.setdefault(method.upper(), ACCOUNT)

    async def dispatch(  # type: ignore[override]
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        self.args, self.kwargs = args, kwargs
        self.headers = {**HEADERS, "Allow": ", ".join(self.allowed_methods)}
        self.headers["X-Request-Id"] = id = _request_id(request)
        self.request = self.initialize_request(request, *args, **kwargs)
        with structlog.contextvars.bound_contextvars(request_id=id):
            try:
                response = await self._respond(self.request)
            except Exception as error:  # noqa: BLE001 - the one place where every error is answered
                response = problems.answer(error)
        response = self.finalize_response(self.request, response, *args, **kwargs)  # type: ignore[arg-type]
        if isinstance(response, Response):
            response.render()  # here, or Django would look for a thread to do it
        if isinstance(response, HttpResponse):
            response["Content-Length"] = len(response.content)
        return response

    async def _respond(self, request: Request) -> HttpResponseBase:
        method = str(request.method).lower()
        handler = self.http_method_not_allowed
        if method in self.http_method_names:
            handler = getattr(self, method, handler)
        if inspect.iscoroutinefunction(handler):
            await threads.run(self.initial, request, *self.args, **self.kwargs)
            response: HttpResponseBase = await handler(request, *self.args, **self.kwargs)
            return response
        return await threads.run(self._in_thread, handler, request)

    def _in_thread(self, handler: Handler, request: Request) -> HttpResponseBase:
        self.initial(request, *self.args, **self.kwargs)
        response: HttpResponseBase = handler(request, *self.args, **self.kwargs)
        return response


def _request_id(request: HttpRequest) -> str:
    """The caller's own name for this request, if it has one that a log can hold."""
    given = request.headers.get("X-Request-Id", "")
    return given if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", given) else uuid.uuid4().hex
