"""The ledger's own identity, with which it endorses calls and signs blocks: Fabric's peer and orderer in one.

Its key lies beside the ledger's file, readable by its owner alone. The authority that certifies it signs this
one certificate and is forgotten; its root stands in the genesis block. Whoever wants to give a key of another
authority puts it there before the ledger is made: key, certificate and root, in PEM, one after the other.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from chaincode.blocks import Creator
from chaincode.errors import LedgerError, Unavailable
from chaincode.identity import Identity

MSP = "LedgerMSP"

YEARS = 30
"""A ledger that cannot sign is at its end, so its certificate outlives it."""

_PEM = re.compile(r"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----\n", re.DOTALL)


@dataclass(frozen=True)
class Peer:
    identity: Identity
    root: str  #: PEM

    @property
    def creator(self) -> Creator:
        return Creator(self.identity.msp_id, self.identity.certificate)


def path_of(ledger: Path) -> Path:
    return ledger.with_name(ledger.name + ".peer.pem")


def load(ledger: Path) -> Peer:
    """Raises Unavailable if the key is not there, or is none."""
    path = path_of(ledger)
    try:
        key, certificate, root = _PEM.findall(path.read_text("ascii"))
        return Peer(Identity.load(MSP, certificate, key), root)
    except FileNotFoundError as error:
        raise Unavailable(f"the ledger's own key {path.name} is missing beside it") from error
    except (OSError, ValueError, LedgerError) as error:
        raise Unavailable(f"the ledger's own key {path.name} cannot be read: {error}") from error


def make(ledger: Path) -> Peer:
    """The identity of a new ledger: one that lies there already, or a new one."""
    path = path_of(ledger)
    if not path.exists():
        _write(path, _new())
    return load(ledger)


def _new() -> str:
    authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer, subject = _name("the ledger's root"), _name("the ledger")
    root = _certificate(issuer, issuer, authority.public_key(), authority, is_root=True)
    leaf = _certificate(subject, issuer, own.public_key(), authority, is_root=False)
    key = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return key + leaf + root


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    authority: ec.EllipticCurvePrivateKey,
    *,
    is_root: bool,
) -> str:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))  # clocks differ a little
        .not_valid_after(now + timedelta(days=YEARS * 365))
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )
    return builder.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def _name(common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, MSP), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


def _write(path: Path, text: str) -> None:
    """On the disk before the genesis block names it; whole or not at all."""
    temporary = path.with_suffix(".new")
    with os.fdopen(os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
