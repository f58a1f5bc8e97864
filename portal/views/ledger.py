"""The ledger: its blocks, open to all; a job's record, for its parties, peers and staff."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from chaincode.blocks import Verification
from chainfaas.jobs import selectors
from chainfaas.ledger import blocks as ledger
from portal import chain, records
from portal.errors import Visit, count, members, page
from portal.pages import next_query

BLOCKS = 20


@page
def blocks(request: HttpRequest) -> HttpResponse:
    """The chain, the latest block first."""
    count(request)
    return _shown(request)


@require_POST
@page
def verify(request: HttpRequest) -> HttpResponse:
    """Replay the whole chain, and tell what came of it."""
    count(request)
    return _shown(request, ledger.verify())


@page
def block(request: HttpRequest, number: int) -> HttpResponse:
    count(request)
    height = ledger.height()
    if number >= height:
        raise Http404
    found = ledger.block(number)
    context = {
        "found": found,
        "transactions": chain.rows(found, request.user),
        "previous": number - 1,
        "next": number + 1 if number + 1 < height else None,
    }
    return render(request, "portal/ledger/block.html", context)


@page
def transaction(request: HttpRequest, tx_id: str) -> HttpResponse:
    """To the block that it stands in."""
    count(request)
    number = ledger.of_transaction(tx_id)
    return redirect(f"{reverse('portal:block', args=[number])}#tx-{tx_id}")


@members
def job(request: Visit, id: UUID) -> HttpResponse:
    """What the ledger says of a job. Its provider has this page, and not the job's own."""
    found = selectors.ledger_job(request.user, id)
    changes = records.changes(found.key) if found.attempt else []
    context = {
        "job": found,
        "mine": request.user.id in (found.developer_id, found.caller_id),
        "changes": changes,
        "record": changes[-1].facts if changes else None,
    }
    return render(request, "portal/ledger/job.html", context)


def _shown(request: HttpRequest, checked: Verification | None = None) -> HttpResponse:
    height = ledger.height()
    before = request.GET.get("before", "")
    end = min(int(before), height) if before.isascii() and before.isdigit() and len(before) < 16 else height
    start = max(0, end - BLOCKS)
    context = {
        "height": height,
        "last": next(iter(ledger.read(height - 1, 1)), None),
        "blocks": ledger.read(start, end - start)[::-1] if end > start else [],
        "older": next_query(request, start) if start else None,
        "checked": checked,
    }
    return render(request, "portal/ledger/blocks.html", context)
