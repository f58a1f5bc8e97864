"""What every ledger shows of itself: blocks, the transactions in them, and what became of one's own.

Views for people and programs, JSON-able. What is hashed and signed is Fabric's own encoding, which
`chaincode.fabric` builds and reads.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from chaincode import canonical
from chaincode.errors import Refused

VALID = "VALID"
CONFLICT = "MVCC_READ_CONFLICT"
"""Fabric's code 11: a key that was read has changed. It stays in its block and changes nothing."""

PHANTOM = "PHANTOM_READ_CONFLICT"
"""Fabric's code 12: the same of a range."""


@dataclass(frozen=True)
class NetworkConfig:
    """Written into the genesis block: the channel, and for each organisation the root of its certificates."""

    channel: str
    msps: dict[str, str]  #: msp_id: the CA's root certificate, PEM


@dataclass(frozen=True)
class Creator:
    msp_id: str
    certificate: str  #: PEM


@dataclass(frozen=True)
class Proposal:
    """A call that an identity asks for. The transaction's id follows from the nonce and the creator."""

    channel: str
    contract: str
    function: str
    document: dict[str, Any]
    nonce: str  #: 24 random bytes in hex
    time: str  #: the caller's clock, ISO 8601 UTC
    creator: Creator


@dataclass(frozen=True)
class Transaction:
    """A call with what it read, wrote and answered, as its creator signed it."""

    id: str
    creator: Creator
    signature: str  #: base64; the creator's, over the envelope's payload
    channel: str
    contract: str
    function: str
    document: dict[str, Any]
    nonce: str
    time: str  #: the caller's clock
    read_set: dict[
        str, Any
    ]  #: {"keys": [[contract, key, version]], "ranges": [[contract, start, end, [[key, version]]]]}
    write_set: list[list[Any]]  #: [contract, key, value], value None for a delete
    event: dict[str, Any] | None  #: {"name", "payload"}
    result: Any
    validation_code: str = VALID

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "creator": vars(self.creator)}


@dataclass(frozen=True)
class Block:
    number: int
    previous_hash: str
    data_hash: str
    hash: str
    at: str  #: the orderer's clock, or the latest of the transactions' times; ISO 8601 UTC
    transactions: list[Transaction]

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "transactions": [transaction.as_dict() for transaction in self.transactions]}


@dataclass(frozen=True)
class Commit:
    """A transaction that stands on the ledger."""

    tx_id: str
    block: int
    at: str  #: the block's time


@dataclass(frozen=True)
class Verification:
    verified: bool
    height: int  #: blocks, the genesis block included; with a fault, those before it that hold
    fault: str | None = None


@dataclass(frozen=True)
class Envelope:
    """Endorsed, signed and ready to submit. Store `dump()` first: the same envelope counts once."""

    tx_id: str
    result: Any
    data: bytes  #: Fabric's common.Envelope

    def dump(self) -> bytes:
        data = base64.b64encode(self.data).decode("ascii")
        return canonical.data({"tx_id": self.tx_id, "result": self.result, "data": data})

    @classmethod
    def load(cls, dumped: bytes) -> Envelope:
        try:
            fields = json.loads(dumped)
            return cls(fields["tx_id"], fields["result"], base64.b64decode(fields["data"], validate=True))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise Refused("this is not an envelope") from error
