"""What the two contracts share: dispatch by name and typed records over the stub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from chaincode.contracts import arguments
from chaincode.errors import Code, ContractError

if TYPE_CHECKING:
    from chaincode.contracts.records import Record
    from chaincode.stub import Stub

R = TypeVar("R", bound="Record")


class Contract:
    """A contract over one transaction's stub. `functions` maps each name to the shape of its document."""

    name: ClassVar[str]
    functions: ClassVar[dict[str, type]]

    def __init__(self, stub: Stub) -> None:
        self.stub = stub

    def call(self, function: str, document: object) -> Any:
        if function not in self.functions:
            raise ContractError(Code.BAD_ARGUMENT, f"{self.name} has no such function")
        return getattr(self, function)(arguments.parse(self.functions[function], document))

    def get(self, kind: type[R], key: str) -> R | None:
        text = self.stub.get(key)
        return None if text is None else kind.load(text)

    def put(self, key: str, record: Record) -> None:
        self.stub.put(key, record.dump())
