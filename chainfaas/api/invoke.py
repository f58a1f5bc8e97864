"""`POST /api/v1/functions/{owner}/{name}/invoke`: a call, from its body to its result.

A coroutine: a call that waits for its job costs a dictionary entry and no thread. It is woken by a bell; the
job's row is what it believes, and it looks there now and then even if no bell rings.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

import structlog
from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from kombu.exceptions import OperationalError
from rest_framework.request import Request
from rest_framework.response import Response

from chaincode import pricing
from chainfaas import accounts, dispatch, errors, waiting
from chainfaas.api import metrics, outcomes, preferences, problems, threads, throttles
from chainfaas.api.addresses import neighbourhood
from chainfaas.api.authentication import caller
from chainfaas.api.jobs import ENDS, HEADERS, OUTPUT, JobShape, shown
from chainfaas.api.permissions import Need
from chainfaas.api.preferences import Preference
from chainfaas.api.schema import describe
from chainfaas.api.throttles import PublicCalls
from chainfaas.api.views import View
from chainfaas.errors import (
    ChainFaaSError,
    JobCancelled,
    NoFunds,
    NoProviderReady,
    NoRuntime,
    StillRunning,
    TooLarge,
)
from chainfaas.jobs import lifecycle, placing, selectors
from chainfaas.models import Job, User
from tasks import limits

log = structlog.get_logger()

MARGIN_S = 30
"""On top of a function's time limit, before a call that waits is told that the job still runs."""
FIRST_NAP_S, LONGEST_NAP_S = 1.0, 10.0
"""How soon a waiting call looks at its job although no bell rang."""
FIRST_TRY_S, LONGEST_TRY_S = 0.05, 0.5
"""How soon it looks for a machine again."""

ANY_BODY = dict.fromkeys(("application/octet-stream", "text/plain", "application/json"), OpenApiTypes.BINARY)


@dataclass(frozen=True)
class Call:
    """One caller's interest in a job; with a key, several calls have the same job."""

    job: Job
    caller: User | None
    new: bool  #: this call made the job
    address: str  #: where the job can be seen; for a caller without a token, with the key to it
    until: float  #: how long the caller waits, by the clock of time.monotonic()


class Invoke(View):
    needs = {"POST": Need(("invoke",), token=False)}
    throttle_classes = [PublicCalls]
    parser_classes = []  # any body is the function's input

    @describe(
        "invokeFunction",
        {**OUTPUT, 202: JobShape},
        errors.NotFound,
        errors.FunctionStopped,
        TooLarge,
        errors.KeyReused,
        errors.BudgetSpent,
        NoProviderReady,
        NoRuntime,
        errors.BrokerAway,
        StillRunning,
        *ENDS,
        request=ANY_BODY,
        parameters=[preferences.PREFER, preferences.IDEMPOTENCY_KEY, *HEADERS],
        open=True,
    )
    async def post(self, request: Request, owner: str, name: str) -> HttpResponse:
        """Call a function: the body is its stdin, the answer its stdout. A public function needs no token."""
        began = time.monotonic()
        wish = Preference.of(request)
        call = await threads.run_or_undo(
            partial(_submitted, request, owner, name, wish), partial(_hung_up, wish=wish)
        )
        with metrics.waiting_calls.track_inprogress():
            response = await _answered(call, wish)
        metrics.calls.labels(_word(response.status_code)).inc()
        metrics.call_seconds.observe(time.monotonic() - began)
        return response


async def _answered(call: Call, wish: Preference) -> HttpResponse:
    try:
        with waiting.connect(settings.WAKE_URL).listen(call.job.key) as bell:
            if call.new and wish.respond_async:
                await threads.run(_accept, call.job)
            elif call.new:
                await _find_machine(call, bell)
            await _wait_for_end(call, bell)
    except ChainFaaSError as error:
        error.context.setdefault("job", call.job.key)
        return problems.answer(error)
    except asyncio.CancelledError:
        threads.later(_hung_up, call, wish)
        raise
    return await threads.run(_told, call, wish)


# --- the steps, each in a thread ---------------------------------------------------------------------------


def _submitted(request: Request, owner: str, name: str, wish: Preference) -> Call:
    """The call's job, new or known by its key."""
    who = caller(request)
    function = selectors.function(who, owner, name, to_call=True)
    if who is None:
        throttles.take(f"call:{neighbourhood(request)}:{function.id}", settings.PUBLIC_CALLS_PER_MINUTE)
    result_key = "" if who is not None else secrets.token_urlsafe(32)
    job, new = lifecycle.submit(
        function,
        who,
        _body(request),
        key=preferences.key(request),
        result_key=hashlib.sha256(result_key.encode()).hexdigest() if result_key else "",
        waits=not wish.respond_async,
    )
    patience_s = wish.wait_s
    if patience_s is None:
        patience_s = 0 if wish.respond_async else job.timeout_s + MARGIN_S
    address = f"/api/v1/jobs/{job.key}" + (f"?key={result_key}" if result_key else "")
    return Call(job, who, new, address, time.monotonic() + min(patience_s, settings.LONGEST_WAIT_S))


def _body(request: Request) -> bytes:
    """All of the body, if it is not over the limit: whatever Content-Length says, or does not say."""
    body: bytes = request.read(limits.BODY + 1)
    if len(body) > limits.BODY:
        raise TooLarge
    return body


def _accept(job: Job) -> None:
    """Have an asynchronous call placed by a worker; if that cannot be asked now, the sweeper will see it."""
    try:
        needed = pricing.hold(job.timeout_ms, job.max_rate, job.memory_mb)
        if accounts.balance(job.developer).free < needed:
            raise NoFunds
        with suppress(OperationalError):  # nobody knows now who is connected
            placing.check_runtime(job)
    except ChainFaaSError as error:
        lifecycle.refuse(job, error)
        raise
    try:
        dispatch.place(job.key)
    except OperationalError as error:
        log.warning("job.not_announced", job=job.key, why=str(error))


def _place(job: Job) -> None:
    job.refresh_from_db()  # a worker may have placed it meanwhile
    lifecycle.place(job)


def _refuse(job: Job, error: ChainFaaSError) -> None:
    """The answer is this error, unless a machine got the job in the last moment."""
    lifecycle.refuse(job, error)
    job.refresh_from_db()
    if job.ended:
        raise error


def _hung_up(call: Call, wish: Preference) -> None:
    """Nobody wants a job whose caller is gone before a machine has it, unless the same call came again
    meanwhile, which is what callers do when their connection breaks: then a worker has to place it."""
    if not call.new or wish.respond_async:
        return
    if waiting.connect(settings.WAKE_URL).heard(call.job.key):
        dispatch.place(call.job.key)
    else:
        lifecycle.refuse(call.job, JobCancelled("The caller hung up before a machine had the job."))


def _told(call: Call, wish: Preference) -> HttpResponse:
    """What the caller is told when its waiting is over."""
    job = shown(Job.objects.select_related("developer")).get(id=call.job.id)
    if job.ended and not (wish.respond_async and wish.wait_s is None):
        response = outcomes.answer(job, call.caller)
    elif wish.respond_async:
        response = Response(JobShape(job).data, status=202)
        response["Location"] = call.address
        response["Retry-After"] = "1"
        response["ChainFaaS-Job-Id"] = job.key
    else:
        return problems.answer(StillRunning(job=job.key, location=call.address))
    if str(wish):
        response["Preference-Applied"] = str(wish)
    return response


# --- the waiting -------------------------------------------------------------------------------------------


async def _find_machine(call: Call, bell: asyncio.Event) -> None:
    """Place the job, waiting a little where every machine is full. Raises what refused it."""
    until = time.monotonic() + settings.PLACE_WAIT_S
    nap = FIRST_TRY_S
    while True:
        try:
            return await threads.run(_place, call.job)
        except NoProviderReady as error:
            if isinstance(error, NoRuntime) or time.monotonic() + nap > until:
                return await threads.run(_refuse, call.job, error)
        except (ChainFaaSError, OperationalError) as error:
            return await threads.run(_refuse, call.job, problems.known(error))
        await _heard(bell, nap)
        nap = min(nap * 2, LONGEST_TRY_S)


async def _wait_for_end(call: Call, bell: asyncio.Event) -> None:
    nap = FIRST_NAP_S
    while not call.job.ended and (left := call.until - time.monotonic()) > 0:
        await _heard(bell, min(nap, left))
        await threads.run(call.job.refresh_from_db)
        nap = min(nap * 1.5, LONGEST_NAP_S)


async def _heard(bell: asyncio.Event, seconds: float) -> None:
    """Until the bell rings, or so long."""
    try:
        async with asyncio.timeout(seconds):
            await bell.wait()
    except TimeoutError:
        return
    bell.clear()


def _word(status: int) -> str:
    """A status as the metrics have it."""
    return HTTPStatus(status).phrase.lower().replace(" ", "_")
