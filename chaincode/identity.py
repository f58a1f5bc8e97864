"""Who acts on the ledger: an identity holds the key, a caller is what a contract sees of its certificate."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chaincode import certificates, signatures
from chaincode.errors import Refused

PLATFORM = "PlatformMSP"
PROVIDERS = "ProvidersMSP"


@dataclass(frozen=True)
class Identity:
    """A certificate and the key that belongs to it. The key never leaves the program that made it."""

    msp_id: str
    certificate: str  #: PEM
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def load(cls, msp_id: str, certificate_pem: str, key_pem: str | bytes) -> Identity:
        """Raises Refused if the two do not belong together or are not on P-256."""
        text = key_pem.encode("ascii") if isinstance(key_pem, str) else key_pem
        try:
            key = load_pem_private_key(text, password=None)
            expected = certificates.public_key(certificate_pem)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise Refused(f"the identity cannot be read: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != expected:
            raise Refused("the key does not belong to the certificate")
        return cls(msp_id, certificate_pem, key)

    def sign(self, message: bytes) -> bytes:
        return signatures.sign(self.key, message)


@dataclass(frozen=True)
class Caller:
    """What a contract knows of its caller, all of it from the certificate."""

    msp_id: str
    id: str  #: the certificate's common name
    attributes: dict[str, str]

    @classmethod
    def of(cls, msp_id: str, certificate_pem: str) -> Caller:
        found = dict(certificates.attributes(certificate_pem))
        return cls(msp_id, certificates.common_name(certificate_pem), found)

    @property
    def role(self) -> str:
        return self.attributes.get("chainfaas.role", "")

    @property
    def user(self) -> str:
        """The user whose account and machines these are; "" for an identity that belongs to no user."""
        return self.attributes.get("chainfaas.user", "")
