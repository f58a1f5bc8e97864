"""How often strangers may call: so many in each minute, or hour, of the clock."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from chainfaas.api.addresses import neighbourhood
from chainfaas.errors import TooManyRequests

MINUTE_S = 60
HOUR_S = 3600


def take(name: str, limit: int, span_s: int = MINUTE_S) -> None:
    """Count one more of these in this span of time. Raises TooManyRequests beyond the limit."""
    key = _key(name, span_s)
    cache.add(key, 0, 2 * span_s)
    try:
        count = cache.incr(key)
    except ValueError:  # the cache dropped it in between
        count = 1
    if count > limit:
        raise TooManyRequests(retry_after_s=span_s - int(time.time()) % span_s)


def take_registration(request: HttpRequest) -> None:
    """Count one more registration from this address: each costs a password hash, and brings money."""
    take(f"register:{neighbourhood(request)}", settings.REGISTRATIONS_PER_HOUR, HOUR_S)


def take_password(request: HttpRequest) -> None:
    """Count one more password from this address, right or wrong: each costs a hash."""
    take(f"password:{neighbourhood(request)}", settings.PASSWORDS_PER_MINUTE)


def take_guess(request: HttpRequest, username: str) -> Callable[[], None]:
    """Count one more try to sign in with this name from this address; call what this gives if it was right.
    Until that is known it counts as wrong, so that many at once are no way around the limit."""
    who = hashlib.sha256(f"{neighbourhood(request)} {username}".encode("utf-8", "surrogatepass")).hexdigest()
    take(f"sign-in:{who}", settings.FAILED_SIGN_INS_PER_MINUTE)
    return partial(_give_back, f"sign-in:{who}")


class PublicCalls(BaseThrottle):
    """Calls without a token, by address. Those of one function are counted once it is known to exist: whoever
    makes up names must not make counters."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        if request.auth is None:
            take(f"calls:{neighbourhood(request)}", settings.ALL_PUBLIC_CALLS_PER_MINUTE)
        return True


class Registrations(BaseThrottle):
    """Registrations by address."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        take_registration(request)
        return True


class Passwords(BaseThrottle):
    """Passwords by address, where a token is made with one."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        if request.method == "POST":
            take_password(request)
        return True


class OpenReads(BaseThrottle):
    """Reads without a token, by address."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        if request.auth is None:
            take(f"read:{neighbourhood(request)}", settings.OPEN_READS_PER_MINUTE)
        return True


def _give_back(name: str) -> None:
    with suppress(ValueError):  # the cache dropped it in between
        cache.decr(_key(name, MINUTE_S))


def _key(name: str, span_s: int) -> str:
    return f"throttle:{name}:{int(time.time()) // span_s}"
