"""What every ledger shows of itself: blocks, the transactions in them, and what became of one's own.

Frozen, JSON-able, and hashed over the canonical spelling.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from chaincode import canonical
from chaincode.errors import Refused

VALID = "VALID"
CONFLICT = "MVCC_READ_CONFLICT"
"""Fabric's code 11. Such a transaction stays in its block and changes nothing."""


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
    """A call that an identity asks for. Its id follows from the nonce and the creator."""

    channel: str
    contract: str
    function: str
    document: dict[str, Any]
    nonce: str  #: 24 random bytes in hex
    time: str  #: the caller's clock, ISO 8601 UTC
    creator: Creator

    @property
    def tx_id(self) -> str:
        creator = canonical.data([self.creator.msp_id, self.creator.certificate])
        return hashlib.sha256(self.nonce.encode() + creator).hexdigest()

    def data(self) -> bytes:
        return canonical.data({**vars(self), "creator": vars(self.creator)})


@dataclass(frozen=True)
class Transaction:
    """A call with what it read, wrote and answered, as its creator signed it."""

    id: str
    creator: Creator
    signature: str  #: base64; the creator's, over everything here but itself and the validation code
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
    event: dict[str, Any] | None
    result: Any
    validation_code: str = VALID

    @property
    def proposal(self) -> Proposal:
        return Proposal(
            self.channel, self.contract, self.function, self.document, self.nonce, self.time, self.creator
        )

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "creator": vars(self.creator)}

    def text(self) -> str:
        return canonical.text(self.as_dict())

    def signed_data(self) -> bytes:
        signed = self.as_dict()
        del signed["signature"], signed["validation_code"]
        return canonical.data(signed)

    @classmethod
    def load(cls, text: str) -> Transaction:
        """Raises ValueError, TypeError or KeyError for what `as_dict` does not write."""
        fields = json.loads(text)
        return cls(**{**fields, "creator": Creator(**fields["creator"])})


@dataclass(frozen=True)
class Header:
    number: int
    previous_hash: str
    data_hash: str
    at: str  #: the ledger's clock, ISO 8601 UTC

    @property
    def hash(self) -> str:
        return hashlib.sha256(canonical.data(vars(self))).hexdigest()


@dataclass(frozen=True)
class Block:
    number: int
    previous_hash: str
    data_hash: str
    hash: str
    at: str
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
    data: bytes  #: what the ledger that made it needs; of no meaning elsewhere

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


def data_hash(body: str) -> str:
    """Over a block's transactions as stored: canonical, validation code included, one a line."""
    return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()
