"""ECDSA over P-256 and SHA-256 in the one form that Fabric accepts: DER, with the lower value of s."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order of P-256's group (SEC 2, section 2.4.2). s and ORDER - s both verify; the lower is accepted."""

_ALGORITHM = ec.ECDSA(hashes.SHA256())


def sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    r, s = decode_dss_signature(key.sign(message, _ALGORITHM))
    return encode_dss_signature(r, min(s, ORDER - s))


def verify(key: ec.EllipticCurvePublicKey, message: bytes, signature: bytes) -> bool:
    """False if it is wrong, not DER, or has the high s: nobody can make a second valid one of it."""
    try:
        _, s = decode_dss_signature(signature)
        if s > ORDER // 2:
            return False
        key.verify(signature, message, _ALGORITHM)
    except (InvalidSignature, ValueError):
        return False
    return True
