"""Signed transactions, kept in the database while nobody knows what became of them.

A remote ledger may commit a transaction and die before it says so. Asking again for the same thing would be
another transaction; the same envelope, submitted again, counts once. So it is stored before it is sent, and
deleted once its outcome is known: by who sent it, or, if that process died, at the next boot, by the sweeper,
or by the next debit of the same account.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial

import structlog
from django.db import transaction
from django.utils import timezone

from chaincode.client import Commit, Envelope, Ledger
from chaincode.errors import Conflict, ContractError, LedgerError, OutcomeUnknown, Refused, Unavailable
from chainfaas.models import LedgerEnvelope

log = structlog.get_logger()

PAUSES_S = (0.1, 0.3, 1.0, 2.0)
"""Before an envelope is looked up and submitted again by who sent it; after the last it is left to others."""

HOPELESS_S = 3600.0
"""An envelope that a ledger which answers did not take for so long is given up. That loses nothing: what it
was for is asked for again, and the contracts know repeats."""

_taking_up = threading.Lock()

ENDS = (Conflict, ContractError, Refused)
"""Answers that settle it: this envelope will never count."""


def submit(ledger: Ledger, envelope: Envelope, debited: Sequence[str] = ()) -> Commit:
    """Have it committed, and see it through. Raises OutcomeUnknown if that takes too long: it stays stored,
    and until it is resolved no other debit of these accounts begins."""
    _store(envelope, debited)
    try:
        commit = _see_through(ledger, envelope)
    except ENDS:
        _forget(envelope.tx_id)
        raise
    _forget(envelope.tx_id)
    return commit


def take_up(ledger: Ledger, older_than_s: float) -> None:
    """Resolve what was left over, until one stays unknown: the ledger needs time, and the next call begins
    with another. One at a time in this process."""
    if _taking_up.acquire(blocking=False):
        try:
            with suppress(Unavailable):
                while (tx_id := _left_over(older_than_s)) is not None and _resolve(ledger, tx_id):
                    pass
        finally:
            _taking_up.release()


def unresolved(ledger: Ledger, accounts: Iterable[str]) -> list[str]:
    """Those of the accounts of which an earlier debit's outcome is still not known. Raises Unavailable."""
    wanted, stuck = set(accounts), set[str]()
    for tx_id, debited in LedgerEnvelope.objects.order_by("stored_at").values_list("tx_id", "debited"):
        named = wanted.intersection(debited)
        if named and not _resolve(ledger, tx_id):
            stuck |= named
    return sorted(stuck)


def _see_through(ledger: Ledger, envelope: Envelope) -> Commit:
    ask: Callable[[Envelope], Commit] = ledger.submit
    failure = LedgerError()
    for pause in (*PAUSES_S, None):
        try:
            return ask(envelope)
        except ENDS:
            raise
        except LedgerError as error:
            failure = error
        log.warning("envelope.unknown", tx=envelope.tx_id, why=str(failure), again_in_s=pause)
        time.sleep(pause or 0)
        ask = partial(_again, ledger)
    raise OutcomeUnknown(f"transaction {envelope.tx_id}: {failure}") from failure


def _again(ledger: Ledger, envelope: Envelope) -> Commit:
    return ledger.status(envelope.tx_id) or ledger.submit(envelope)


def _left_over(older_than_s: float) -> str | None:
    """The one that was tried longest ago."""
    before = timezone.now() - timedelta(seconds=older_than_s)
    found = LedgerEnvelope.objects.filter(tried_at__lt=before).order_by("tried_at")
    return found.values_list("tx_id", flat=True).first()


def _resolve(ledger: Ledger, tx_id: str) -> bool:
    """Whether its outcome is known now. Raises Unavailable if the ledger does not answer."""
    with transaction.atomic():
        LedgerEnvelope.objects.filter(tx_id=tx_id).update(tried_at=timezone.now())
    kept = LedgerEnvelope.objects.filter(tx_id=tx_id).first()
    if kept is None:  # who sent it knows now
        return True
    known = ledger.status(tx_id) is not None or _submitted(ledger, kept)
    if known:
        _forget(tx_id)
    return known


def _submitted(ledger: Ledger, kept: LedgerEnvelope) -> bool:
    """Whether it is over for the envelope: committed now, void, or given up."""
    try:
        ledger.submit(Envelope.load(bytes(kept.data)))
    except ENDS as error:
        log.info("envelope.void", tx=kept.tx_id, why=str(error))
    except LedgerError as error:
        hopeless = timezone.now() - kept.stored_at > timedelta(seconds=HOPELESS_S)
        log.warning("envelope.stuck", tx=kept.tx_id, why=str(error), given_up=hopeless)
        return hopeless
    else:
        log.info("envelope.committed", tx=kept.tx_id)
    return True


def _store(envelope: Envelope, debited: Sequence[str]) -> None:
    kept = LedgerEnvelope(tx_id=envelope.tx_id, data=envelope.dump(), debited=list(debited))
    with transaction.atomic(durable=True):  # inside another one it would not be stored before it is sent
        kept.save(force_insert=True)


def _forget(tx_id: str) -> None:
    with transaction.atomic():
        LedgerEnvelope.objects.filter(tx_id=tx_id).delete()
