"""`/healthz`: the process lives. `/readyz`: what it needs answers, each part named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse

from chainfaas import broker
from chainfaas.api import threads
from chainfaas.ledger import blocks

log = structlog.get_logger()

PATIENCE_S = 5


async def alive(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


async def ready(request: HttpRequest) -> JsonResponse:
    parts: dict[str, Callable[[], object]] = {
        "database": _ask_database,
        "broker": _ask_broker,
        "ledger": blocks.height,
    }
    states = await asyncio.gather(*(_state(name, ask) for name, ask in parts.items()))
    fine = all(state == "ok" for state in states)
    document = {"status": "ok" if fine else "away", "parts": dict(zip(parts, states, strict=True))}
    return JsonResponse(document, status=200 if fine else 503, headers={"Cache-Control": "no-store"})


async def _state(name: str, ask: Callable[[], object]) -> str:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await threads.run(ask)
    except Exception as error:  # noqa: BLE001 - whatever it is, the part does not answer
        log.warning("part.away", part=name, why=repr(error))
        return "away"
    return "ok"


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_broker() -> None:
    broker.connect(settings.BROKER_URL).connected()
