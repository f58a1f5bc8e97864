"""The first block: the network's configuration, and nothing before it."""

from __future__ import annotations

from chaincode.blocks import Creator, Header, NetworkConfig, Transaction, data_hash
from chaincode.errors import Refused

NO_HASH = "0" * 64


def block(config: NetworkConfig, at: str) -> tuple[Header, Transaction]:
    """Its one transaction has no creator and no signature: who opens the file compares the content."""
    creator = Creator("", "")
    transaction = Transaction(
        id="",
        creator=creator,
        signature="",
        channel=config.channel,
        contract="",
        function="genesis",
        document={"channel": config.channel, "msps": config.msps},
        nonce="",
        time=at,
        read_set={"keys": [], "ranges": []},
        write_set=[],
        event=None,
        result=None,
    )
    transaction = Transaction(**{**vars(transaction), "id": transaction.proposal.tx_id})
    return Header(0, NO_HASH, data_hash(transaction.text()), at), transaction


def config_of(first: Transaction) -> NetworkConfig:
    try:
        return NetworkConfig(**first.document)
    except TypeError as error:
        raise Refused("the genesis block names no network") from error
