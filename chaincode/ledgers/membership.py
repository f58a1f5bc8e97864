"""Who may speak on a channel: certificates of its organisations' roots, signing with their own keys."""

from __future__ import annotations

import base64
from datetime import datetime

from chaincode import certificates, signatures
from chaincode.blocks import Creator, NetworkConfig, Transaction
from chaincode.errors import Refused


def check_config(config: NetworkConfig) -> None:
    """Refuse roots that cannot be read before they are written into a genesis block for good."""
    for msp_id, root in config.msps.items():
        try:
            certificates.load(root)
        except ValueError as error:
            raise Refused(f"the root of {msp_id} cannot be read: {error}") from error


def check_creator(config: NetworkConfig, creator: Creator, at: str) -> None:
    """Raises Refused unless the certificate chains to its organisation's root and is valid at this moment."""
    root = config.msps.get(creator.msp_id)
    if root is None:
        raise Refused(f"the organisation {creator.msp_id[:40]!r} is not on this channel")
    if not certificates.issued_by(creator.certificate, root):
        raise Refused(f"the certificate is not of {creator.msp_id}")
    check_validity(creator, at)


def check_validity(creator: Creator, at: str) -> None:
    if not certificates.valid_at(creator.certificate, datetime.fromisoformat(at)):
        raise Refused("the certificate is not valid at this time")


def check_signature(creator: Creator, message: bytes, signature: bytes) -> None:
    """Raises Refused unless the creator's own key signed it. The certificate has been checked before."""
    if not signatures.verify(certificates.public_key(creator.certificate), message, signature):
        raise Refused("the signature is not of the certificate's key")


def check_transaction(config: NetworkConfig, transaction: Transaction, at: str) -> None:
    """All that a transaction proves by itself: its channel, its id, its creator, its signature."""
    if transaction.channel != config.channel:
        raise Refused(f"the transaction is not of the channel {config.channel}")
    if transaction.id != transaction.proposal.tx_id:
        raise Refused("the transaction's id does not follow from its nonce and creator")
    check_creator(config, transaction.creator, at)
    try:
        signature = base64.b64decode(transaction.signature, validate=True)
    except ValueError as error:
        raise Refused("the signature is not base64") from error
    check_signature(transaction.creator, transaction.signed_data(), signature)
