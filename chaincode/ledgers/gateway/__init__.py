"""A ledger behind Fabric's Gateway service (peers from 2.4 on, `chainfaas ledger serve`): the client's side.

`open_ledger(url, identity, config)` gives the view of one identity, over one long-lived channel.
"""

from __future__ import annotations

from chaincode.blocks import NetworkConfig
from chaincode.errors import Refused
from chaincode.identity import Identity
from chaincode.ledgers.gateway.address import Address
from chaincode.ledgers.gateway.connection import Connection
from chaincode.ledgers.gateway.ledger import GatewayLedger

__all__ = ["Address", "Connection", "GatewayLedger", "open_ledger"]


def open_ledger(url: str, identity: Identity, config: NetworkConfig | None) -> GatewayLedger:
    """Does not connect yet. `config` names the network that the genesis block has to be of, for `verify`."""
    address = Address.parse(url)
    if config is not None and config.channel != address.channel:
        raise Refused(f"this network's channel is {config.channel}, the URL names {address.channel}")
    return GatewayLedger(Connection(address), address.channel, identity, config)
