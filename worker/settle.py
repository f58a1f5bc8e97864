"""The provider's own way to its pay.

The receipt in a result lets the controller confirm, time and pay a job in one transaction. Where that does
not appear on the ledger in time, the machine says there itself how long it ran, and once the controller
confirmed the attempt, has it paid. Both ways may meet: a job ends once.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from chaincode import client
from chaincode.client import Ledger
from chaincode.errors import Code, ContractError, LedgerError
from chaincode.identity import Identity
from tasks.messages import Result
from worker.claims import Claim, Claims
from worker.config import Config

log = structlog.get_logger()

PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Before looking at a claim again; the last one is repeated."""

KEEP_S = 7 * 24 * 3600.0
"""A claim that is as old as this is given up: the controller has released the job long ago."""

STOP_S = 3.0

TIMED = (Code.ALREADY_DONE, Code.EXISTS)
"""This attempt's time stands on the ledger."""


@dataclass(order=True)
class _Turn:
    """When a claim is looked at next, by the clock of time.monotonic()."""

    at: float
    claim: Claim = field(compare=False)
    looks: int = field(default=0, compare=False)


class Settler:
    """`start` first, `watch` what was done, `stop` at the end: what is not paid by then is taken up in the
    next life. Without a ledger's URL it does nothing at all."""

    def __init__(
        self, config: Config, identity: Identity, connect: Callable[[str, Identity], Ledger] = client.connect
    ) -> None:
        self._config = config
        self._identity = identity
        self._connect = connect
        self._claims = Claims(config.data / "claims")
        self._ledger: Ledger | None = None
        self._turns: list[_Turn] = []
        self._watched: set[str] = set()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"settle-{config.machine}", daemon=True)

    def start(self) -> None:
        if self._config.ledger_url:
            for claim in self._claims.all():
                self._expect(claim)
            self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def watch(self, result: Result) -> None:
        """See that an attempt is paid, if its function ran. On the disk before this returns; may be
        repeated."""
        if not self._config.ledger_url or not result.signature:
            return
        claim = Claim.of(result)
        with self._changed:
            known = claim.id in self._watched
        if not known:
            try:
                self._claims.keep(claim)
            except OSError as error:  # no reason to keep the result from its owner
                log.error("claim.not_kept", job=claim.job, error=error.strerror)
            self._expect(claim)

    # The thread's.

    def _run(self) -> None:
        while (turn := self._next()) is not None:
            if self._is_over(turn.claim):
                self._claims.forget(turn.claim)
                with self._changed:
                    self._watched.discard(turn.claim.id)
            else:
                pause = PAUSES_S[min(turn.looks, len(PAUSES_S) - 1)]
                with self._changed:
                    later = _Turn(time.monotonic() + pause, turn.claim, turn.looks + 1)
                    heapq.heappush(self._turns, later)
        if self._ledger is not None:
            self._ledger.close()

    def _next(self) -> _Turn | None:
        """The next claim, as soon as it is its turn; None at the end."""
        with self._changed:
            while not self._stopping:
                wait = self._turns[0].at - time.monotonic() if self._turns else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._turns)
                self._changed.wait(wait)
        return None

    def _expect(self, claim: Claim) -> None:
        """Its first turn is when the grace is over."""
        grace = claim.ended_at + self._config.settle_after_s - time.time()
        with self._changed:
            self._watched.add(claim.id)
            heapq.heappush(self._turns, _Turn(time.monotonic() + grace, claim))
            self._changed.notify()

    def _is_over(self, claim: Claim) -> bool:
        """Whether there is nothing left to do for it, after this did what can be done now."""
        try:
            return self._pursue(claim)
        except ContractError as error:
            over = error.code != Code.NOT_FOUND  # the job, or the other side's word, may still come
            log.info("settle.refused", job=claim.job, attempt=claim.attempt, why=str(error), over=over)
            return over
        except LedgerError as error:
            log.warning("settle.waits", job=claim.job, attempt=claim.attempt, why=str(error))
        except Exception:  # the thread must live on, for the other claims
            log.exception("settle.broke", job=claim.job, attempt=claim.attempt)
        return self._is_too_old(claim)

    def _pursue(self, claim: Claim) -> bool:
        ledger = self._opened()
        record = ledger.evaluate("monitoring", "read", {"job": claim.job})
        if not self._is_due(record, claim):
            return True
        if record["time_ms"] is None:
            self._set_time(ledger, claim)
        if not record["received"]:
            return self._is_too_old(claim)
        paid, _ = ledger.transact("monitoring", "settle", {"job": claim.job})
        log.info("settle.paid", job=claim.job, attempt=claim.attempt, cost=paid["cost"])
        return True

    def _is_due(self, record: dict[str, Any], claim: Claim) -> bool:
        """Whether it is still to be paid, and to this machine for this attempt."""
        ended = record["payment_done"] or record["outcome"] == "released"
        ours = (record["machine"], record["attempt"]) == (self._config.machine, claim.attempt)
        return ours and not ended

    def _set_time(self, ledger: Ledger, claim: Claim) -> None:
        try:
            ledger.transact("monitoring", "set_time", claim.time())
        except ContractError as error:
            if error.code not in TIMED:
                raise
        log.info("settle.time_set", job=claim.job, attempt=claim.attempt, run_ms=claim.run_ms)

    def _is_too_old(self, claim: Claim) -> bool:
        given_up = time.time() - claim.ended_at > KEEP_S
        if given_up:
            log.error("settle.given_up", job=claim.job, attempt=claim.attempt)
        return given_up

    def _opened(self) -> Ledger:
        if self._ledger is None:
            self._ledger = self._connect(self._config.ledger_url, self._identity)
        return self._ledger
