"""What can go wrong, and whose fault it is. The fault decides status, retry and payment.

ChainFaaSError
├── BadInput                 400  caller
├── NotSignedIn              401  caller
├── NoFunds                  402  caller
├── Forbidden                403  caller
├── NotFound                 404  caller
├── WrongMethod              405  caller
├── RequestTimeout           408  caller
├── Taken                    409  caller
│   ├── FunctionStopped
│   ├── HostedHere
│   └── NotReady
├── TooLarge                 413  caller
├── WrongMediaType           415  caller
├── KeyReused                422  caller
├── TooManyRequests          429  caller
│   └── BudgetSpent
├── FunctionFailed           502  function
├── FunctionTimeout          504  function
├── StillRunning             504  platform
├── JobCancelled             409  caller
├── JobLost                  503  provider
├── NoProviderReady          503  platform
│   └── NoRuntime
├── LedgerAway               503  platform
├── BrokerAway               503  platform
├── DatabaseAway             503  platform
└── Busy                     503  platform

`type` in a problem document is `/problems/<slug>`; docs/problems.md lists every slug.
"""

from __future__ import annotations

from typing import ClassVar


class ChainFaaSError(Exception):
    """Something went wrong on our side."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    fault: ClassVar[str] = "platform"
    retry_after_s: int | None = None

    def __init__(self, detail: str = "", *, retry_after_s: int | None = None, **context: object) -> None:
        super().__init__(detail or " ".join((self.__doc__ or "").split("\n\n")[0].split()))
        self.context = context
        if retry_after_s is not None:
            self.retry_after_s = retry_after_s

    @property
    def detail(self) -> str:
        return str(self)


class BadInput(ChainFaaSError):
    """The request is not what this address takes."""

    status, slug, title, fault = 400, "bad-input", "Bad input", "caller"


class NotSignedIn(ChainFaaSError):
    """A valid token is needed: `Authorization: Bearer cfs_…`."""

    status, slug, title, fault = 401, "not-signed-in", "Not signed in", "caller"


class NoFunds(ChainFaaSError):
    """The account cannot cover the hold for this call. Deposit with `POST /api/v1/deposits {"amount": …}`
    or `chainfaas ledger deposit AMOUNT`, then call again."""

    status, slug, title, fault = 402, "no-funds", "Not enough funds", "caller"


class Forbidden(ChainFaaSError):
    """This token or role may not do that."""

    status, slug, title, fault = 403, "forbidden", "Forbidden", "caller"


class NotFound(ChainFaaSError):
    """There is no such thing, or it is not yours."""

    status, slug, title, fault = 404, "not-found", "Not found", "caller"


class WrongMethod(ChainFaaSError):
    """This address does not take that method; the header `Allow` names those that it takes."""

    status, slug, title, fault = 405, "wrong-method", "Method not allowed", "caller"


class RequestTimeout(ChainFaaSError):
    """The request's body did not come to its end within a minute."""

    status, slug, title, fault = 408, "request-timeout", "Request timed out", "caller"


class Taken(ChainFaaSError):
    """That is taken already."""

    status, slug, title, fault = 409, "conflict", "Conflict", "caller"


class FunctionStopped(Taken):
    """The function is stopped; its owner can start it again."""

    slug, title = "function-stopped", "Function stopped"


class HostedHere(Taken):
    """This server runs on the embedded broker, which no other machine can reach. `chainfaas up --providers N`
    hosts N machines in the server itself; enrolling others needs the full stack."""

    slug, title = "embedded-broker", "Machines are hosted here"


class NotReady(Taken):
    """The job has not ended yet, so it has no result."""

    slug, title, retry_after_s = "not-ready", "Not ready", 1


class TooLarge(ChainFaaSError):
    """The body is larger than 1 MiB."""

    status, slug, title, fault = 413, "too-large", "Too large", "caller"


class WrongMediaType(ChainFaaSError):
    """This address takes `Content-Type: application/json`."""

    status, slug, title, fault = 415, "wrong-media-type", "Unsupported media type", "caller"


class KeyReused(ChainFaaSError):
    """This Idempotency-Key was used with another function or body."""

    status, slug, title, fault = 422, "key-reused", "Key reused", "caller"


class TooManyRequests(ChainFaaSError):
    """Too many calls; wait a little."""

    status, slug, title, fault = 429, "too-many-requests", "Too many requests", "caller"
    retry_after_s = 60


class BudgetSpent(TooManyRequests):
    """The function's budget for today is spent; it can be called again tomorrow (UTC)."""

    slug, title = "budget-spent", "Daily budget spent"


class FunctionFailed(ChainFaaSError):
    """The function ended with an error."""

    status, slug, title, fault = 502, "function-failed", "Function failed", "function"  # it ran: billed


class FunctionTimeout(ChainFaaSError):
    """The function ran longer than its time limit."""

    status, slug, title, fault = 504, "function-timeout", "Function timed out", "function"  # it ran: billed


class StillRunning(ChainFaaSError):
    """The job goes on; its address tells when it is done."""

    status, slug, title = 504, "still-running", "Still running"
    retry_after_s = 5


class JobCancelled(ChainFaaSError):
    """The job was cancelled."""

    status, slug, title, fault = 409, "job-cancelled", "Job cancelled", "caller"


class JobLost(ChainFaaSError):
    """No provider brought the job to an end. Nothing was billed; call again."""

    status, slug, title, fault = 503, "job-lost", "Job lost", "provider"
    retry_after_s = 5


class NoProviderReady(ChainFaaSError):
    """No machine can take this job now. Nothing was billed; call again in a moment."""

    status, slug, title = 503, "no-provider", "No provider ready"
    retry_after_s = 2


class NoRuntime(NoProviderReady):
    """No connected machine runs containers, only the bundled functions (chainfaas/wordcount, echo, …).
    Enrol a machine with Docker, or deploy a bundled image."""

    slug, title = "no-runtime", "No machine runs this image"


class LedgerAway(ChainFaaSError):
    """The ledger does not answer. Nothing was billed; call again in a moment."""

    status, slug, title = 503, "ledger-away", "Ledger away"
    retry_after_s = 2


class BrokerAway(ChainFaaSError):
    """The message broker does not answer. Nothing was billed; call again in a moment."""

    status, slug, title = 503, "broker-away", "Broker away"
    retry_after_s = 2


class DatabaseAway(ChainFaaSError):
    """The database does not answer. Call again in a moment."""

    status, slug, title = 503, "database-away", "Database away"
    retry_after_s = 2


class Busy(ChainFaaSError):
    """Too many large requests are on their way at this moment. Nothing was billed; call again in a moment."""

    status, slug, title = 503, "busy", "Busy"
    retry_after_s = 5
