"""The first page: what somebody's roles ask for, or for a stranger, what this is."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from chainfaas import accounts
from chainfaas.errors import LedgerAway
from chainfaas.jobs import figures, selectors
from chainfaas.ledger import blocks
from chainfaas.models import Job, User
from chainfaas.models.functions import EXAMPLE
from portal import presence
from portal.errors import Visit, members, page
from portal.hours import chart

LATEST = 5


@page
def home(request: HttpRequest) -> HttpResponse:
    return _home(request) if request.user.is_authenticated else render(request, "portal/landing.html")


@members
def _home(request: Visit) -> HttpResponse:
    user = request.user
    context: dict[str, Any] = {"balance": _balance(user)}
    if user.has_role("developer"):
        context |= _developer(user)
    if user.has_role("provider"):
        context |= _provider(user)
    if user.has_role("peer"):
        context["peer"] = _peer()
    return render(request, "portal/home.html", context)


def _developer(user: User) -> dict[str, Any]:
    calls = figures.calls(Job.objects.filter(developer=user))
    return {
        "developer": calls,
        "chart": chart(calls.hours),
        "jobs": selectors.jobs_of(user)[:LATEST],
        "example": selectors.functions_of(user).filter(name=EXAMPLE).exists(),
    }


def _provider(user: User) -> dict[str, Any]:
    rows = [
        {"machine": machine, "state": presence.state(machine), "figures": selectors.machine_figures(machine)}
        for machine in selectors.machines_of(user)
    ]
    ready = sum(row["state"] == presence.READY for row in rows)
    return {"provider": figures.earnings(user), "rows": rows, "ready": ready}


def _peer() -> dict[str, Any]:
    """Nothing in it: the ledger is away, and the rest of the page does not care."""
    try:
        height = blocks.height()
        return {"height": height, "last": next(iter(blocks.read(height - 1, 1)), None)}
    except LedgerAway:
        return {"height": 0}


def _balance(user: User) -> Any:
    try:
        return accounts.balance(user)
    except LedgerAway:
        return None
