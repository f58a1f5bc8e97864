"""Machines on the ledger: whose they are and which key signs their receipts."""

from __future__ import annotations

from chaincode.errors import ContractError
from chainfaas.errors import LedgerAway
from chainfaas.ledger.connection import transact
from chainfaas.models import Machine


def enrol(machine: Machine) -> None:
    """May be repeated."""
    _once(
        "enrol_machine",
        {"machine": machine.id, "provider": str(machine.owner_id), "certificate": machine.certificate},
    )


def revoke(machine: Machine) -> None:
    """Its receipts count no more. May be repeated."""
    _once("revoke_machine", {"machine": machine.id})


def _once(function: str, document: dict[str, str]) -> None:
    try:
        transact("monitoring", function, document)
    except ContractError as error:
        if error.code not in ("EXISTS", "ALREADY_DONE"):
            raise LedgerAway(f"The ledger refused the machine: {error}") from error
