"""What a certificate says: its key, who issued it, when it is valid, and Fabric's attributes.

A certificate arrives as text from a stranger. Whatever is in it, these functions answer or raise ValueError.
Parsing and checking an issuer cost 0.1 ms and depend on the text alone, so both are remembered.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from datetime import datetime

ATTRIBUTES = x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1")
"""Fabric CA's extension. Its value is the JSON itself, {"attrs": {...}}, with no ASN.1 around it."""

LONGEST = 8192
"""Characters of a certificate in PEM; Fabric CA's have about 1,000."""


@lru_cache(maxsize=1024)
def load(pem: str) -> x509.Certificate:
    if len(pem) > LONGEST:
        raise ValueError("the certificate is too long")
    certificate = x509.load_pem_x509_certificate(pem.encode("ascii"))
    public_key_of(certificate)
    return certificate


def public_key(pem: str) -> ec.EllipticCurvePublicKey:
    return public_key_of(load(pem))


def public_key_of(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    try:
        key = certificate.public_key()
    except UnsupportedAlgorithm as error:
        raise ValueError("the certificate's key is of an unknown kind") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("the certificate's key is not on the curve P-256")
    return key


@lru_cache(maxsize=1024)
def issued_by(pem: str, root_pem: str) -> bool:
    """True if the root itself signed this certificate, and it is not an authority's own."""
    try:
        certificate = load(pem)
        certificate.verify_directly_issued_by(load(root_pem))
        return not _is_authority(certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.DuplicateExtension):
        return False


def valid_at(pem: str, moment: datetime) -> bool:
    certificate = load(pem)
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc


def common_name(pem: str) -> str:
    names = load(pem).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


@lru_cache(maxsize=1024)
def attributes(pem: str) -> tuple[tuple[str, str], ...]:
    """Fabric's attributes, sorted by name; none if the extension is not there or malformed."""
    try:
        extension = load(pem).extensions.get_extension_for_oid(ATTRIBUTES).value
        found = json.loads(extension.public_bytes())["attrs"]
    except (
        ValueError,
        LookupError,
        TypeError,
        RecursionError,
        x509.ExtensionNotFound,
        x509.DuplicateExtension,
    ):
        return ()
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        return ()
    return tuple(sorted(found.items()))


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
