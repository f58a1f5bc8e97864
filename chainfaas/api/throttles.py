"""How often strangers may call: so many in each minute of the clock."""

from __future__ import annotations

import time

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from chainfaas.api.addresses import neighbourhood
from chainfaas.errors import TooManyRequests

MINUTE_S = 60


def take(name: str, limit: int) -> None:
    """Count one more of these in this minute. Raises TooManyRequests beyond the limit."""
    key = _key(name)
    cache.add(key, 0, 2 * MINUTE_S)
    try:
        count = cache.incr(key)
    except ValueError:  # the cache dropped it in between
        count = 1
    if count > limit:
        raise TooManyRequests(retry_after_s=_left_s())


def check(name: str, limit: int) -> None:
    """Like take for one that comes now, without counting it."""
    if cache.get(_key(name), 0) >= limit:
        raise TooManyRequests(retry_after_s=_left_s())


class PublicCalls(BaseThrottle):
    """Calls without a token, by address. Those of one function are counted once it is known to exist: whoever
    makes up names must not make counters."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        if request.auth is None:
            take(f"calls:{neighbourhood(request)}", settings.ALL_PUBLIC_CALLS_PER_MINUTE)
        return True


class OpenReads(BaseThrottle):
    """Reads without a token, by address."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        if request.auth is None:
            take(f"read:{neighbourhood(request)}", settings.OPEN_READS_PER_MINUTE)
        return True


def _key(name: str) -> str:
    return f"throttle:{name}:{int(time.time()) // MINUTE_S}"


def _left_s() -> int:
    return MINUTE_S - int(time.time()) % MINUTE_S
