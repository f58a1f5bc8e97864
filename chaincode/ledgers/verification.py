"""Is the file what its signatures say? Replay it from genesis into an empty store, and compare every table.

Found is any change to a block, a transaction, an index, the world state or its history, and a chain rebuilt
over a transaction that its creator did not sign so, or that the ledger's own peer did not endorse. Not found
can be, by any ledger of one file, that its operator took back the last blocks together with all that follows
from them; who keeps a block's hash elsewhere finds that too.

One block and one row at a time: memory does not grow with the ledger.
"""

from __future__ import annotations

import sqlite3
from itertools import zip_longest
from typing import Any

from fabric_protos.common import common_pb2 as common

from chaincode.blocks import Creator, Verification
from chaincode.errors import LedgerError
from chaincode.fabric import blocks, genesis, transactions
from chaincode.fabric.encoding import encoded
from chaincode.fabric.genesis import ChannelConfig
from chaincode.fabric.transactions import Endorsed
from chaincode.ledgers import membership, store
from chaincode.ledgers.commits import spelled
from chaincode.ledgers.simulation import judge
from chaincode.ledgers.store import Store, Stored


class _FaultFound(Exception):
    pass


def verify(connection: sqlite3.Connection, channel: ChannelConfig, peer: Creator) -> Verification:
    """Looks at one state of the file, whatever is committed meanwhile; its genesis must name `channel`, and
    all the rest be endorsed and signed by `peer`."""
    replayed = store.scratch()
    chain = _Chain(channel, peer, Store(replayed))
    try:
        connection.execute("BEGIN")
        replayed.execute("BEGIN")
        _check_file(connection, replayed)
        for stored in Store(connection).blocks():
            chain.append(stored)
        if not chain.height:
            raise _FaultFound("there is no genesis block")
        _compare(connection, replayed)
    except _FaultFound as fault:
        return Verification(False, chain.height, str(fault))
    except (sqlite3.Error, UnicodeDecodeError, TypeError) as error:
        return Verification(False, chain.height, f"the file is damaged: {error}")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        replayed.close()
    return Verification(True, chain.height)


class _Chain:
    """The blocks so far, each checked against those before it."""

    def __init__(self, channel: ChannelConfig, peer: Creator, replayed: Store) -> None:
        self.height = 0
        self._channel, self._config, self._peer = channel, channel.network, peer
        self._store = replayed
        self._tip = b""

    def append(self, stored: Stored) -> None:
        try:
            block = blocks.parse(stored.block)
            self._check_links(stored, block)
            if stored.number == 0:
                self._check_genesis(stored)
            else:
                self._check_seal(stored, block)
                self._replay(stored, block)
        except (LedgerError, ValueError, TypeError, LookupError, sqlite3.IntegrityError) as error:
            raise _FaultFound(f"block {self.height}: {error}") from error
        self.height += 1
        self._tip = stored.hash

    def _check_links(self, stored: Stored, block: Any) -> None:
        if stored.number != self.height or block.header.number != self.height:
            raise ValueError(f"it is missing, {stored.number} follows")
        if block.header.previous_hash != self._tip:
            raise ValueError("it does not name the hash of the block before it")
        if blocks.hash_of(block.header) != stored.hash:
            raise ValueError("it does not have the hash that is stored for it")

    def _check_genesis(self, stored: Stored) -> None:
        if encoded(genesis.block(self._channel, stored.at)) != stored.block:
            raise ValueError("it is not the genesis block of this network")

    def _check_seal(self, stored: Stored, block: Any) -> None:
        """All of it that hash and validation codes leave: the metadata, the clock, the very spelling."""
        if blocks.check_signatures(block) != [self._peer]:
            raise ValueError("it is not signed by this ledger's own orderer")
        if blocks.view(block).at != stored.at:
            raise ValueError("it was not made at the time that is stored for it")
        if _respelled(block) != stored.block:
            raise ValueError("it is not spelled canonically")

    def _replay(self, stored: Stored, block: Any) -> None:
        if not block.data.data:
            raise ValueError("it is empty")
        for position, envelope in enumerate(block.data.data):
            endorsed = transactions.parse(envelope)
            if spelled(endorsed) != envelope:
                raise ValueError(f"transaction {position} is not spelled canonically")
            self._check_transaction(endorsed, stored.at)
            code = judge(endorsed.read_set, self._store)
            self._check_decision(block, position, code)
            self._store.write_transaction(stored.number, position, endorsed, code)

    def _check_transaction(self, endorsed: Endorsed, at: str) -> None:
        if endorsed.invocation.channel != self._config.channel:
            raise ValueError("a transaction is of another channel")
        creator = endorsed.invocation.creator
        membership.check_creator(self._config, creator, at)
        membership.check_signature(creator, endorsed.payload, endorsed.signature)
        membership.check_endorsement(endorsed, self._peer)

    def _check_decision(self, block: Any, position: int, code: str) -> None:
        judged = transactions.code_name(blocks.codes(block)[position])
        if judged != code:
            raise ValueError(f"transaction {position} was judged {judged} wrongly")


def _respelled(block: Any) -> bytes:
    """The block as we write it, of nothing but what has been checked."""
    header, metadata = block.header, block.metadata.metadata
    noted = common.Metadata.FromString(metadata[blocks.SIGNATURES])
    [signed] = noted.signatures
    signature = common.MetadataSignature(signature_header=signed.signature_header, signature=signed.signature)
    places = [encoded(common.Metadata(value=noted.value, signatures=[signature])), b"", b"", b"", b""]
    places[blocks.CODES] = blocks.codes(block)
    return encoded(
        common.Block(
            header=common.BlockHeader(
                number=header.number, previous_hash=header.previous_hash, data_hash=header.data_hash
            ),
            data=common.BlockData(data=block.data.data),
            metadata=common.BlockMetadata(metadata=places),
        )
    )


def _check_file(connection: sqlite3.Connection, replayed: sqlite3.Connection) -> None:
    """The file's own structure, and that it holds our tables and no other thing, such as a trigger."""
    [(health,)] = connection.execute("PRAGMA integrity_check(1)").fetchall()
    if health != "ok":
        raise _FaultFound(f"the file is damaged: {health}")
    schema = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
    if connection.execute(schema).fetchall() != replayed.execute(schema).fetchall():
        raise _FaultFound("the file's tables are not a ledger's")


def _compare(connection: sqlite3.Connection, replayed: sqlite3.Connection) -> None:
    for table, order in store.DERIVED.items():
        query = f"SELECT * FROM {table} ORDER BY {order}"  # noqa: S608 - our own names
        for found, expected in zip_longest(connection.execute(query), replayed.execute(query)):
            if found != expected:
                raise _FaultFound(
                    f"{table}: {found or 'nothing'} stands where {expected or 'nothing'} belongs"
                )
