"""Where a call comes from."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client(request: HttpRequest) -> str:
    """The caller's address. X-Forwarded-For is anybody's to write: as many of its last entries are believed
    as there are proxies of ours."""
    hops = str(request.META.get("HTTP_X_FORWARDED_FOR", "")).split(",")
    seen = hops[-settings.TRUSTED_PROXIES :][0].strip() if settings.TRUSTED_PROXIES else ""
    return seen or str(request.META.get("REMOTE_ADDR") or "")


def neighbourhood(request: HttpRequest) -> str:
    """What is counted as one caller: an IPv6 user has a whole /64."""
    try:
        address = ipaddress.ip_address(client(request))
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def inside(request: HttpRequest) -> bool:
    """Whether the call comes from a network that may see the platform's inside, and through no proxy."""
    if "HTTP_X_FORWARDED_FOR" in request.META:
        return False
    try:
        address = ipaddress.ip_address(str(request.META.get("REMOTE_ADDR")))
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network) for network in settings.METRICS_FROM)
