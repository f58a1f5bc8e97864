"""Who runs a contract: this process, or somebody behind a stream. The ledger asks it by this seam alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from chaincode import canonical, contracts
from chaincode.errors import Code, ContractError

if TYPE_CHECKING:
    from chaincode.stub import Stub


class Executor(Protocol):
    """Runs one call. It reads and writes through the stub and nothing else, and keeps no state of its own."""

    def execute(self, stub: Stub, contract: str, arguments: Sequence[bytes]) -> bytes:
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
