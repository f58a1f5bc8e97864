from __future__ import annotations

import hashlib

import pytest
from fabric_protos.common import common_pb2 as common
from fabric_protos.peer import chaincode_pb2 as chaincodes
from fabric_protos.peer import proposal_pb2 as peer
from hypothesis import given
from hypothesis import strategies as st

from chaincode.blocks import Creator, Proposal
from chaincode.errors import Code, ContractError, Refused
from chaincode.fabric import encoding, proposals
from chaincode.fabric.proposals import Invocation
from tests.unit.chaincode.fabric.conftest import AT, Hands


def test_what_was_asked_is_what_is_read(hands: Hands) -> None:
    asked = hands.invocation()

    assert proposals.parse(proposals.build(asked)) == asked


def test_call_of_a_contract_travels_as_a_name_and_a_document(hands: Hands) -> None:
    creator = Creator("PlatformMSP", hands.client.certificate)
    call = Proposal("chainfaas", "monetary", "fold", {"b": 1, "a": [2]}, "00" * 24, AT, creator)

    asked = Invocation.of(call)

    assert asked.args == (b"fold", b'{"a":[2],"b":1}')
    assert asked.call() == call


def test_transactions_id_is_of_nonce_and_creator(hands: Hands) -> None:
    """fabric/protoutil/proputils.go, ComputeTxID."""
    found = peer.Proposal.FromString(hands.proposal())
    header = common.Header.FromString(found.header)
    channel = common.ChannelHeader.FromString(header.channel_header)
    signed = common.SignatureHeader.FromString(header.signature_header)

    assert channel.tx_id == hashlib.sha256(signed.nonce + signed.creator).hexdigest()
    assert channel.tx_id == hands.invocation().tx_id


@pytest.mark.parametrize(
    "args", [(), (b"f",), (b"f", b"[]"), (b"f", b"{"), (b"\xff", b"{}"), (b"f", b"{}", b"")]
)
def test_what_is_no_call_of_ours_is_a_bad_argument_and_can_be_shown(
    hands: Hands, args: tuple[bytes, ...]
) -> None:
    asked = hands.invocation(args=args)

    with pytest.raises(ContractError) as caught:
        asked.call()

    assert caught.value.code == Code.BAD_ARGUMENT
    assert list(asked.shown().document) == ["args"]


@pytest.mark.parametrize("lie", ["tx_id", "type", "name", "epoch", "nonce", "creator"])
def test_header_that_lies_is_refused(hands: Hands, lie: str) -> None:
    found = peer.Proposal.FromString(hands.proposal())
    header = common.Header.FromString(found.header)
    channel = common.ChannelHeader.FromString(header.channel_header)
    signed = common.SignatureHeader.FromString(header.signature_header)
    if lie == "tx_id":
        channel.tx_id = "0" * 64
    elif lie == "type":
        channel.type = common.CONFIG
    elif lie == "epoch":
        channel.epoch = 1
    elif lie == "name":
        other = peer.ChaincodeHeaderExtension(chaincode_id=chaincodes.ChaincodeID(name="monitoring"))
        channel.extension = other.SerializeToString()
    elif lie == "nonce":
        signed.nonce = b""
        channel.tx_id = proposals.transaction_id(b"", signed.creator)
    else:
        signed.creator += b"\x7a\x00"  # an unknown field: the same identity, another id
        channel.tx_id = proposals.transaction_id(signed.nonce, signed.creator)
    header.channel_header = channel.SerializeToString()
    header.signature_header = signed.SerializeToString()
    found.header = header.SerializeToString()

    with pytest.raises(Refused):
        proposals.parse(found.SerializeToString())


def test_signature_is_of_the_creators_own_key(hands: Hands) -> None:
    signed = proposals.sign(hands.proposal(), hands.client)
    creator = hands.invocation().creator
    other = Creator("PlatformMSP", hands.peer.certificate)

    proposals.check_signature(creator, signed.proposal_bytes, signed.signature)
    for wrong in ((other, signed.proposal_bytes), (creator, signed.proposal_bytes + b" ")):
        with pytest.raises(Refused):
            proposals.check_signature(*wrong, signed.signature)


def test_transient_data_is_not_endorsed_nor_recorded(hands: Hands) -> None:
    found = peer.Proposal.FromString(hands.proposal())
    header = common.Header.FromString(found.header)
    payload = peer.ChaincodeProposalPayload.FromString(found.payload)
    payload.TransientMap["secret"] = b"1"

    assert proposals.without_transient(payload.SerializeToString()) == found.payload
    assert proposals.digest(header, payload.SerializeToString()) == proposals.digest(header, found.payload)


@given(data=st.binary(max_size=200))
def test_whatever_is_sent_is_answered_or_refused(data: bytes) -> None:
    for read in (proposals.parse, encoding.creator):
        with pytest.raises(Refused):
            raise Refused(str(read(data)))


@given(cut=st.integers(0, 500), flip=st.integers(1, 255))
def test_damaged_proposal_is_another_call_or_refused(hands: Hands, cut: int, flip: int) -> None:
    whole = bytearray(hands.proposal())
    whole[cut % len(whole)] ^= flip

    with pytest.raises(Refused):
        raise Refused(str(proposals.parse(bytes(whole))))
