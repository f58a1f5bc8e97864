from __future__ import annotations

import hashlib
from typing import Any

import pytest
from fabric_protos.common import common_pb2 as common
from hypothesis import given
from hypothesis import strategies as st

from chaincode.blocks import NetworkConfig
from chaincode.errors import Refused
from chaincode.fabric import blocks, genesis
from chaincode.fabric.genesis import ChannelConfig, Organisation
from tests.contracts.authority import Authority
from tests.unit.chaincode.fabric.conftest import AT, Hands

CLOCK = "2026-11-23T12:00:05.000000Z"


def cut(hands: Hands, **changes: Any) -> Any:
    envelopes = [hands.envelope(), hands.envelope(nonce=b"m" * 24)]
    fields: dict[str, Any] = {"orderer": hands.orderer, "at": CLOCK}
    return blocks.cut(7, b"p" * 32, envelopes, [0, 11], **{**fields, **changes})


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "300a 020100 0400 0403010203"),
        (127, "300a 02017f 0400 0403010203"),
        (128, "300b 02020080 0400 0403010203"),
        (2**63, "3012 0209008000000000000000 0400 0403010203"),
    ],
)
def test_header_is_spelled_in_der(number: int, expected: str) -> None:
    """As encoding/asn1 of Go does it for fabric/protoutil's asn1Header: numbers are signed, so that a leading
    bit needs a byte before it."""
    header = common.BlockHeader(number=number, data_hash=b"\x01\x02\x03")

    assert blocks.header_bytes(header).hex() == expected.replace(" ", "")


def test_long_lengths_are_spelled_in_der() -> None:
    header = common.BlockHeader(previous_hash=b"x" * 300)

    assert blocks.header_bytes(header).startswith(bytes.fromhex("30820135 020100 0482012c".replace(" ", "")))


def test_data_hash_is_of_the_envelopes_one_after_the_other() -> None:
    assert blocks.data_hash([b"a", b"bc"]) == hashlib.sha256(b"abc").digest()


def test_block_shows_its_transactions_and_what_became_of_them(hands: Hands) -> None:
    block = blocks.parse(cut(hands).SerializeToString())

    shown = blocks.view(block)

    assert (shown.number, shown.previous_hash, shown.at) == (7, (b"p" * 32).hex(), CLOCK)
    assert shown.hash == blocks.hash_of(block.header).hex()
    assert [tx.validation_code for tx in shown.transactions] == ["VALID", "MVCC_READ_CONFLICT"]


def test_block_of_an_orderer_without_a_clock_has_the_time_of_its_latest_transaction(hands: Hands) -> None:
    later = "2026-11-23T12:00:01.000000Z"
    envelopes = [hands.envelope(time=later), hands.envelope(nonce=b"m" * 24)]

    shown = blocks.view(blocks.cut(7, b"", envelopes, [0, 0], orderer=hands.orderer))

    assert AT < later == shown.at


def test_nothing_counts_that_no_peer_has_validated(hands: Hands) -> None:
    block = cut(hands)
    del block.metadata.metadata[blocks.CODES :]

    assert [tx.validation_code for tx in blocks.view(block).transactions] == ["NOT_VALIDATED"] * 2


def test_orderers_signature_covers_header_and_clock(hands: Hands) -> None:
    [signer] = blocks.check_signatures(cut(hands))

    assert signer.certificate == hands.orderer.certificate


@pytest.mark.parametrize("change", ["number", "previous_hash", "data_hash", "clock", "nobody", "another"])
def test_block_that_its_orderer_did_not_sign_so_is_refused(hands: Hands, change: str) -> None:
    block = cut(hands)
    metadata = block.metadata.metadata
    noted = common.Metadata.FromString(metadata[0])
    if change == "clock":
        noted.value = noted.value[:-1] + b"Y"
    elif change == "nobody":
        del noted.signatures[:]
    elif change == "another":
        other = common.Metadata.FromString(cut(hands, orderer=hands.peer).metadata.metadata[0])
        noted.signatures[0].signature_header = other.signatures[0].signature_header
    elif change == "number":
        block.header.number += 1
    else:
        setattr(block.header, change, b"x")
    metadata[0] = noted.SerializeToString()

    with pytest.raises(Refused):
        blocks.check_signatures(block)


def test_changed_transaction_is_found_by_the_hash(hands: Hands) -> None:
    block = cut(hands)
    block.data.data[0] += b"\x00"

    with pytest.raises(Refused):
        blocks.parse(block.SerializeToString())


def test_two_transactions_do_not_pass_as_one(hands: Hands) -> None:
    """The hash of both together is the same, and so is the orderer's signature."""
    block = cut(hands)
    first, second = block.data.data
    del block.data.data[:]
    block.data.data.append(first + second)

    assert blocks.data_hash([first + second]) == block.header.data_hash
    with pytest.raises(Refused, match="not spelled canonically"):
        blocks.parse(block.SerializeToString())


@given(data=st.binary(max_size=200))
def test_whatever_is_sent_is_answered_or_refused(data: bytes) -> None:
    for read in (blocks.parse, blocks.channel_header, genesis.read_envelope):
        with pytest.raises(Refused):
            raise Refused(str(read(data)))


class TestGenesis:
    def test_names_whose_certificates_count(self, hands: Hands) -> None:
        providers = Authority.make("ProvidersMSP")
        network = NetworkConfig(
            "chainfaas", {"PlatformMSP": hands.authority.pem, "ProvidersMSP": providers.pem}
        )
        config = genesis.of(network, {"PlatformMSP": hands.authority.pem})

        found = genesis.read(blocks.parse(genesis.block(config, AT).SerializeToString()))

        assert found == config
        assert found.network == network
        assert list(found.orderers) == ["PlatformMSP"]

    def test_names_whose_do_not_any_more(self, hands: Hands) -> None:
        platform = Organisation((hands.authority.pem,), (b"a revocation list",))
        config = ChannelConfig("chainfaas", {"PlatformMSP": platform})

        assert genesis.read(genesis.block(config, AT)) == config

    def test_is_the_first_and_shows_no_transactions(self, hands: Hands) -> None:
        config = ChannelConfig("chainfaas", {"PlatformMSP": Organisation((hands.authority.pem,))})

        shown = blocks.view(genesis.block(config, AT))

        assert (shown.number, shown.previous_hash, shown.at, shown.transactions) == (0, "", AT, [])

    def test_same_configuration_is_the_same_block(self, hands: Hands) -> None:
        network = NetworkConfig("c", {"B": hands.authority.pem, "A": hands.authority.pem})

        blocks_ = [genesis.block(genesis.of(network), AT).SerializeToString() for _ in range(2)]

        assert blocks_[0] == blocks_[1]

    def test_block_of_transactions_is_no_configuration(self, hands: Hands) -> None:
        for envelopes in ([], [hands.envelope()], [hands.envelope()] * 2):
            with pytest.raises(Refused):
                genesis.read(blocks.cut(0, b"", envelopes, [0] * len(envelopes)))
