"""Turns every error into application/problem+json (RFC 9457). No answer carries a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    UnreadablePostError,
)
from django.views import defaults
from kombu.exceptions import OperationalError as BrokerError
from rest_framework import exceptions

from chaincode.errors import Code, ContractError, LedgerError
from chainfaas import errors
from chainfaas.errors import ChainFaaSError

log = structlog.get_logger()

MEMBERS = ("job", "exit_code", "logs", "errors")
"""What a problem may tell beside the standard members."""

OURS = ("/api/", "/problems/", "/healthz", "/readyz", "/metrics")
"""Addresses that programs read: their problems are JSON, those of the pages are pages."""

_TRANSLATED: tuple[tuple[type[Exception], type[ChainFaaSError]], ...] = (
    (exceptions.NotAuthenticated, errors.NotSignedIn),
    (exceptions.AuthenticationFailed, errors.NotSignedIn),
    (exceptions.PermissionDenied, errors.Forbidden),
    (PermissionDenied, errors.Forbidden),
    (exceptions.NotFound, errors.NotFound),
    (Http404, errors.NotFound),
    (exceptions.MethodNotAllowed, errors.WrongMethod),
    (exceptions.UnsupportedMediaType, errors.WrongMediaType),
    (RequestDataTooBig, errors.TooLarge),
    (SuspiciousOperation, errors.BadInput),
    (UnreadablePostError, errors.BadInput),
    (exceptions.ParseError, errors.BadInput),
    (LedgerError, errors.LedgerAway),
    (BrokerError, errors.BrokerAway),
    (OperationalError, errors.DatabaseAway),
    (InterfaceError, errors.DatabaseAway),
)


def known(error: Exception) -> ChainFaaSError:
    """The error as one of ours. What nobody foresaw is logged here, and told as nothing but that."""
    if isinstance(error, ChainFaaSError):
        return error
    if isinstance(error, exceptions.ValidationError):
        return _invalid(error.detail)
    if isinstance(error, ContractError):
        return _refused(error)
    for theirs, ours in _TRANSLATED:
        if isinstance(error, theirs):
            if ours.status >= 500:
                log.warning("api.part_away", why=str(error))
            return ours()
    log.error("api.broken", exc_info=error)
    return ChainFaaSError("Something went wrong on our side; it is in the server's log.")


def answer(error: Exception) -> HttpResponse:
    """The response that tells of an error."""
    problem = known(error)
    members = {name: problem.context[name] for name in MEMBERS if name in problem.context}
    response = JsonResponse(
        {
            "type": f"/problems/{problem.slug}",
            "title": problem.title,
            "status": problem.status,
            "detail": problem.detail,
            "fault": problem.fault,
            **members,
        },
        status=problem.status,
        content_type="application/problem+json",
    )
    for name, value in _headers(problem):
        response[name] = value
    return response


def handle(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """For Django REST framework."""
    return answer(error)


def every() -> dict[str, type[ChainFaaSError]]:
    """All that can go wrong, by slug."""
    found = {ChainFaaSError.slug: ChainFaaSError}
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, ChainFaaSError):
            found.setdefault(kind.slug, kind)
    return found


def explain(request: HttpRequest, slug: str) -> HttpResponse:
    """What a problem's `type` leads to."""
    kind = every().get(slug)
    if kind is None:
        return answer(errors.NotFound(f"There is no problem {slug!r}."))
    about = " ".join((kind.__doc__ or "").split())
    text = f"{kind.title}\n\nHTTP status {kind.status}; fault: {kind.fault}.\n\n{about}\n"
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


# What Django itself answers with, for addresses that are no page.


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return answer(errors.BadInput()) if _ours(request) else defaults.bad_request(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if _ours(request):
        return answer(errors.NotFound("There is nothing at this address."))
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    return answer(ChainFaaSError()) if _ours(request) else defaults.server_error(request)


def _ours(request: HttpRequest) -> bool:
    return request.path.startswith(OURS)


def _headers(problem: ChainFaaSError) -> Iterator[tuple[str, str]]:
    yield "Cache-Control", "no-store"
    yield "X-Content-Type-Options", "nosniff"
    if problem.status == 401:
        yield "WWW-Authenticate", 'Bearer realm="ChainFaaS"'
    if problem.retry_after_s is not None:
        yield "Retry-After", str(problem.retry_after_s)
    if "job" in problem.context:
        yield "ChainFaaS-Job-Id", str(problem.context["job"])
    if "location" in problem.context:
        yield "Location", str(problem.context["location"])


def _refused(error: ContractError) -> ChainFaaSError:
    if error.code == Code.NOT_FOUND:
        return errors.NotFound("The ledger does not have it.")
    if error.code == Code.INSUFFICIENT_FUNDS:
        return errors.NoFunds()
    log.error("ledger.refused", code=error.code, why=error.detail)
    return errors.LedgerAway("The ledger refused it.")


def _invalid(detail: Any) -> ChainFaaSError:
    fields = detail if isinstance(detail, dict) else {"body": detail}
    texts = [f"{name}: {text}" for name, part in fields.items() for text in _texts(part)]
    return errors.BadInput(" ".join(texts), errors=fields)


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for name, inner in part.items():
            yield from (f"{name}: {text}" for text in _texts(inner))
    elif isinstance(part, list):
        for inner in part:
            yield from _texts(inner)
    else:
        yield str(part)
