"""A certificate authority for tests: P-256, Fabric's attribute extension, nothing of the product's own."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from chaincode.identity import Identity

ATTRIBUTES = x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1")
YEAR = datetime.timedelta(days=365)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Authority:
    """One organisation's root."""

    msp_id: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, msp_id: str) -> Authority:
        key = new_key()
        name = _name(f"ca.{msp_id}")
        builder = _builder(name, name, key.public_key(), -YEAR, 10 * YEAR)
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        certificate = builder.add_extension(constraints, critical=True).sign(key, hashes.SHA256())
        return cls(msp_id, key, certificate)

    @property
    def pem(self) -> str:
        return _pem(self.certificate)

    def enrol(self, name: str, *, ends: datetime.timedelta = YEAR, **attributes: str) -> Identity:
        """An identity with these attributes; underscores stand for dots: chainfaas_role="machine"."""
        key = new_key()
        spelled = {attribute.replace("_", "."): value for attribute, value in attributes.items()}
        value = json.dumps({"attrs": spelled}).encode()
        return Identity(self.msp_id, self.certify(name, key.public_key(), value, ends), key)

    def server(self, host: str) -> tuple[str, str]:
        """Certificate and key (PEM) of a TLS server there."""
        key = new_key()
        builder = _builder(_name(host), self.certificate.subject, key.public_key(), -YEAR, YEAR)
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        certificate = builder.add_extension(names, critical=False).sign(self.key, hashes.SHA256())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return _pem(certificate), private.decode("ascii")

    def certify(
        self, name: str, public_key: object, attributes: bytes, ends: datetime.timedelta = YEAR
    ) -> str:
        builder = _builder(_name(name), self.certificate.subject, public_key, -YEAR, ends)
        extension = x509.UnrecognizedExtension(ATTRIBUTES, attributes)
        return _pem(builder.add_extension(extension, critical=False).sign(self.key, hashes.SHA256()))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: object,
    begins: datetime.timedelta,
    ends: datetime.timedelta,
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode("ascii")
