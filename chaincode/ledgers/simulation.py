"""The stub over a store: changes nothing, and notes what a contract reads and would write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chaincode import canonical
from chaincode.blocks import CONFLICT, PHANTOM, VALID
from chaincode.identity import Caller
from chaincode.ledgers.execution import Executor, Signed
from chaincode.stub import Version, composite_range

if TYPE_CHECKING:
    from chaincode.fabric.proposals import Invocation
    from chaincode.ledgers.store import Store


class Notes:
    """The read and write sets of one transaction, over all the contracts that take part in it."""

    def __init__(self) -> None:
        self.keys: dict[tuple[str, str], list[int] | None] = {}
        self.ranges: list[list[Any]] = []
        self.writes: dict[tuple[str, str], str | None] = {}
        self.event: dict[str, Any] | None = None

    def read_set(self) -> dict[str, Any]:
        keys = [[contract, key, version] for (contract, key), version in sorted(self.keys.items())]
        return {"keys": keys, "ranges": self.ranges}

    def write_set(self) -> list[list[Any]]:
        return [[contract, key, value] for (contract, key), value in sorted(self.writes.items())]


class Simulation:
    """A `chaincode.ledgers.execution.Transaction` for one contract."""

    def __init__(
        self,
        invocation: Invocation,
        contract: str,
        store: Store,
        notes: Notes,
        executor: Executor,
        signed: Signed,
    ) -> None:
        self.channel = invocation.channel
        self.tx_id = invocation.tx_id
        self.time = invocation.time
        self.called = invocation.contract
        self.caller = Caller.of(invocation.creator.msp_id, invocation.creator.certificate)
        self._invocation, self._contract, self._executor = invocation, contract, executor
        self._store, self._notes = store, notes
        self.signed = signed

    def get(self, key: str) -> str | None:
        found = self._store.get(self._contract, key)
        self._notes.keys[self._contract, key] = found and found[1]
        return found and found[0]

    def put(self, key: str, value: str) -> None:
        self._notes.writes[self._contract, key] = value

    def delete(self, key: str) -> None:
        self._notes.writes[self._contract, key] = None

    def range(self, start: str, end: str) -> Iterator[tuple[str, str]]:
        rows = self._store.range(self._contract, start, end)
        self._notes.ranges.append([self._contract, start, end, [[key, version] for key, _, version in rows]])
        return ((key, value) for key, value, _ in rows)

    def composite(self, kind: str, parts: Sequence[str]) -> Iterator[tuple[str, str]]:
        return self.range(*composite_range(kind, parts))

    def history(self, key: str) -> Iterator[Version]:
        return self._store.history(self._contract, key)

    def invoke(self, contract: str, function: str, document: dict[str, Any]) -> Any:
        return canonical.parse(self.call(contract, [function.encode(), canonical.data(document)]))

    def call(self, contract: str, arguments: Sequence[bytes]) -> bytes:
        callee = Simulation(self._invocation, contract, self._store, self._notes, self._executor, self.signed)
        return self._executor.execute(callee, contract, arguments)

    def event(self, name: str, payload: dict[str, Any]) -> None:
        self._notes.event = {"name": name, "payload": payload}


@dataclass(frozen=True)
class Outcome:
    """What a call read, would write and answered."""

    read_set: dict[str, Any]
    write_set: list[list[Any]]
    event: dict[str, Any] | None
    answer: bytes


def simulate(
    invocation: Invocation, store: Store, executor: Executor, signed: Signed | None = None
) -> Outcome:
    """What the call would do to this store. `signed` is for an executor elsewhere. Raises ContractError."""
    notes = Notes()
    stub = Simulation(invocation, invocation.contract, store, notes, executor, signed or Signed())
    answer = executor.execute(stub, invocation.contract, invocation.args)
    return Outcome(notes.read_set(), notes.write_set(), notes.event, answer)


def judge(read_set: dict[str, Any], store: Store) -> str:
    """Fabric's MVCC check: no key that was read has changed, no range has gained, lost or changed one."""
    if any(store.version(contract, key) != version for contract, key, version in read_set["keys"]):
        return CONFLICT
    for contract, start, end, rows in read_set["ranges"]:
        if [[key, version] for key, _, version in store.range(contract, start, end)] != rows:
            return PHANTOM
    return VALID
