"""What a hostile client tries on a served ledger, and the status codes with which a real peer refuses it."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.common import common_pb2 as common
from fabric_protos.gateway import gateway_pb2 as gateway
from fabric_protos.gateway.gateway_pb2_grpc import GatewayStub
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaincode import signatures
from chaincode.errors import Refused
from chaincode.fabric import proposals, transactions
from chaincode.identity import Identity
from chaincode.ledgers.gateway import requests
from chaincode.ledgers.served.limits import Limits
from tests.contracts.authority import Authority, new_key
from tests.contracts.world import CHANNEL
from tests.unit.chaincode.forgery import Opened
from tests.wire.raw import Served, changed, words

CODE = grpc.StatusCode
LIMITS = Limits(message_bytes=2**19, calls=80, waiting=40, waiting_each=8, patience_s=0.5)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """At the end the chain has to verify, whatever was tried."""
    served = Served(tmp_path, LIMITS)
    yield served
    assert served.server._engine.verify().verified
    served.stop()


def refused(code: grpc.StatusCode, text: str = "") -> pytest.RaisesExc[grpc.RpcError]:
    return pytest.raises(
        grpc.RpcError, check=lambda error: error.code() is code and text.lower() in words(error).lower()
    )


def high(signature: bytes) -> bytes:
    """The other signature that verifies: anybody can make it of the first."""
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, signatures.ORDER - s)


class TestStrangers:
    """Whoever is no member in good standing is told that it is refused, and never why."""

    @pytest.fixture(
        params=["unknown", "foreign", "expired", "revoked", "another's name", "forged role", "stolen"]
    )
    def stranger(self, request: pytest.FixtureRequest, served: Served) -> Identity:
        platform, providers = served.platform, served.providers
        controller = {"chainfaas_role": "controller"}
        if request.param == "unknown":
            return Authority.make("EveMSP").enrol("eve", **controller)
        if request.param == "foreign":
            return Authority.make("PlatformMSP").enrol("controller", **controller)
        if request.param == "expired":
            return platform.enrol("controller", ends=-datetime.timedelta(days=1), **controller)
        if request.param == "another's name":
            return replace(providers.enrol("eve", **controller), msp_id="PlatformMSP")
        if request.param == "forged role":
            return promoted(platform.enrol("eve", chainfaas_role="contractor"))
        if request.param == "stolen":
            return replace(served.controller, key=new_key())
        revoked = platform.enrol("controller", **controller)
        served.server.revoke([revocation_list(platform, revoked)])
        return revoked

    def test_evaluate_and_endorse(self, served: Served, stranger: Identity) -> None:
        signed = served.signed(served.call(by=stranger), stranger)
        denied = f"access denied: channel [chainfaas] creator org [{stranger.msp_id}]"

        with refused(CODE.FAILED_PRECONDITION, denied):
            served.evaluate(signed)
        with refused(CODE.ABORTED, denied):
            served.endorse(signed)

    def test_submit(self, served: Served, stranger: Identity) -> None:
        envelope = Opened.of(served.envelope()).created_by(stranger).seal(stranger)

        with refused(CODE.ABORTED, "status=FORBIDDEN"):
            served.submit(envelope)

    def test_status_events_and_blocks(self, served: Served, stranger: Identity) -> None:
        with refused(CODE.PERMISSION_DENIED):
            served.status("0" * 64, by=stranger)
        with refused(CODE.PERMISSION_DENIED):
            next(served.events(stranger))
        [answer] = served.deliver(iter([requests.seek(CHANNEL, 0, 0, stranger)]))
        assert answer.status == common.FORBIDDEN

    def test_qscc(self, served: Served, stranger: Identity) -> None:
        call = replace(served.call(by=stranger), contract="qscc", args=(b"GetChainInfo", b"chainfaas"))

        with refused(CODE.FAILED_PRECONDITION, "access denied"):
            served.evaluate(served.signed(call, stranger))


def promoted(identity: Identity) -> Identity:
    """With another role, of the same length, written into the certificate that was signed."""
    der = x509.load_pem_x509_certificate(identity.certificate.encode()).public_bytes(Encoding.DER)
    forged = x509.load_der_x509_certificate(der.replace(b"contractor", b"controller"))
    assert der.count(b"contractor") == 1
    return replace(identity, certificate=forged.public_bytes(Encoding.PEM).decode())


def revocation_list(authority: Authority, revoked: Identity) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    serial = x509.load_pem_x509_certificate(revoked.certificate.encode()).serial_number
    entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
    builder = x509.CertificateRevocationListBuilder(
        authority.certificate.subject, now, now + datetime.timedelta(days=1)
    )
    signed = builder.add_revoked_certificate(entry).sign(authority.key, hashes.SHA256())
    return signed.public_bytes(Encoding.PEM)


def test_revocation_list_of_a_stranger_is_refused(served: Served) -> None:
    impostor = Authority.make("PlatformMSP")

    for pem in (revocation_list(impostor, served.controller), b"no list"):
        with pytest.raises(Refused, match="revocation list"):
            served.server.revoke([pem])
    assert served.balance() == 0


def test_revocation_counts_between_endorsement_and_submission(served: Served) -> None:
    envelope = served.envelope()
    served.server.revoke([revocation_list(served.platform, served.controller)])

    with refused(CODE.ABORTED, "status=FORBIDDEN"):
        served.submit(envelope)

    served.server.revoke([])
    served.submit(envelope)


class TestProposals:
    def test_changed_after_signing(self, served: Served) -> None:
        rich = served.call({"op": "x", "account": "dora", "amount": 999})
        signed = changed(served.signed(served.call()), proposal_bytes=proposals.build(rich))

        with refused(CODE.FAILED_PRECONDITION, "access denied"):
            served.evaluate(signed)
        with refused(CODE.ABORTED, "access denied"):
            served.endorse(signed)

    def test_high_s_and_no_signature(self, served: Served) -> None:
        signed = served.signed(served.call())

        for signature in (high(signed.signature), b"", b"AAAA"):
            with refused(CODE.FAILED_PRECONDITION, "access denied"):
                served.evaluate(changed(signed, signature=signature))
            with refused(CODE.ABORTED, "access denied"):
                served.endorse(changed(signed, signature=signature))

    @pytest.mark.parametrize("minutes", [-16, 16, -60 * 24 * 365])
    def test_time_that_is_not_now(self, served: Served, minutes: int) -> None:
        at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=minutes)
        call = replace(served.call(), time=at.isoformat())

        with refused(CODE.FAILED_PRECONDITION, "time"):
            served.evaluate(served.signed(call))
        with refused(CODE.ABORTED, "time"):
            served.endorse(served.signed(call))

    def test_no_nonce(self, served: Served) -> None:
        call = replace(served.call(), nonce=b"")

        with refused(CODE.FAILED_PRECONDITION):
            served.evaluate(served.signed(call))

    def test_another_channel(self, served: Served) -> None:
        call = replace(served.call(), channel="other")

        with refused(CODE.FAILED_PRECONDITION, "channel"):
            served.evaluate(served.signed(call))
        with refused(CODE.ABORTED, "channel"):
            served.endorse(served.signed(call))

    def test_replay_after_the_commit(self, served: Served) -> None:
        signed = served.signed(served.call())
        served.submit(transactions.sign(served.endorse(signed), served.controller))

        with refused(CODE.ABORTED, "duplicate transaction found"):
            served.endorse(signed)
        with refused(CODE.FAILED_PRECONDITION, "duplicate transaction found"):
            served.evaluate(signed)
        assert served.balance() == 5

    def test_replay_before_the_commit_needs_its_creators_signature(self, served: Served) -> None:
        eve = served.providers.enrol("eve")
        overheard = served.signed(served.call())

        with refused(CODE.ABORTED, "status=FORBIDDEN"):
            served.submit(transactions.sign(served.endorse(overheard), eve))
        assert served.balance() == 0

    def test_same_transaction_id_with_other_content(self, served: Served) -> None:
        first = served.call({"op": "a", "account": "dora", "amount": 5})
        other = replace(served.call({"op": "b", "account": "dora", "amount": 999}), nonce=first.nonce)
        assert other.tx_id == first.tx_id
        envelopes = [served.envelope(first), served.envelope(other)]

        served.submit(envelopes[0])
        served.submit(envelopes[0])
        with refused(CODE.ABORTED, "another transaction of this id"):
            served.submit(envelopes[1])

        assert served.status(first.tx_id).result == 0
        assert served.balance() == 5

    @pytest.mark.parametrize("data", [b"", b"\xff", b"{}", b"\x0a\x00\x12\x00", b"[" * 1000])
    def test_what_is_no_proposal(self, served: Served, data: bytes) -> None:
        signed = changed(served.signed(served.call()), proposal_bytes=data)

        with refused(CODE.INVALID_ARGUMENT):
            served.evaluate(signed)
        with refused(CODE.INVALID_ARGUMENT):
            served.endorse(signed)


class TestEnvelopes:
    @pytest.mark.parametrize("forge", ["writes", "reads", "answer", "document"])
    def test_changed_after_endorsement(self, served: Served, forge: str) -> None:
        opened = Opened.of(served.envelope())
        if forge == "writes":
            opened.writes(["monetary", "acct/dora", '{"free":999,"held":0}'])
        elif forge == "reads":
            opened.reads_nothing()
        elif forge == "answer":
            opened.action.response.payload = b'"other"'
        else:
            opened.call.chaincode_spec.input.args[1] = b"{}"

        with refused(CODE.ABORTED, "status=BAD_REQUEST"):
            served.submit(opened.seal(served.controller))
        assert served.balance() == 0

    def test_endorsed_by_its_creator(self, served: Served) -> None:
        opened = Opened.of(served.envelope()).writes(["monetary", "acct/dora", "{}"])

        with refused(CODE.ABORTED, "not endorsed by this ledger"):
            served.submit(opened.seal(served.controller, endorser=served.controller))

    def test_high_s(self, served: Served) -> None:
        envelope = common.Envelope.FromString(served.envelope())
        envelope.signature = high(envelope.signature)

        with refused(CODE.ABORTED, "status=FORBIDDEN"):
            served.submit(envelope.SerializeToString())

    def test_unsigned_and_missing(self, served: Served) -> None:
        envelope = common.Envelope(payload=b"x").SerializeToString()

        with refused(CODE.INVALID_ARGUMENT, "must be signed"):
            served.submit(envelope)
        with refused(CODE.INVALID_ARGUMENT, "is required"):
            GatewayStub(served.channel).Submit(gateway.SubmitRequest())

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(where=st.integers(0, 10**9), flip=st.integers(1, 255))
    def test_flipped_bytes_are_refused_in_order(self, served: Served, where: int, flip: int) -> None:
        flipped = bytearray(served.envelope())
        flipped[where % len(flipped)] ^= flip

        code = outcome(served, bytes(flipped))

        assert code in (None, CODE.ABORTED, CODE.INVALID_ARGUMENT)


def outcome(served: Served, envelope: bytes) -> grpc.StatusCode | None:
    """How its submission is answered; None also for what is no envelope any more."""
    try:
        served.submit(envelope)
    except DecodeError:
        return None
    except grpc.RpcError as error:
        return error.code()
    return None


def test_another_channels_status_is_not_told(served: Served) -> None:
    with refused(CODE.PERMISSION_DENIED, "channel"):
        served.status("0" * 64, channel="other")


def test_unsigned_requests_to_read_are_refused(served: Served) -> None:
    stub = GatewayStub(served.channel)

    with refused(CODE.INVALID_ARGUMENT):
        stub.CommitStatus(gateway.SignedCommitStatusRequest(request=b"\xff"))
    with refused(CODE.PERMISSION_DENIED):
        stub.CommitStatus(gateway.SignedCommitStatusRequest())
    with refused(CODE.INVALID_ARGUMENT):
        next(stub.ChaincodeEvents(gateway.SignedChaincodeEventsRequest(request=b"\xff")))


@pytest.mark.parametrize("payload", [b"", b"\xff", b"\x0a\x00\x12\x00"])
def test_request_for_blocks_that_is_none(served: Served, payload: bytes) -> None:
    [answer] = served.deliver(iter([common.Envelope(payload=payload)]))

    assert answer.status == common.BAD_REQUEST


class TestLoad:
    def test_oversized_message(self, served: Served) -> None:
        document = {"account": "dora", "credits": ["x" * 1_000_000]}

        with refused(CODE.RESOURCE_EXHAUSTED):
            served.evaluate(served.signed(served.call(document, function="fold")))
        assert served.balance() == 0

    def test_thousand_streams_of_one_identity(self, served: Served) -> None:
        eve = served.providers.enrol("eve")
        channel = served.connect()
        streams = [served.events(eve, channel) for _ in range(1000)]

        assert ended(streams) == {CODE.RESOURCE_EXHAUSTED: 1000 - LIMITS.waiting_each}
        assert served.balance() == 0
        self.check_free_again(served, channel)

    def test_thousand_streams_that_say_nothing(self, served: Served) -> None:
        channel = served.connect()
        streams = [served.deliver(silence(), channel) for _ in range(1000)]

        began = time.monotonic()
        assert served.balance() == 0
        assert time.monotonic() - began < 5
        found = ended(streams, pause_s=2 * LIMITS.patience_s)
        assert set(found) <= {CODE.RESOURCE_EXHAUSTED, CODE.CANCELLED}
        assert sum(found.values()) == 1000
        self.check_free_again(served, channel)

    def test_many_waits_for_what_never_comes(self, served: Served) -> None:
        eve = served.providers.enrol("eve")
        request = requests.commit_status(CHANNEL, "0" * 64, eve)
        waits = [GatewayStub(served.channel).CommitStatus.future(request, timeout=3) for _ in range(200)]

        assert served.balance() == 0
        codes = [wait.code() for wait in waits]
        assert codes.count(CODE.DEADLINE_EXCEEDED) <= LIMITS.waiting_each
        assert set(codes) <= {CODE.DEADLINE_EXCEEDED, CODE.RESOURCE_EXHAUSTED}

    def test_connection_without_tls(self, served: Served) -> None:
        with (
            grpc.insecure_channel(served.server.address) as channel,
            refused(CODE.UNAVAILABLE),
        ):
            served.evaluate(served.signed(served.call()), channel)

    @staticmethod
    def check_free_again(served: Served, channel: grpc.Channel) -> None:
        """The places are given back when the client is gone."""
        channel.close()
        stream = None
        for _ in range(50):
            stream = served.deliver(iter([requests.seek(CHANNEL, 0, 0, served.controller)]))
            try:
                assert next(stream).block.header.number == 0
                return
            except grpc.RpcError:
                time.sleep(0.1)
        pytest.fail("no place was given back")


def silence() -> Iterator[Any]:
    time.sleep(30)
    yield from ()


def ended(streams: list[Any], pause_s: float = 2.0) -> dict[grpc.StatusCode, int]:
    """How many of them came to an end by themselves, and with which code."""
    give_up = time.monotonic() + 15
    while time.monotonic() < give_up:
        time.sleep(pause_s)
        codes = [stream.code() for stream in streams if not stream.is_active()]
        if len(codes) >= len(streams) - LIMITS.waiting_each:
            break
    return {code: codes.count(code) for code in set(codes)}
