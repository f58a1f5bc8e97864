"""Who may do what. Roles come from the caller's certificate, never from an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaincode.errors import Code, ContractError
from chaincode.identity import PLATFORM, PROVIDERS

if TYPE_CHECKING:
    from chaincode.identity import Caller

READERS = ("peer", "staff")
"""Roles that read everything, of whichever organisation: each holds the whole ledger anyway."""


def is_controller(caller: Caller) -> bool:
    """Only the platform's own certificates count: the providers' CA cannot appoint a controller."""
    return caller.msp_id == PLATFORM and caller.role == "controller"


def require_controller(caller: Caller) -> None:
    if not is_controller(caller):
        raise ContractError(Code.FORBIDDEN, "only the controller may do this")


def require_machine_of(caller: Caller, provider: str) -> None:
    mine = caller.msp_id == PROVIDERS and caller.role == "machine" and caller.user == provider
    if not mine:
        raise ContractError(
            Code.FORBIDDEN, "only the owner of the machine may do this, with its own identity"
        )


def require_reader(caller: Caller, *users: str | None) -> None:
    """The controller, a peer, staff, or one of these users."""
    if is_controller(caller) or caller.role in READERS:
        return
    if not caller.user or caller.user not in users:
        raise ContractError(Code.FORBIDDEN, "this is not yours to read")
