"""The way to a ledger: `connect(url, identity)`, and the types that come with it."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from chaincode.blocks import (
    Block,
    Commit,
    Creator,
    Envelope,
    NetworkConfig,
    Proposal,
    Transaction,
    Verification,
)
from chaincode.errors import LedgerError
from chaincode.identity import Identity
from chaincode.ledger import Ledger, transact
from chaincode.ledgers import embedded

__all__ = [
    "Block",
    "Commit",
    "Creator",
    "Envelope",
    "Ledger",
    "NetworkConfig",
    "Proposal",
    "Transaction",
    "Verification",
    "connect",
    "transact",
]


def connect(url: str, identity: Identity, *, config: NetworkConfig | None = None) -> Ledger:
    """The ledger at this URL, seen by this identity.

    `embedded:///absolute/path/ledger.db` opens one file; one process writes it, for any number of identities.
    `config` is written into a new one.
    `fabric://host:port[,host:port]/channel?tls_root=/path/ca.pem` speaks to Fabric's gateway, a network's or
    that of `chainfaas ledger serve`. `config` is the network that `verify` expects.
    """
    if url.startswith("fabric://"):
        # Here, since gRPC costs who has an embedded ledger 0.2 s and 15 MB.
        from chaincode.ledgers import gateway

        return gateway.open_ledger(url, identity, config)
    parts = urlsplit(url)
    if parts.scheme != "embedded":
        raise LedgerError(
            f"there is no ledger for {parts.scheme or 'no scheme'}://; use embedded:///path/ledger.db"
            " or fabric://host:port/channel"
        )
    if parts.netloc or not parts.path.strip("/"):
        raise LedgerError("an embedded ledger is named by an absolute path: embedded:///path/ledger.db")
    return embedded.open_ledger(unquote(parts.path), identity, config)
