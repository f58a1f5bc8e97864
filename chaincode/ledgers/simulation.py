"""The stub over a store: changes nothing, and notes what a contract reads and would write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from chaincode import canonical, contracts
from chaincode.blocks import Transaction
from chaincode.identity import Caller
from chaincode.stub import Version, composite_range

if TYPE_CHECKING:
    from chaincode.blocks import Proposal
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
    """A `chaincode.stub.Stub` for one contract within one transaction."""

    def __init__(self, proposal: Proposal, contract: str, store: Store, notes: Notes) -> None:
        self.channel = proposal.channel
        self.tx_id = proposal.tx_id
        self.time = proposal.time
        self.called = proposal.contract
        self.caller = Caller.of(proposal.creator.msp_id, proposal.creator.certificate)
        self._proposal, self._contract, self._store, self._notes = proposal, contract, store, notes

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
        callee = Simulation(self._proposal, contract, self._store, self._notes)
        return contracts.call(callee, contract, function, document)

    def event(self, name: str, payload: dict[str, Any]) -> None:
        self._notes.event = {"name": name, "payload": payload}


def simulate(proposal: Proposal, store: Store) -> Transaction:
    """What the call would do to this store, still unsigned. Raises ContractError."""
    notes = Notes()
    stub = Simulation(proposal, proposal.contract, store, notes)
    result = contracts.call(stub, proposal.contract, proposal.function, proposal.document)
    return Transaction(
        id=proposal.tx_id,
        signature="",
        read_set=notes.read_set(),
        write_set=notes.write_set(),
        event=notes.event,
        result=canonical.parse(canonical.text(result)),  # as it looks on the other side of a wire
        **vars(proposal),
    )


def still_current(read_set: dict[str, Any], store: Store) -> bool:
    """Fabric's MVCC check: no key that was read has changed, no range has gained or lost one."""
    return all(
        store.version(contract, key) == version for contract, key, version in read_set["keys"]
    ) and all(
        [[key, version] for key, _, version in store.range(contract, start, end)] == rows
        for contract, start, end, rows in read_set["ranges"]
    )
