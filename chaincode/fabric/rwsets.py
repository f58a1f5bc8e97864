"""What a transaction read and wrote: `rwset.TxReadWriteSet`, with a `kvrwset.KVRWSet` for each contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fabric_protos.ledger.rwset import rwset_pb2 as rwsets
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2 as kv

from chaincode.fabric import encoding
from chaincode.fabric.encoding import encoded

ReadSet = Mapping[str, Any]
"""{"keys": [[contract, key, version]], "ranges": [[contract, start, end, [[key, version]]]]}; a version is
[block, position], or None for a key that was not there."""

WriteSet = Iterable[Iterable[Any]]
"""[contract, key, value], value None for a delete."""


def build(read_set: ReadSet, write_set: WriteSet) -> bytes:
    spaces: dict[str, Any] = {}

    def space(contract: str) -> Any:
        return spaces.setdefault(contract, kv.KVRWSet())

    for contract, key, version in read_set["keys"]:
        space(contract).reads.append(_read(key, version))
    for contract, start, end, rows in read_set["ranges"]:
        reads = kv.QueryReads(kv_reads=[_read(key, version) for key, version in rows])
        space(contract).range_queries_info.append(
            kv.RangeQueryInfo(start_key=start, end_key=end, itr_exhausted=True, raw_reads=reads)
        )
    for contract, key, value in write_set:
        space(contract).writes.append(_write(key, value))
    named = [
        rwsets.NsReadWriteSet(namespace=contract, rwset=encoded(spaces[contract]))
        for contract in sorted(spaces)
    ]
    built = rwsets.TxReadWriteSet(data_model=rwsets.TxReadWriteSet.KV, ns_rwset=named)
    return encoded(built)


@encoding.reader("a read and write set")
def parse(data: bytes) -> tuple[dict[str, Any], list[list[Any]]]:
    """The read set and the write set, contract by contract."""
    keys: list[list[Any]] = []
    ranges: list[list[Any]] = []
    writes: list[list[Any]] = []
    for named in encoding.message(rwsets.TxReadWriteSet, data).ns_rwset:
        space, contract = encoding.message(kv.KVRWSet, named.rwset), named.namespace
        keys += [[contract, *_key(read)] for read in space.reads]
        for found in space.range_queries_info:
            rows = [_key(read) for read in found.raw_reads.kv_reads]
            ranges.append([contract, found.start_key, found.end_key, rows])
        writes += [[contract, write.key, _value(write)] for write in space.writes]
    return {"keys": keys, "ranges": ranges}, writes


def _read(key: str, version: Any) -> Any:
    if version is None:
        return kv.KVRead(key=key)
    return kv.KVRead(key=key, version=kv.Version(block_num=version[0], tx_num=version[1]))


def _key(read: Any) -> list[Any]:
    known = read.HasField("version")
    return [read.key, [read.version.block_num, read.version.tx_num] if known else None]


def _write(key: str, value: str | None) -> Any:
    return kv.KVWrite(key=key, is_delete=value is None, value=(value or "").encode("utf-8"))


def _value(write: Any) -> str | None:
    """Text, as our contracts write it. What another chaincode wrote that is no text is shown as hex."""
    if write.is_delete:
        return None
    try:
        return str(write.value.decode("utf-8"))
    except UnicodeDecodeError:
        return f"hex:{write.value.hex()}"
