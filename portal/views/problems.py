"""What can go wrong, for people. The API tells of one problem at its own address."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from chainfaas.api import problems
from portal.errors import page


@page
def index(request: HttpRequest) -> HttpResponse:
    kinds = sorted(problems.every().values(), key=lambda kind: (kind.status, kind.slug))
    rows = [
        {"slug": kind.slug, "status": kind.status, "fault": kind.fault, "text": kind().detail}
        for kind in kinds
    ]
    return render(request, "portal/problems.html", {"problems": rows})
