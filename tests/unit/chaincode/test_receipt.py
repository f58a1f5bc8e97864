from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from chaincode import signatures
from chaincode.identity import Identity
from chaincode.receipt import Receipt
from tests.contracts.authority import Authority, new_key

RECEIPT = Receipt("chainfaas", "018f", 1, 250, 0, "ab" * 32)


@pytest.fixture(scope="module")
def machine() -> Identity:
    return Authority.make("ProvidersMSP").enrol("machine")


def test_text_is_canonical() -> None:
    assert RECEIPT.text() == (
        b"chainfaas-receipt-v1\nchannel chainfaas\njob 018f\nattempt 1\nrun_ms 250\nexit_code 0\n"
        b"result_sha256 " + b"ab" * 32 + b"\n"
    )


@pytest.mark.parametrize("bare", [False, True])
def test_signed_by_the_machines_key_it_holds(machine: Identity, bare: bool) -> None:
    signature = RECEIPT.sign(machine.key if bare else machine)

    assert RECEIPT.verify(machine.certificate, signature)


@pytest.mark.parametrize(
    "change",
    [
        {"channel": "other"},
        {"job": "018e"},
        {"attempt": 2},
        {"run_ms": 251},
        {"exit_code": 1},
        {"result_sha256": "cd" * 32},
    ],
)
def test_any_changed_field_breaks_it(machine: Identity, change: dict[str, str | int]) -> None:
    signature = RECEIPT.sign(machine)

    assert not replace(RECEIPT, **change).verify(machine.certificate, signature)


def test_another_key_breaks_it(machine: Identity) -> None:
    assert not RECEIPT.verify(machine.certificate, RECEIPT.sign(new_key()))


def test_high_s_is_refused(machine: Identity) -> None:
    r, s = decode_dss_signature(base64.b64decode(RECEIPT.sign(machine)))
    twin = base64.b64encode(encode_dss_signature(r, signatures.ORDER - s)).decode()

    machine.key.public_key().verify(base64.b64decode(twin), RECEIPT.text(), ec.ECDSA(hashes.SHA256()))
    assert not RECEIPT.verify(machine.certificate, twin)


@pytest.mark.parametrize("signature", ["", "%%%", "AAAA", "é"])
def test_what_is_no_signature_is_refused(machine: Identity, signature: str) -> None:
    assert not RECEIPT.verify(machine.certificate, signature)
    assert not RECEIPT.verify("no certificate", RECEIPT.sign(machine))


@pytest.mark.parametrize(
    "change",
    [{"job": "a\nattempt 9"}, {"channel": ""}, {"result_sha256": "AB" * 32}, {"result_sha256": "ab\n"}],
)
def test_field_that_could_forge_a_line_is_not_signed(machine: Identity, change: dict[str, str]) -> None:
    forged = replace(RECEIPT, **change)

    with pytest.raises(ValueError, match="malformed"):
        forged.sign(machine)
    assert not forged.verify(machine.certificate, RECEIPT.sign(machine))


def test_every_signature_has_the_low_s(machine: Identity) -> None:
    for number in range(20):
        _, s = decode_dss_signature(machine.sign(str(number).encode()))
        assert s <= signatures.ORDER // 2
