"""Blocks: `common.Block` (common/common.proto), their hashes, and the orderer's signature.

A block's hash is SHA-256 of its header in DER; the header names the SHA-256 of the transactions' envelopes,
one after the other (fabric/protoutil/blockutils.go). The orderer signs the header with the metadata that it
adds. The validation codes are each peer's own judgement, outside of hash and signature.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fabric_protos.common import common_pb2 as common
from google.protobuf.message import DecodeError

from chaincode.blocks import Block, Creator, Transaction
from chaincode.errors import Refused
from chaincode.fabric import encoding, proposals, transactions
from chaincode.fabric.encoding import encoded

if TYPE_CHECKING:
    from chaincode.identity import Identity

SIGNATURES, CODES = common.SIGNATURES, common.TRANSACTIONS_FILTER
"""Places in a block's metadata."""

_INTEGER, _OCTET_STRING, _SEQUENCE = 0x02, 0x04, 0x30


def header_bytes(header: Any) -> bytes:
    """DER of SEQUENCE {number INTEGER, previous_hash OCTET STRING, data_hash OCTET STRING}."""
    number = header.number.to_bytes(header.number.bit_length() // 8 + 1, "big")  # a sign bit is always there
    parts = ((_INTEGER, number), (_OCTET_STRING, header.previous_hash), (_OCTET_STRING, header.data_hash))
    return _der(_SEQUENCE, b"".join(_der(tag, value) for tag, value in parts))


def hash_of(header: Any) -> bytes:
    return hashlib.sha256(header_bytes(header)).digest()


def data_hash(envelopes: Iterable[bytes]) -> bytes:
    return hashlib.sha256(b"".join(envelopes)).digest()


def cut(
    number: int,
    previous_hash: bytes,
    envelopes: Sequence[bytes],
    codes: Sequence[int],
    *,
    orderer: Identity | None = None,
    at: str = "",
) -> Any:
    """`common.Block` with its metadata. An orderer's signature covers its own clock `at`, which takes the
    place that a consenter of Fabric's has for its notes (`OrdererBlockMetadata.consenter_metadata`)."""
    header = common.BlockHeader(number=number, previous_hash=previous_hash, data_hash=data_hash(envelopes))
    noted = _metadata(header, orderer, at) if orderer else common.Metadata()
    metadata = [encoded(noted), b"", bytes(codes), b"", b""]
    return common.Block(
        header=header,
        data=common.BlockData(data=envelopes),
        metadata=common.BlockMetadata(metadata=metadata),
    )


def _metadata(header: Any, orderer: Identity, at: str) -> Any:
    value = encoded(
        common.OrdererBlockMetadata(last_config=common.LastConfig(index=0), consenter_metadata=at.encode())
    )
    creator = encoding.identity(Creator(orderer.msp_id, orderer.certificate))
    signed = encoded(common.SignatureHeader(creator=creator, nonce=secrets.token_bytes(24)))
    signature = orderer.sign(value + signed + header_bytes(header))
    return common.Metadata(
        value=value, signatures=[common.MetadataSignature(signature_header=signed, signature=signature)]
    )


@encoding.reader("a block")
def parse(data: bytes) -> Any:
    """`common.Block`, whose contents have the hash that its header names."""
    block = encoding.message(common.Block, data)
    check_data(block)
    return block


@encoding.reader("a block's data")
def check_data(block: Any) -> None:
    """Raises Refused unless these are the envelopes that the header's hash is of, and could be no others.

    The hash is of all of them together, so two could pass as one: where two messages meet there is no seam,
    and the second's fields win (protoutil, VerifyTransactionsAreWellFormed).
    """
    if block.header.data_hash != data_hash(block.data.data):
        raise Refused("the block's transactions do not have the hash that it names")
    for envelope in block.data.data:
        if channel_header(envelope).type != common.CONFIG:
            _check_whole(envelope)


def _check_whole(envelope: bytes) -> None:
    found = encoding.message(common.Envelope, envelope)
    if not found.signature:
        raise Refused("a transaction has no signature")
    if encoded(common.Envelope(payload=found.payload, signature=found.signature)) != envelope:
        raise Refused("a transaction's envelope is not spelled canonically")


@encoding.reader("a signed block")
def check_signatures(block: Any) -> list[Creator]:
    """Who signed it: at least one, each with the key of the certificate it names. Whose certificates these
    are has to be asked elsewhere. Raises Refused."""
    noted = encoding.message(common.Metadata, block.metadata.metadata[SIGNATURES])
    signers = []
    for found in noted.signatures:
        signed = encoding.message(common.SignatureHeader, found.signature_header)
        signer = encoding.creator(signed.creator)
        message = noted.value + found.signature_header + header_bytes(block.header)
        proposals.check_signature(signer, message, found.signature)
        signers.append(signer)
    if not signers:
        raise Refused("nobody signed the block")
    return signers


def codes(block: Any) -> bytes:
    """Each transaction's validation code. An orderer's block has none, and then nothing in it counts."""
    metadata = block.metadata.metadata
    known = bytes(metadata[CODES]) if len(metadata) > CODES else b""
    missing = len(block.data.data) - len(known)
    return known + bytes([transactions.CODES.NOT_VALIDATED] * missing)


@encoding.reader("a block")
def view(block: Any) -> Block:
    """As people and programs see it. A block of the channel's configuration shows no transactions."""
    shown = list(_transactions(block))
    return Block(
        number=block.header.number,
        previous_hash=block.header.previous_hash.hex(),
        data_hash=block.header.data_hash.hex(),
        hash=hash_of(block.header).hex(),
        at=time_of(block),
        transactions=shown,
    )


def _transactions(block: Any) -> Iterator[Transaction]:
    for envelope, code in zip(block.data.data, codes(block), strict=True):
        if channel_header(envelope).type == common.ENDORSER_TRANSACTION:
            yield transactions.parse(envelope).transaction(code)


@encoding.reader("an envelope")
def channel_header(envelope: bytes) -> Any:
    """`common.ChannelHeader`: what kind of thing an envelope is."""
    found = encoding.message(common.Envelope, envelope)
    payload = encoding.message(common.Payload, found.payload)
    return encoding.message(common.ChannelHeader, payload.header.channel_header)


def time_of(block: Any) -> str:
    """The orderer's clock where it tells it, else the latest of the transactions' own times."""
    return _clock(block) or _latest(block)


def _clock(block: Any) -> str:
    """ "" where the orderer does not tell it, as Fabric's own do not."""
    try:
        noted = encoding.message(common.Metadata, block.metadata.metadata[SIGNATURES])
        text = encoding.message(common.OrdererBlockMetadata, noted.value).consenter_metadata.decode("ascii")
        datetime.fromisoformat(text)
    except (ValueError, LookupError, DecodeError):
        return ""
    return str(text)


def _latest(block: Any) -> str:
    """The latest of the transactions' own times, each its caller's clock."""
    return max((encoding.iso(channel_header(envelope).timestamp) for envelope in block.data.data), default="")


def _der(tag: int, value: bytes) -> bytes:
    length = len(value)
    if length < 0x80:
        return bytes([tag, length]) + value
    spelled = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(spelled)]) + spelled + value
