"""Data, its constraints, and the table of job states."""

from chainfaas.models.accounts import AccountChange, AccountPart, IndexedHeight
from chainfaas.models.envelopes import LedgerEnvelope
from chainfaas.models.functions import Function
from chainfaas.models.jobs import Job, JobInput, JobOutput, Move
from chainfaas.models.machines import Machine
from chainfaas.models.states import State
from chainfaas.models.users import Token, User

__all__ = [
    "AccountChange",
    "AccountPart",
    "Function",
    "IndexedHeight",
    "Job",
    "JobInput",
    "JobOutput",
    "LedgerEnvelope",
    "Machine",
    "Move",
    "State",
    "Token",
    "User",
]
