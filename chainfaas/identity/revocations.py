"""The list of certificates that a root took back: a CRL in PEM (RFC 5280), which is also where it is kept."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chainfaas.identity.files import replace

DAYS = 3650
"""The list is replaced when it changes; nobody is to mistrust it because nothing happened."""


def add(path: Path, serial: int, root: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    """Put one more on the list. Several processes may do so at once, and the same again."""
    with _alone(path):
        listed = x509.load_pem_x509_crl(path.read_bytes()) if path.exists() else ()
        serials = {serial, *(entry.serial_number for entry in listed)}
        replace(path, _signed(serials, root, key))


def _signed(serials: set[int], root: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bytes:
    now = datetime.now(UTC)
    builder = x509.CertificateRevocationListBuilder(root.subject, now, now + timedelta(days=DAYS))
    for serial in sorted(serials):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
