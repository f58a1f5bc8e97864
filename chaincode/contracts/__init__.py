"""The two contracts. Pure: the answer follows from the state, the caller and the document alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaincode.contracts.contract import Contract
from chaincode.contracts.monetary import Monetary
from chaincode.contracts.monitoring import Monitoring
from chaincode.errors import Code, ContractError

if TYPE_CHECKING:
    from chaincode.stub import Stub

CONTRACTS: dict[str, type[Contract]] = {kind.name: kind for kind in (Monitoring, Monetary)}


def call(stub: Stub, contract: str, function: str, document: object) -> Any:
    """Run one function. Raises ContractError, and nothing else, whatever the document."""
    if contract not in CONTRACTS:
        raise ContractError(Code.BAD_ARGUMENT, "there is no such contract")
    return CONTRACTS[contract](stub).call(function, document)
