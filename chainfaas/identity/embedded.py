"""The platform's own certificate authority: a root for each organisation, in a folder with mode 0700."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from chaincode import certificates
from chaincode.identity import Identity
from chainfaas.errors import BadInput
from chainfaas.identity import PLATFORM, PROVIDERS, revocations
from chainfaas.identity.files import keep, replace

ATTRIBUTES = ObjectIdentifier("1.2.3.4.5.6.7.8.1")
"""Fabric CA's extension: raw JSON `{"attrs": {…}}`, without an ASN.1 wrapper."""

ROOT_DAYS = 3650
LEAF_DAYS = 825
RENEWAL_DAYS = 30
LARGEST_CSR = 8192  # characters


@dataclass(frozen=True)
class ServerCertificate:
    """What a server shows and what its clients trust, in PEM."""

    certificate: str
    key: str = field(repr=False)
    root: str


class EmbeddedAuthority:
    """Our own CA. The roots are made at first use and kept; so is the controller's key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._roots = {msp: self._root(msp) for msp in (PLATFORM, PROVIDERS)}

    def roots(self) -> dict[str, str]:
        return {msp: _pem(certificate) for msp, (certificate, _) in self._roots.items()}

    def controller(self) -> Identity:
        """With a certificate that is good for a while: one that ends soon is renewed, for the same key."""
        stem = "controller"
        key, path = self._key(stem), self._path(stem, "certificate")
        write = keep if not path.exists() else replace if ends_soon(path.read_text()) else None
        if write:
            leaf = self._leaf(PLATFORM, key.public_key(), stem, {"chainfaas.role": "controller"})
            write(path, _pem(leaf).encode())
        return Identity.load(PLATFORM, path.read_text(), private_pem(key))

    def sign_machine(self, csr: str, *, machine: str, user: str) -> str:
        attributes = {"chainfaas.role": "machine", "chainfaas.user": user}
        return _pem(self._leaf(PROVIDERS, _public_key(csr), machine, attributes))

    def tls(self, name: str, hosts: Iterable[str]) -> ServerCertificate:
        """A certificate for a server of the platform that is reached by these names and addresses; new each
        time, for the same key."""
        root, key = self._roots[PLATFORM]
        server = self._key(f"{name}.tls")
        extensions = (
            x509.SubjectAlternativeName([_host(host) for host in hosts]),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
        )
        certificate = _sign(
            _name(name, PLATFORM),
            root.subject,
            server.public_key(),
            key,
            days=LEAF_DAYS,
            extensions=extensions,
        )
        return ServerCertificate(_pem(certificate), private_pem(server), _pem(root))

    def revoke(self, certificate: str) -> None:
        """Take back a certificate (PEM). Raises BadInput if none of our roots issued it."""
        for msp, root in self.roots().items():
            if certificates.issued_by(certificate, root):
                serial = certificates.load(certificate).serial_number
                revocations.add(self._path(msp, "revoked"), serial, *self._roots[msp])
                return
        raise BadInput("the certificate is not of this authority")

    def revocation_lists(self) -> list[bytes]:
        """What each root took back, as CRLs in PEM; of those that took back anything."""
        paths = [self._path(msp, "revoked") for msp in self._roots]
        return [path.read_bytes() for path in paths if path.exists()]

    def _root(self, msp: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key, path = self._key(msp), self._path(msp, "certificate")
        if not path.exists():
            name = _name(f"{msp} root", msp)
            keep(
                path, _pem(_sign(name, name, key.public_key(), key, days=ROOT_DAYS, authority=True)).encode()
            )
        return x509.load_pem_x509_certificate(path.read_bytes()), key

    def _leaf(
        self, msp: str, public_key: ec.EllipticCurvePublicKey, name: str, attributes: dict[str, str]
    ) -> x509.Certificate:
        root, key = self._roots[msp]
        value = json.dumps({"attrs": attributes}, sort_keys=True).encode()
        extension = x509.UnrecognizedExtension(ATTRIBUTES, value)
        return _sign(_name(name, msp), root.subject, public_key, key, days=LEAF_DAYS, extensions=(extension,))

    def _key(self, stem: str) -> ec.EllipticCurvePrivateKey:
        path = self._path(stem, "key")
        if not path.exists():
            keep(path, private_pem(ec.generate_private_key(ec.SECP256R1())).encode())
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - we wrote it
        return key

    def _path(self, stem: str, what: str) -> Path:
        return self._folder / f"{stem}.{what}.pem"


def ends_soon(certificate: str) -> bool:
    """Whether a certificate (PEM) should be renewed: it ends within the month, or has ended."""
    end = x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc
    return end - datetime.now(UTC) < timedelta(days=RENEWAL_DAYS)


def private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """A private key as PKCS #8 PEM, not encrypted: its file's mode protects it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def request(key: ec.EllipticCurvePrivateKey, name: str) -> str:
    """A certificate request (PEM) for one's own key; the authority decides what the certificate says."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM).decode()


def _public_key(csr: str) -> ec.EllipticCurvePublicKey:
    """The key that a request proves to hold. Its names are ignored: they are the authority's to give."""
    if len(csr) > LARGEST_CSR:
        raise BadInput("the CSR is too long")
    try:
        request = x509.load_pem_x509_csr(csr.encode())
        key, valid = request.public_key(), request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise BadInput("this is no certificate request (PEM)") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadInput("the CSR's key must be ECDSA on P-256")
    if not valid:
        raise BadInput("the CSR is not signed by its own key")
    return key


def _sign(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    key: ec.EllipticCurvePrivateKey,
    *,
    days: int,
    authority: bool = False,
    extensions: Iterable[x509.ExtensionType] = (),
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))  # clocks differ a little
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .add_extension(_usage(authority), critical=True)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256())


def _usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str, organisation: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
