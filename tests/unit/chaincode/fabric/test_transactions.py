from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from fabric_protos.common import common_pb2 as common
from fabric_protos.gateway import gateway_pb2 as gateway
from fabric_protos.peer import proposal_response_pb2 as answers
from fabric_protos.peer import transaction_pb2 as endorsed
from hypothesis import given
from hypothesis import strategies as st

from chaincode.errors import Code, ContractError, Refused
from chaincode.fabric import proposals, responses, transactions
from chaincode.signatures import ORDER
from tests.unit.chaincode.fabric.conftest import EVENT, READ_SET, WRITE_SET, Hands


def test_envelope_holds_what_the_call_did(hands: Hands) -> None:
    found = transactions.parse(hands.envelope())

    found.check_creator()
    found.check_endorsements()
    assert (found.read_set, found.write_set, found.event) == (READ_SET, WRITE_SET, EVENT)
    assert found.result == {"free": 5}
    assert [one.endorser.certificate for one in found.endorsements] == [hands.peer.certificate]


def test_transaction_shows_it_to_people(hands: Hands) -> None:
    envelope = hands.envelope()

    shown = transactions.parse(envelope).transaction(transactions.CODES.MVCC_READ_CONFLICT)

    assert shown.id == hands.invocation().tx_id
    assert (shown.contract, shown.function, shown.document["account"]) == ("monetary", "deposit", "dora")
    assert shown.validation_code == "MVCC_READ_CONFLICT"
    assert base64.b64decode(shown.signature) == common.Envelope.FromString(envelope).signature


def test_code_of_a_newer_fabric_has_a_name_too() -> None:
    assert transactions.code_name(11) == "MVCC_READ_CONFLICT"
    assert transactions.code_name(199) == "CODE_199"


def test_high_s_is_refused(hands: Hands) -> None:
    found = common.Envelope.FromString(hands.envelope())
    r, s = decode_dss_signature(found.signature)
    found.signature = encode_dss_signature(r, ORDER - s)

    with pytest.raises(Refused):
        transactions.parse(found.SerializeToString()).check_creator()


def test_unsigned_envelope_can_be_read_but_does_not_count(hands: Hands) -> None:
    prepared = common.Envelope(payload=hands.prepared(hands.proposal()))

    with pytest.raises(Refused):
        transactions.parse(prepared.SerializeToString()).check_creator()


def test_nobodys_endorsement_does_not_count(hands: Hands) -> None:
    proposal = hands.proposal()
    payload = transactions.answer(proposal, b"1", read_set=READ_SET, write_set=WRITE_SET)
    envelope = transactions.sign(transactions.prepare(proposal, payload, []), hands.client)

    with pytest.raises(Refused):
        transactions.parse(envelope).check_endorsements()


def test_endorsement_is_of_the_named_endorsers_key(hands: Hands) -> None:
    proposal = hands.proposal()
    payload = transactions.answer(proposal, b"1", read_set=READ_SET, write_set=WRITE_SET)
    forged = transactions.endorse(payload, hands.peer)
    forged.signature = hands.client.sign(payload + forged.endorser)
    envelope = transactions.sign(transactions.prepare(proposal, payload, [forged]), hands.client)

    with pytest.raises(Refused):
        transactions.parse(envelope).check_endorsements()


class TestWhatAGatewayGivesToSign:
    def test_own_transaction_is_signed(self, hands: Hands) -> None:
        proposal = hands.proposal()
        prepared = common.Envelope(payload=hands.prepared(proposal)).SerializeToString()

        assert transactions.check_prepared(proposal, prepared).result == {"free": 5}

    def test_transaction_of_another_proposal_is_not(self, hands: Hands) -> None:
        other = common.Envelope(payload=hands.prepared(hands.proposal(nonce=b"m" * 24)))

        with pytest.raises(Refused):
            transactions.check_prepared(hands.proposal(), other.SerializeToString())

    def test_own_header_over_another_call_is_not(self, hands: Hands) -> None:
        """Same nonce and creator, hence the same header; another account is paid."""
        args = (b"deposit", b'{"account":"eve","amount":5,"op":"1"}')
        other = common.Envelope(payload=hands.prepared(hands.proposal(args=args)))

        with pytest.raises(Refused):
            transactions.check_prepared(hands.proposal(), other.SerializeToString())

    def test_endorsement_of_another_proposal_is_not(self, hands: Hands) -> None:
        args = (b"deposit", b'{"account":"eve","amount":5,"op":"1"}')
        other = transactions.answer(hands.proposal(args=args), b"1", read_set=READ_SET, write_set=WRITE_SET)
        mixed = transactions.prepare(hands.proposal(), other, [transactions.endorse(other, hands.peer)])

        with pytest.raises(Refused):
            transactions.check_prepared(hands.proposal(), common.Envelope(payload=mixed).SerializeToString())

    def test_garbage_is_not(self, hands: Hands) -> None:
        for garbage in (b"", b"hello", common.Envelope(payload=b"\xff\xff").SerializeToString()):
            with pytest.raises(Refused):
                transactions.check_prepared(hands.proposal(), garbage)


@given(cut=st.integers(0, 5000), flip=st.integers(1, 255))
def test_damage_is_refused_wherever_it_is(hands: Hands, cut: int, flip: int) -> None:
    """Everything in an envelope is under its creator's signature, and is read or refused."""
    whole = bytearray(hands.envelope())
    whole[cut % len(whole)] ^= flip

    with pytest.raises(Refused):
        transactions.parse(bytes(whole)).check_creator()


def test_contracts_no_comes_back_through_the_gateways_words() -> None:
    refused = responses.refusal(ContractError(Code.NOT_FOUND, 'no job {"x"}'))
    worded = (
        f"evaluate call to endorser returned error: chaincode response {refused.status}, {refused.message}"
    )

    found = responses.contract_error(worded)

    assert found is not None
    assert (found.code, found.detail) == (Code.NOT_FOUND, 'no job {"x"}')


@pytest.mark.parametrize(
    "text", ["", "peer is down", "{", '{"code":"NEW","detail":""}', '{"detail":"x"}', "{" * 5000 + "}"]
)
def test_other_trouble_is_no_contracts_no(text: str) -> None:
    assert responses.contract_error(text) is None


def test_details_hang_on_a_status_as_grpc_has_it() -> None:
    detail = gateway.ErrorDetail(address="localhost:1", msp_id="PlatformMSP", message="no")

    packed = responses.pack_details(10, "failed to endorse", [detail])

    assert packed.startswith(b"\x08\x0a\x12\x11failed to endorse\x1a")  # google.rpc.Status, fields 1, 2 and 3
    assert b"type.googleapis.com/gateway.ErrorDetail" in packed
    assert responses.unpack_details(packed) == [detail]
    with pytest.raises(Refused):
        responses.unpack_details(b"\xff")


def test_protos_are_those_that_fabric_reads(hands: Hands) -> None:
    """Field by field with the official messages, and without our reader."""
    envelope = common.Envelope.FromString(hands.envelope())
    payload = common.Payload.FromString(envelope.payload)
    [action] = endorsed.Transaction.FromString(payload.data).actions
    body = endorsed.ChaincodeActionPayload.FromString(action.payload)
    response = answers.ProposalResponsePayload.FromString(body.action.proposal_response_payload)

    assert action.header == payload.header.signature_header
    assert response.proposal_hash == proposals.digest(payload.header, body.chaincode_proposal_payload)
    assert common.ChannelHeader.FromString(payload.header.channel_header).type == 3
