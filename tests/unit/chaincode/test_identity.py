from __future__ import annotations

import datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chaincode import certificates
from chaincode.errors import Refused
from chaincode.identity import Caller, Identity
from tests.contracts.authority import Authority, new_key


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make("PlatformMSP")


def pem(key: object) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_identity_is_loaded_from_certificate_and_key(authority: Authority) -> None:
    made = authority.enrol("controller")

    loaded = Identity.load("PlatformMSP", made.certificate, pem(made.key))

    assert loaded.certificate == made.certificate
    assert loaded.key.public_key() == made.key.public_key()
    assert "key" not in repr(loaded)
    assert Identity.load("PlatformMSP", made.certificate, pem(made.key).encode()).msp_id == "PlatformMSP"


@pytest.mark.parametrize("key", [new_key(), ec.generate_private_key(ec.SECP384R1()), None])
def test_key_must_belong_to_the_certificate(authority: Authority, key: object) -> None:
    with pytest.raises(Refused):
        Identity.load("PlatformMSP", authority.enrol("x").certificate, pem(key) if key else "no key")


def test_caller_is_read_from_the_certificate(authority: Authority) -> None:
    identity = authority.enrol("m1", chainfaas_role="machine", chainfaas_user="pete")

    caller = Caller.of("ProvidersMSP", identity.certificate)

    assert (caller.msp_id, caller.id, caller.role, caller.user) == ("ProvidersMSP", "m1", "machine", "pete")
    assert caller.attributes == {"chainfaas.role": "machine", "chainfaas.user": "pete"}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no json",
        b"{}",
        b"[]",
        b'{"attrs": []}',
        b'{"attrs": {"chainfaas.role": 1}}',
        b"\xff",
        b"[" * 2000,
    ],
)
def test_attributes_that_fabric_does_not_write_are_none(authority: Authority, raw: bytes) -> None:
    certificate = authority.certify("x", new_key().public_key(), raw)

    assert Caller.of("PlatformMSP", certificate).attributes == {}


def test_certificate_without_attributes_or_name_has_none(authority: Authority) -> None:
    assert Caller.of("PlatformMSP", authority.pem).attributes == {}


def test_only_p256_certificates_are_read(authority: Authority) -> None:
    for key in (
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(65537, 2048),
    ):
        with pytest.raises(ValueError):
            certificates.load(authority.certify("x", key.public_key(), b"{}"))


def test_issuer_must_be_the_root_itself(authority: Authority) -> None:
    other = Authority.make("PlatformMSP")

    assert certificates.issued_by(authority.enrol("x").certificate, authority.pem)
    assert not certificates.issued_by(authority.enrol("x").certificate, other.pem)
    assert not certificates.issued_by(authority.pem, authority.pem)
    assert not certificates.issued_by("hello", authority.pem)
    assert not certificates.issued_by("x" * 9000, authority.pem)
    assert not certificates.issued_by("é", authority.pem)


def test_validity_has_a_beginning_and_an_end(authority: Authority) -> None:
    certificate = authority.enrol("x").certificate
    now = datetime.datetime.now(datetime.UTC)

    assert certificates.valid_at(certificate, now)
    assert not certificates.valid_at(certificate, now + datetime.timedelta(days=400))
    assert not certificates.valid_at(certificate, now - datetime.timedelta(days=400))
