from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from chaincode.blocks import Creator
from chaincode.fabric import proposals, transactions
from chaincode.fabric.proposals import Invocation
from chaincode.identity import Identity
from tests.contracts.authority import Authority

AT = "2026-11-23T12:00:00.000001Z"
READ_SET = {
    "keys": [["monetary", "acct/dora", [3, 1]], ["monetary", "acct/pete", None]],
    "ranges": [["monetary", "op/", "op0", [["op/a", [1, 0]], ["op/b", [2, 5]]]]],
}
WRITE_SET = [["monetary", "acct/dora", '{"free":5}'], ["monetary", "gone", None]]
EVENT = {"name": "deposit", "payload": {"amount": 5}}


@dataclass
class Hands:
    """One organisation's client, peer and orderer, and what passes between them."""

    authority: Authority = field(default_factory=lambda: Authority.make("PlatformMSP"))

    def __post_init__(self) -> None:
        self.client = self.authority.enrol("controller", chainfaas_role="controller")
        self.peer = self.authority.enrol("peer")
        self.orderer = self.authority.enrol("orderer")

    def invocation(self, **changes: Any) -> Invocation:
        fields: dict[str, Any] = {
            "channel": "chainfaas",
            "contract": "monetary",
            "args": (b"deposit", b'{"account":"dora","amount":5,"op":"1"}'),
            "nonce": b"n" * 24,
            "time": AT,
            "creator": Creator(self.client.msp_id, self.client.certificate),
        }
        return Invocation(**{**fields, **changes})

    def proposal(self, **changes: Any) -> bytes:
        return proposals.build(self.invocation(**changes))

    def prepared(self, proposal: bytes, peer: Identity | None = None) -> bytes:
        """The payload that an endorser gives back."""
        payload = transactions.answer(
            proposal, b'{"free":5}', read_set=READ_SET, write_set=WRITE_SET, event=EVENT
        )
        return transactions.prepare(proposal, payload, [transactions.endorse(payload, peer or self.peer)])

    def envelope(self, **changes: Any) -> bytes:
        return transactions.sign(self.prepared(self.proposal(**changes)), self.client)


@pytest.fixture(scope="session")
def hands() -> Hands:
    return Hands()
