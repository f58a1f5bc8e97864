"""What can go wrong between a caller and the ledger.

LedgerError
├── ContractError     the contract said no; the same call will be refused again
├── Conflict          somebody was faster (code 11); endorse again          retry
├── Unavailable       the ledger cannot be reached or opened now            retry
├── OutcomeUnknown    it may have been committed: ask `status`, then submit the same envelope again
├── Misbehaved        the ledger's answer is not one to what was asked; nothing was signed
└── Refused           the identity, its signature or the envelope is not accepted

`fault` says whose: the caller's for ContractError and Refused, else the platform's.
"""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """Why a contract said no. The codes are stable: programs branch on them."""

    NOT_FOUND = "NOT_FOUND"
    EXISTS = "EXISTS"
    FORBIDDEN = "FORBIDDEN"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    BAD_RECEIPT = "BAD_RECEIPT"
    ALREADY_DONE = "ALREADY_DONE"
    WRONG_ATTEMPT = "WRONG_ATTEMPT"
    BAD_ARGUMENT = "BAD_ARGUMENT"


class LedgerError(Exception):
    """The ledger could not do it."""

    code: str = "LEDGER_ERROR"
    fault: str = "platform"
    retry: bool = False

    def __init__(self, detail: str = "") -> None:
        self.detail = detail or (self.__doc__ or "").strip()
        super().__init__(self.detail)


class ContractError(LedgerError):
    """The contract refused the call."""

    fault = "caller"

    def __init__(self, code: Code | str, detail: str = "") -> None:
        super().__init__(detail)
        self.code = Code(code)

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


class Conflict(LedgerError):
    """Something that the transaction read was changed before it was committed."""

    code = "MVCC_READ_CONFLICT"
    retry = True


class Unavailable(LedgerError):
    """The ledger cannot be reached now."""

    code = "UNAVAILABLE"
    retry = True


class OutcomeUnknown(LedgerError):
    """The transaction was sent, and whether it was committed is not known."""

    code = "OUTCOME_UNKNOWN"


class Misbehaved(LedgerError):
    """The ledger answered something else than what it was asked for."""

    code = "MISBEHAVED"


class Refused(LedgerError):
    """The ledger does not accept this identity or its signature."""

    code = "REFUSED"
    fault = "caller"
