"""The platform's own certificate authority."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtensionOID, NameOID

from chaincode import certificates
from chaincode.identity import Caller, Identity
from chainfaas import identity
from chainfaas.errors import BadInput, ChainFaaSError
from chainfaas.identity import PLATFORM, PROVIDERS, embedded
from chainfaas.identity.embedded import ATTRIBUTES, EmbeddedAuthority, private_pem, request

KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def authority(tmp_path: Path) -> EmbeddedAuthority:
    return EmbeddedAuthority(tmp_path / "identity")


def signed(authority: EmbeddedAuthority, csr: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority.sign_machine(csr, machine="m1", user="pete").encode())


def csr_of(key: object, subject: x509.Name | None = None) -> str:
    name = subject or x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "laptop")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM).decode()  # type: ignore[arg-type]


def test_a_machine_gets_a_certificate_that_says_whose_it_is(authority: EmbeddedAuthority) -> None:
    certificate = signed(authority, request(KEY, "laptop"))

    caller = Caller.of(PROVIDERS, certificates_pem(certificate))
    assert (caller.id, caller.role, caller.user) == ("m1", "machine", "pete")
    assert certificate.public_key() == KEY.public_key()
    assert certificates.issued_by(certificates_pem(certificate), authority.roots()[PROVIDERS])
    assert not certificates.issued_by(certificates_pem(certificate), authority.roots()[PLATFORM])


def test_a_certificate_allows_signing_and_nothing_more(authority: EmbeddedAuthority) -> None:
    extensions = signed(authority, request(KEY, "laptop")).extensions

    constraints = extensions.get_extension_for_oid(ExtensionOID.BASIC_CONSTRAINTS)
    usage = extensions.get_extension_for_oid(ExtensionOID.KEY_USAGE).value
    assert (constraints.critical, constraints.value.ca) == (True, False)  # type: ignore[attr-defined]
    assert (usage.digital_signature, usage.key_cert_sign) == (True, False)  # type: ignore[attr-defined]
    raw = extensions.get_extension_for_oid(ATTRIBUTES).value.value  # type: ignore[attr-defined]
    assert json.loads(raw) == {"attrs": {"chainfaas.role": "machine", "chainfaas.user": "pete"}}


def test_a_certificate_holds_from_a_little_ago_for_some_years(authority: EmbeddedAuthority) -> None:
    certificate = signed(authority, request(KEY, "laptop"))

    lasts = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert timedelta(days=365) < lasts < timedelta(days=1000)


def test_what_a_request_says_of_itself_is_not_believed(authority: EmbeddedAuthority) -> None:
    attribute = x509.NameAttribute
    subject = x509.Name(
        [attribute(NameOID.COMMON_NAME, "controller"), attribute(NameOID.ORGANIZATION_NAME, PLATFORM)]
    )
    evil = x509.UnrecognizedExtension(ATTRIBUTES, b'{"attrs": {"chainfaas.role": "controller"}}')
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    builder = builder.add_extension(evil, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    csr = builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    caller = Caller.of(PROVIDERS, certificates_pem(signed(authority, csr)))
    assert (caller.id, caller.role) == ("m1", "machine")


def tampered() -> str:
    raw = bytearray(
        x509.load_pem_x509_csr(request(KEY, "laptop").encode()).public_bytes(serialization.Encoding.DER)
    )
    raw[raw.index(b"laptop")] ^= 1
    return x509.load_der_x509_csr(bytes(raw)).public_bytes(serialization.Encoding.PEM).decode()


BAD = {
    "nothing": "",
    "no PEM": "hello",
    "an empty PEM": "-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n",
    "no ASN.1": "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
    "lone surrogates": "\ud800",
    "a private key": private_pem(KEY),
    "too long": request(KEY, "laptop") + " " * 8192,
    "RSA": csr_of(rsa.generate_private_key(65537, 2048)),
    "another curve": csr_of(ec.generate_private_key(ec.SECP384R1())),
    "Ed25519": csr_of(ed25519.Ed25519PrivateKey.generate()),
    "signed by nobody": tampered(),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_the_callers_fault(authority: EmbeddedAuthority, name: str) -> None:
    with pytest.raises(BadInput):
        authority.sign_machine(BAD[name], machine="m1", user="pete")


def test_the_controller_is_the_same_after_a_restart(tmp_path: Path) -> None:
    first, second = (EmbeddedAuthority(tmp_path / "identity") for _ in range(2))

    assert first.roots() == second.roots()
    assert first.controller().certificate == second.controller().certificate
    caller = Caller.of(PLATFORM, first.controller().certificate)
    assert (caller.role, caller.user) == ("controller", "")


def test_its_files_are_for_its_user_alone(tmp_path: Path) -> None:
    EmbeddedAuthority(tmp_path / "a" / "identity").controller()

    folder = tmp_path / "a" / "identity"
    assert folder.stat().st_mode & 0o777 == 0o700
    names = sorted(path.name for path in folder.iterdir())
    assert names == [
        *(f"{MSP}.{what}.pem" for MSP in (PLATFORM, PROVIDERS) for what in ("certificate", "key")),
        "controller.certificate.pem",
        "controller.key.pem",
    ]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_many_that_come_first_at_once_agree_on_one_authority(tmp_path: Path) -> None:
    start = threading.Barrier(8)

    def come(_: int) -> tuple[dict[str, str], Identity, str]:
        start.wait()
        authority = EmbeddedAuthority(tmp_path / "identity")
        return (
            authority.roots(),
            authority.controller(),
            authority.sign_machine(request(KEY, "x"), machine="m1", user="u"),
        )

    with ThreadPoolExecutor(8) as pool:
        come_in = list(pool.map(come, range(8)))

    roots, controller, _ = come_in[0]
    for theirs, their_controller, machine in come_in:
        assert theirs == roots
        assert their_controller.certificate == controller.certificate
        assert certificates.issued_by(machine, roots[PROVIDERS])
    assert certificates.issued_by(controller.certificate, roots[PLATFORM])


def test_another_authority_than_the_known_is_refused() -> None:
    with pytest.raises(ChainFaaSError, match="IDENTITY_URL"):
        identity.connect("notary://office")


def certificates_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def test_a_server_is_certified_for_its_names_alone(authority: EmbeddedAuthority) -> None:
    server = authority.tls("ledger", ["ledger.example.org", "127.0.0.1"])

    certificate = x509.load_pem_x509_certificate(server.certificate.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["ledger.example.org"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert server.root == authority.roots()[PLATFORM]
    assert certificates.issued_by(server.certificate, server.root)
    assert Caller.of(PLATFORM, server.certificate).role == ""
    assert authority.tls("ledger", ["localhost"]).key == server.key


def test_what_was_revoked_is_published_by_its_root(authority: EmbeddedAuthority, tmp_path: Path) -> None:
    assert authority.revocation_lists() == []
    machines = [authority.sign_machine(request(KEY, "m"), machine="m", user="pete") for _ in range(2)]

    for certificate in (*machines, machines[0]):
        authority.revoke(certificate)

    [pem] = EmbeddedAuthority(tmp_path / "identity").revocation_lists()
    revoked = x509.load_pem_x509_crl(pem)
    assert {entry.serial_number for entry in revoked} == {
        x509.load_pem_x509_certificate(certificate.encode()).serial_number for certificate in machines
    }
    assert revoked.is_signature_valid(certificates.public_key(authority.roots()[PROVIDERS]))


def test_only_its_own_certificates_are_an_authoritys_to_revoke(
    authority: EmbeddedAuthority, tmp_path: Path
) -> None:
    foreign = EmbeddedAuthority(tmp_path / "other").controller().certificate

    with pytest.raises(BadInput):
        authority.revoke(foreign)
    with pytest.raises(BadInput):
        authority.revoke("no certificate")


def test_the_controller_renews_its_certificate_before_it_ends(
    authority: EmbeddedAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "LEAF_DAYS", 29)
    old = authority.controller()
    monkeypatch.undo()

    new = authority.controller()

    assert embedded.ends_soon(old.certificate)
    assert not embedded.ends_soon(new.certificate)
    assert certificates.load(new.certificate).public_key() == certificates.load(old.certificate).public_key()
    assert authority.controller().certificate == new.certificate
