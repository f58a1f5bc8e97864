"""Who runs a contract: this process, or somebody behind a stream. The ledger asks it by this seam alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from chaincode import canonical, contracts
from chaincode.errors import Code, ContractError
from chaincode.stub import Stub


@dataclass(frozen=True)
class Signed:
    """A proposal and its creator's signature, as they came."""

    proposal: bytes = b""
    signature: bytes = b""


class Transaction(Stub, Protocol):
    """A stub within the ledger: it can hand the call on as it is."""

    @property
    def signed(self) -> Signed: ...

    def call(self, contract: str, arguments: Sequence[bytes], /) -> bytes:
        """`invoke`, with the arguments and the answer as they travel."""
        ...


class Executor(Protocol):
    """Runs one call. It reads and writes through the stub and nothing else, and keeps no state of its own."""

    def execute(self, stub: Transaction, contract: str, arguments: Sequence[bytes]) -> bytes:
        """The answer of the function that `arguments` begins with.

        Raises ContractError where the contract says no, and Unavailable where it cannot be asked.
        """
        ...


class InProcess:
    """The contracts of this program."""

    def execute(self, stub: Stub, contract: str, arguments: Sequence[bytes]) -> bytes:
        function, document = _call(arguments)
        return canonical.data(contracts.call(stub, contract, function, document))


def _call(arguments: Sequence[bytes]) -> tuple[str, Any]:
    """A function's name and one JSON document. Raises ContractError for anything else."""
    if len(arguments) != 2:
        raise ContractError(Code.BAD_ARGUMENT, "a call is a function's name and one document")
    try:
        return arguments[0].decode(), json.loads(arguments[1], parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ContractError(Code.BAD_ARGUMENT, "the document is not JSON") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
