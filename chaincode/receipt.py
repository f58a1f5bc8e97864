"""A provider's word on one attempt: how long it ran, how it ended, what came out."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from chaincode import certificates, signatures

HEAD = "chainfaas-receipt-v1"
_LINE = re.compile(r"[!-~]{1,200}\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


class Signer(Protocol):
    """Anything that signs with a machine's key, such as an Identity."""

    def sign(self, message: bytes, /) -> bytes: ...


@dataclass(frozen=True)
class Receipt:
    channel: str
    job: str
    attempt: int
    run_ms: int  #: the function alone, rounded up
    exit_code: int
    result_sha256: str  #: of the function's stdout, lower-case hex

    def text(self) -> bytes:
        """The head, then one `name value` a line. Raises ValueError if a field could forge a line."""
        if (
            not _LINE.match(self.channel)
            or not _LINE.match(self.job)
            or not _DIGEST.match(self.result_sha256)
        ):
            raise ValueError("a receipt's channel, job or digest is malformed")
        lines = (
            HEAD,
            f"channel {self.channel}",
            f"job {self.job}",
            f"attempt {self.attempt:d}",
            f"run_ms {self.run_ms:d}",
            f"exit_code {self.exit_code:d}",
            f"result_sha256 {self.result_sha256}",
        )
        return ("\n".join(lines) + "\n").encode("ascii")

    def sign(self, signer: Signer | ec.EllipticCurvePrivateKey) -> str:
        """The signature in base64, made by an identity or with a bare key."""
        if isinstance(signer, ec.EllipticCurvePrivateKey):
            signature = signatures.sign(signer, self.text())
        else:
            signature = signer.sign(self.text())
        return base64.b64encode(signature).decode("ascii")

    def verify(self, certificate_pem: str, signature: str) -> bool:
        """True only if the key of this certificate signed exactly this receipt, low-S."""
        try:
            raw = base64.b64decode(signature, validate=True)
            return signatures.verify(certificates.public_key(certificate_pem), self.text(), raw)
        except ValueError:
            return False
