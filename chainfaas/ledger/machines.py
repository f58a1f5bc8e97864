"""Machines on the ledger: whose they are and which key signs their receipts."""

from __future__ import annotations

from chaincode.errors import ContractError
from chainfaas.errors import LedgerAway
from chainfaas.ledger.connection import transact
from chainfaas.models import Machine

DONE = ("EXISTS", "ALREADY_DONE")


def enrol(machine: Machine) -> None:
    """May be repeated."""
    _once(
        "enrol_machine",
        {"machine": machine.id, "provider": str(machine.owner_id), "certificate": machine.certificate},
    )


def revoke(machine: Machine) -> None:
    """Its receipts count no more. May be repeated; one that the ledger never knew has none that count."""
    _once("revoke_machine", {"machine": machine.id}, done=(*DONE, "NOT_FOUND"))


def _once(function: str, document: dict[str, str], done: tuple[str, ...] = DONE) -> None:
    try:
        transact("monitoring", function, document)
    except ContractError as error:
        if error.code not in done:
            raise LedgerAway(f"The ledger refused the machine: {error}") from error
