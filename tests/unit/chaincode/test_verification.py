"""`verify` finds what was changed behind the ledger's back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from fabric_protos.common import common_pb2 as common
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaincode import canonical
from chaincode.client import NetworkConfig, Verification
from chaincode.errors import Conflict
from chaincode.fabric import blocks, genesis
from chaincode.fabric.encoding import encoded
from chaincode.ledgers import peer, store, verification
from chaincode.ledgers.store import Store
from tests.contracts.authority import Authority
from tests.contracts.world import World
from tests.unit.chaincode.conftest import Place
from tests.unit.chaincode.forgery import Opened, resigned

VALID, CONFLICT = 0, 11
AT = "2026-01-01T00:00:00.000000Z"


@pytest.fixture
def world(place: Place) -> World:
    """Two jobs, one paid; a conflict; a folded credit; a withdrawal."""
    world = place.world()
    world.deposit(world.dora)
    world.finish(world.finished(world.created()))
    world.created()
    document = {"op": "slow", "account": world.dora, "amount": 5}
    slow = world.controller.endorse("monetary", "deposit", document)
    credits = world.credits(world.dora)
    world.pay("withdraw", {"op": "w", "account": world.dora, "amount": 3, "credits": credits})
    with pytest.raises(Conflict):
        world.controller.submit(slow)
    return world


class Forger:
    """Whoever can write the file: rows, and whole chains with their hashes made anew."""

    def __init__(self, place: Place) -> None:
        self.path = place.path

    def run(self, sql: str, *values: Any) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(sql, values)

    def rows(self, sql: str) -> list[Any]:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(sql).fetchall()

    def rebuild(self, number: int, envelopes: list[bytes], codes: list[int] | None = None) -> None:
        """Put these into a block, and hash and sign it and all that follow again, as the ledger's operator
        can; the other tables stay."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            previous, orderer = b"", peer.load(self.path).identity
            for stored in list(Store(connection).blocks()):
                block = common.Block.FromString(stored.block)
                data, judged = list(block.data.data), list(blocks.codes(block))
                if stored.number == number:
                    data, judged = envelopes, judged if codes is None else codes
                signs = {"orderer": orderer, "at": stored.at} if stored.number else {}
                linked = blocks.cut(stored.number, previous, data, judged, **signs)
                previous = blocks.hash_of(linked.header)
                self._put(connection, stored.number, previous, encoded(linked))

    def put(self, number: int, block: bytes) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            self._put(connection, number, b"", block)

    def block(self, number: int) -> Any:
        [(block,)] = self.rows(f"SELECT block FROM blocks WHERE number = {number}")
        return common.Block.FromString(block)

    @staticmethod
    def _put(connection: sqlite3.Connection, number: int, digest: bytes, block: bytes) -> None:
        connection.execute(
            "UPDATE blocks SET block = ?, hash = iif(? = x'', hash, ?) WHERE number = ?",
            (block, digest, digest, number),
        )


@pytest.fixture
def forger(place: Place, world: World) -> Forger:
    return Forger(place)


def fault(world: World) -> str:
    found = world.controller.verify()
    assert not found.verified
    assert found.fault
    return found.fault


def test_honest_file_verifies(world: World) -> None:
    assert world.controller.verify() == Verification(True, world.controller.height())


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("blocks", "at"),
        *(("positions", column) for column in ("tx_id", "code")),
        *(("state", column) for column in ("contract", "key", "value")),
        *(("history", column) for column in ("contract", "key", "tx_id", "at", "value")),
    ],
)
def test_changed_text_is_found_in_every_table(world: World, forger: Forger, table: str, column: str) -> None:
    for (old,) in forger.rows(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL LIMIT 3"):
        forger.run(f"UPDATE {table} SET {column} = {column} || 'x' WHERE {column} = ?", old)
        assert fault(world)
        forger.run(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", old, old + "x")
        assert world.controller.verify().verified


@pytest.mark.parametrize("table", ["positions", "state", "history"])
@pytest.mark.parametrize("column", ["block", "position"])
def test_changed_number_is_found(world: World, forger: Forger, table: str, column: str) -> None:
    forger.run(f"UPDATE {table} SET {column} = {column} + 100 WHERE block = (SELECT max(block) FROM {table})")

    assert table in fault(world)


@pytest.mark.parametrize("table", ["blocks", "positions", "state", "history"])
@pytest.mark.parametrize("order", ["ASC", "DESC"])
def test_missing_row_is_found(world: World, forger: Forger, table: str, order: str) -> None:
    column = forger.rows(f"SELECT name FROM pragma_table_info('{table}')")[0][0]
    condition = f"{column} = (SELECT {column} FROM {table} ORDER BY {column} {order} LIMIT 1)"
    forger.run(f"DELETE FROM {table} WHERE {condition}")

    assert fault(world)


def test_missing_last_block_is_found(world: World, forger: Forger) -> None:
    forger.run("DELETE FROM blocks WHERE number = (SELECT max(number) FROM blocks)")

    assert "positions" in fault(world)


def test_emptied_file_is_found(world: World, forger: Forger) -> None:
    for table in ("blocks", *store.DERIVED):
        forger.run(f"DELETE FROM {table}")

    assert fault(world) == "there is no genesis block"


def test_added_rows_are_found(world: World, forger: Forger) -> None:
    forger.run("INSERT INTO state VALUES ('monetary', 'acct/eve', '{\"free\":1,\"held\":0}', 1, 0)")

    assert "acct/eve" in fault(world)


def test_foreign_things_in_the_file_are_found(world: World, forger: Forger) -> None:
    forger.run("CREATE TRIGGER steal AFTER INSERT ON blocks BEGIN DELETE FROM state; END")

    assert "tables" in fault(world)


def test_swapped_blocks_are_found(world: World, forger: Forger) -> None:
    forger.run("UPDATE blocks SET number = -1 WHERE number = 2")
    forger.run("UPDATE blocks SET number = 2 WHERE number = 3")
    forger.run("UPDATE blocks SET number = 3 WHERE number = -1")

    assert "block 2" in fault(world)


@pytest.mark.parametrize("column", ["hash", "block"])
def test_changed_bytes_of_a_block_are_found(world: World, forger: Forger, column: str) -> None:
    for number in range(world.controller.height()):
        [(old,)] = forger.rows(f"SELECT {column} FROM blocks WHERE number = {number}")
        for changed in (old + b"x", old[:-1], bytes([old[0] ^ 1]) + old[1:]):
            forger.run(f"UPDATE blocks SET {column} = ? WHERE number = ?", changed, number)
            assert f"block {number}" in fault(world)
        forger.run(f"UPDATE blocks SET {column} = ? WHERE number = ?", old, number)
    assert world.controller.verify().verified


class TestMetadata:
    """What neither the hash nor a transaction's signature covers."""

    def change(self, forger: Forger, change: Callable[[Any], object]) -> None:
        block = forger.block(4)
        change(block)
        forger.put(4, encoded(block))

    @pytest.mark.parametrize("where", [1, 2, 3, 4])
    def test_added_metadata_is_found(self, world: World, forger: Forger, where: int) -> None:
        self.change(forger, lambda block: block.metadata.metadata.__setitem__(where, b"x"))

        assert "block 4" in fault(world)

    def test_missing_signature_is_found(self, world: World, forger: Forger) -> None:
        self.change(forger, lambda block: block.metadata.metadata.__setitem__(0, b""))

        assert "nobody signed" in fault(world)

    def test_strangers_signature_is_found(self, world: World, forger: Forger) -> None:
        def sign(block: Any) -> None:
            signed = blocks.cut(
                4, block.header.previous_hash, block.data.data, [0], orderer=world.controllers_key, at=AT
            )
            block.metadata.CopyFrom(signed.metadata)

        self.change(forger, sign)

        assert "orderer" in fault(world)

    def test_changed_clock_is_found(self, world: World, forger: Forger) -> None:
        def turn(block: Any) -> None:
            noted = common.Metadata.FromString(block.metadata.metadata[0])
            noted.value = noted.value.replace(b"20", b"19", 1)
            block.metadata.metadata[0] = encoded(noted)

        self.change(forger, turn)

        assert "signature" in fault(world)

    def test_unknown_field_is_found(self, world: World, forger: Forger) -> None:
        forger.put(4, encoded(forger.block(4)) + b"\x7a\x01x")

        assert "canonically" in fault(world)


class TestRebuiltChains:
    """The hashes are all right, and the ledger's own key signed it; what stands in the blocks is not."""

    def load(self, forger: Forger, number: int) -> list[bytes]:
        return list(forger.block(number).data.data)

    def last(self, world: World) -> int:
        return world.controller.height() - 1

    def test_rebuilt_chain_of_honest_blocks_is_the_same(self, world: World, forger: Forger) -> None:
        forger.rebuild(1, self.load(forger, 1))

        assert world.controller.verify().verified

    def test_changed_write_set_lacks_the_creators_signature(self, world: World, forger: Forger) -> None:
        [honest] = self.load(forger, 4)
        eve, own = world.providers.enrol("eve"), peer.load(forger.path).identity
        forged = Opened.of(honest).writes(["monetary", "acct/eve", '{"free":1,"held":0}']).seal(eve, own)
        forger.rebuild(4, [forged])

        assert "signature" in fault(world)

    def test_change_by_its_creator_lacks_the_endorsement(self, world: World, forger: Forger) -> None:
        [honest] = self.load(forger, 4)
        forged = Opened.of(honest).writes(["monetary", "acct/eve", '{"free":1,"held":0}'])
        forger.rebuild(4, [forged.seal(world.controllers_key)])

        assert "signature" in fault(world)

    @pytest.mark.parametrize("signature", [b"", b"AAAA"])
    def test_signature_taken_away_is_found(self, world: World, forger: Forger, signature: bytes) -> None:
        [honest] = self.load(forger, 4)
        forger.rebuild(4, [resigned(honest, signature)])

        assert "signature" in fault(world)

    def test_another_creator_is_found(self, world: World, forger: Forger) -> None:
        """Of an authority that calls itself the platform's."""
        [honest] = self.load(forger, 4)
        impostor = Authority.make("PlatformMSP").enrol("controller", chainfaas_role="controller")
        own = peer.load(forger.path).identity
        forger.rebuild(4, [Opened.of(honest).created_by(impostor).seal(impostor, own)])

        assert "not of PlatformMSP" in fault(world)

    def test_flipped_decision_is_found_both_ways(self, world: World, forger: Forger) -> None:
        conflict = self.last(world)
        forger.rebuild(conflict, self.load(forger, conflict), [VALID])
        assert "judged VALID" in fault(world)

        forger.rebuild(conflict, self.load(forger, conflict), [CONFLICT])
        assert world.controller.verify().verified
        forger.rebuild(4, self.load(forger, 4), [CONFLICT])
        assert "judged MVCC_READ_CONFLICT" in fault(world)

    def test_doubled_transaction_is_found(self, world: World, forger: Forger) -> None:
        transactions = self.load(forger, 4)
        forger.rebuild(4, transactions * 2, [VALID, VALID])

        assert "block 4" in fault(world)

    def test_swapped_transactions_are_found(self, world: World, forger: Forger) -> None:
        create, finish = self.load(forger, 5), self.load(forger, 6)
        forger.rebuild(5, finish)
        forger.rebuild(6, create)

        assert "block 5" in fault(world)

    def test_dropped_transaction_is_found(self, world: World, forger: Forger) -> None:
        forger.rebuild(5, [], [])

        assert "block 5" in fault(world)

    def test_another_spelling_is_found(self, world: World, forger: Forger) -> None:
        [honest] = self.load(forger, 4)
        forger.rebuild(4, [honest + b"\x7a\x01x"])

        assert "canonically" in fault(world)

    def test_another_genesis_is_found(self, place: Place, world: World, forger: Forger) -> None:
        msps = {**place.config.msps, "EveMSP": world.platform.pem}
        channel = genesis.of(
            NetworkConfig(place.config.channel, msps), {peer.MSP: peer.load(place.path).root}
        )
        forger.rebuild(0, [genesis.envelope(channel, AT)])

        assert "genesis" in fault(world)

    def test_another_channel_and_another_id_are_found(
        self, place: Place, world: World, forger: Forger
    ) -> None:
        [honest] = self.load(forger, 4)
        own = peer.load(place.path).identity
        for field, value in (("channel_id", "other"), ("tx_id", "0" * 64)):
            opened = Opened.of(honest)
            setattr(opened.channel, field, value)
            forger.rebuild(4, [opened.seal(world.controllers_key, own)])
            assert "block 4" in fault(world)


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff" * 100, b"\x0a\x00\x12\x00"])
def test_block_of_rubbish_is_a_fault_and_no_crash(world: World, forger: Forger, body: bytes) -> None:
    forger.put(3, body)
    assert fault(world)

    forger.put(0, body)
    assert fault(world)


@pytest.mark.parametrize("envelope", [b"", b"{}", b"\xff" * 100])
def test_transaction_of_rubbish_is_a_fault_and_no_crash(
    world: World, forger: Forger, envelope: bytes
) -> None:
    forger.rebuild(3, [envelope])

    assert fault(world)


def dump(data: bytes) -> list[list[Any]] | None:
    """All rows of all tables, or None if SQLite cannot read them."""
    try:
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.deserialize(data)
            connection.execute("PRAGMA query_only = ON")
            tables = ["sqlite_master", "blocks", *store.DERIVED]
            columns = "type, name, tbl_name, sql"
            return [
                connection.execute(
                    f"SELECT {columns if table == 'sqlite_master' else '*'} FROM {table}"
                ).fetchall()
                for table in tables
            ]
    except (sqlite3.Error, MemoryError):
        return None


class Image(bytes):
    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"


@pytest.fixture
def image(place: Place, world: World) -> Image:
    """The whole ledger as one file's bytes."""
    with closing(sqlite3.connect(place.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(place.path.read_bytes())
    data[18:20] = b"\x01\x01"  # not WAL, so that it can be read from memory
    return Image(data)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.integers(0, 10**9), flip=st.integers(1, 255))
def test_any_flipped_byte_that_changes_a_row_is_found(
    place: Place, image: Image, where: int, flip: int
) -> None:
    own = peer.load(place.path)
    channel = genesis.of(place.config, {peer.MSP: own.root})
    broken = bytearray(image)
    broken[where % len(image)] ^= flip

    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.deserialize(bytes(broken))
        found = verification.verify(connection, channel, own.creator)

    if found.verified:
        assert dump(bytes(broken)) == dump(image)


def test_canonical_text_is_what_it_says() -> None:
    assert canonical.text({"b": 1, "a": "é"}) == '{"a":"\\u00e9","b":1}'
