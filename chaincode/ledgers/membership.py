"""Who may speak on a channel: certificates of its organisations' roots, signing with their own keys."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from cryptography import x509

from chaincode import certificates, signatures
from chaincode.blocks import Creator, NetworkConfig
from chaincode.errors import Refused

if TYPE_CHECKING:
    from chaincode.fabric.transactions import Endorsed


class AccessDenied(Refused):
    """The channel does not know this identity."""

    def __init__(self, creator: Creator, detail: str) -> None:
        super().__init__(detail)
        self.msp_id = creator.msp_id[:40]


def check_config(config: NetworkConfig) -> None:
    """Refuse roots that cannot be read before they are written into a genesis block for good."""
    for msp_id, root in config.msps.items():
        try:
            certificates.load(root)
        except ValueError as error:
            raise Refused(f"the root of {msp_id} cannot be read: {error}") from error


def check_creator(config: NetworkConfig, creator: Creator, at: str) -> None:
    """Raises AccessDenied unless the certificate is of its organisation's root and valid at this moment."""
    root = config.msps.get(creator.msp_id)
    if root is None:
        raise AccessDenied(creator, f"the organisation {creator.msp_id[:40]!r} is not on this channel")
    if not certificates.issued_by(creator.certificate, root):
        raise AccessDenied(creator, f"the certificate is not of {creator.msp_id}")
    check_validity(creator, at)


def check_validity(creator: Creator, at: str) -> None:
    if not certificates.valid_at(creator.certificate, datetime.fromisoformat(at)):
        raise AccessDenied(creator, "the certificate is not valid at this time")


def check_signature(creator: Creator, message: bytes, signature: bytes) -> None:
    """Raises AccessDenied unless the creator's own key signed it. The certificate has been checked before."""
    if not signatures.verify(certificates.public_key(creator.certificate), message, signature):
        raise AccessDenied(creator, "the signature is not of the certificate's key")


def check_endorsement(endorsed: Endorsed, peer: Creator) -> None:
    """Raises Refused unless this ledger's own peer, and nobody else, endorsed it."""
    [*endorsers] = (endorsement.endorser for endorsement in endorsed.endorsements)
    if endorsers != [peer]:
        raise Refused("the transaction is not endorsed by this ledger's peer")
    endorsed.check_endorsements()


class Revocations:
    """Certificates that their organisation took back. They count at the door: what stands on the chain was
    good when it came, so verifying the chain does not ask them."""

    def __init__(self, config: NetworkConfig) -> None:
        self._config = config
        self._serials: dict[str, frozenset[int]] = {}

    def replace(self, lists: Iterable[bytes]) -> None:
        """Take these revocation lists (PEM) instead of those before. Raises Refused, and keeps the old ones,
        for a list that none of the organisations signed."""
        found: dict[str, set[int]] = {}
        for pem in lists:
            msp_id, serials = self._read(pem)
            found.setdefault(msp_id, set()).update(serials)
        self._serials = {msp_id: frozenset(serials) for msp_id, serials in found.items()}

    def check(self, creator: Creator) -> None:
        revoked = self._serials.get(creator.msp_id)
        if revoked and certificates.load(creator.certificate).serial_number in revoked:
            raise AccessDenied(creator, "the certificate was revoked")

    def _read(self, pem: bytes) -> tuple[str, set[int]]:
        try:
            revoked = x509.load_pem_x509_crl(pem)
        except ValueError as error:
            raise Refused(f"a revocation list cannot be read: {error}") from error
        for msp_id, root in self._config.msps.items():
            if revoked.is_signature_valid(certificates.public_key(root)):
                return msp_id, {entry.serial_number for entry in revoked}
        raise Refused("a revocation list is not signed by an organisation of this channel")
