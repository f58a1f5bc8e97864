"""Who may see a page, and what is shown instead when something goes wrong: a page that says whose fault it
is and what to do. Addresses that do not exist and our own crashes have 404.html, 403.html and 500.html."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import cast

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import OperationalError as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.cache import add_never_cache_headers
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails
from kombu.exceptions import OperationalError as BrokerError

from chaincode.errors import LedgerError
from chainfaas.api import problems, throttles
from chainfaas.api.addresses import neighbourhood
from chainfaas.errors import ChainFaaSError, Forbidden
from chainfaas.models import User

View = Callable[..., HttpResponse]

AWAY = (LedgerError, BrokerError, DatabaseError)
"""A part of the platform does not answer: no crash, and the page can say which."""

FAULTS = {
    "caller": "The request cannot be carried out as it is.",
    "function": "The function is at fault, not the platform.",
    "provider": "A provider's machine is at fault. Nothing was billed for it.",
    "platform": "This is our fault, not yours.",
}


class Visit(HttpRequest):
    """A request of somebody who is signed in."""

    user: User
    htmx: HtmxDetails


def page(view: View) -> View:
    """A page for everybody."""

    @wraps(view)
    def shown(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except (ChainFaaSError, *AWAY) as error:
            return problem(request, problems.known(error))

    return shown


def members(view: View) -> View:
    """A page for people who are signed in. Never cached: after signing out, Back must not show it."""

    @page
    @wraps(view)
    def shown(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if not request.user.is_authenticated:
            return _to_sign_in(request)
        response = view(cast(Visit, request), *args, **kwargs)
        add_never_cache_headers(response)
        return response

    return shown


def need(request: Visit, role: str) -> None:
    """Raises Forbidden where the person has not taken the role."""
    if not request.user.has_role(role):
        raise Forbidden(f"This needs the role {role}. You can take it on your account page.")


def count(request: HttpRequest) -> None:
    """Reads by strangers are counted. Raises TooManyRequests."""
    if not request.user.is_authenticated:
        throttles.take(f"read:{neighbourhood(request)}", settings.OPEN_READS_PER_MINUTE)


def problem(request: HttpRequest, error: ChainFaaSError) -> HttpResponse:
    """The page of an error."""
    context = {"error": error, "fault": FAULTS[error.fault]}
    response = render(request, "portal/problem.html", context, status=error.status)
    if error.retry_after_s is not None:
        response["Retry-After"] = str(error.retry_after_s)
    return response


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    if cast(Visit, request).htmx:  # a part of a page cannot hold the sign-in page
        return HttpResponseClientRedirect(resolve_url("portal:signin"))
    # A form that was sent cannot be sent again by a redirect: after signing in, start at home.
    return redirect_to_login(request.get_full_path() if request.method == "GET" else "/")
