"""The ASGI application: `uvicorn chainfaas.asgi:application`."""

from __future__ import annotations

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chainfaas.settings")

_django: Any = get_asgi_application()

from chainfaas.api.asgi import PAGE, PROGRAMS, Handler, LimitedBody, Receive, Scope, Send  # noqa: E402 - it needs the applications loaded

_api = LimitedBody(Handler())
_pages = LimitedBody(_django, PAGE)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """What programs read goes past the pages' middleware, and past its cost."""
    if scope["type"] != "http":
        await _django(scope, receive, send)
    elif scope["path"].startswith(PROGRAMS):
        await _api(scope, receive, send)
    else:
        await _pages(scope, receive, send)
