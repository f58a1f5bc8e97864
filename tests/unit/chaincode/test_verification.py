"""`verify` finds what was changed behind the ledger's back."""

from __future__ import annotations

import base64
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaincode import canonical
from chaincode.blocks import Header, Transaction, data_hash
from chaincode.client import Verification
from chaincode.errors import Conflict
from chaincode.identity import Identity
from chaincode.ledgers import store, verification
from tests.contracts.authority import Authority
from tests.contracts.world import World
from tests.unit.chaincode.conftest import Place


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

    def rebuild(self, number: int, transactions: list[Transaction]) -> None:
        """Put these into a block, and hash it and all that follow again; the other tables stay."""
        body = "\n".join(transaction.text() for transaction in transactions)
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("UPDATE blocks SET transactions = ? WHERE number = ?", (body, number))
        self.rehash()

    def rehash(self) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            previous = ""
            for header, _, text in list(store.Store(connection).raw_blocks()):
                linked = Header(header.number, previous or header.previous_hash, data_hash(text), header.at)
                previous = linked.hash
                connection.execute(
                    "UPDATE blocks SET previous_hash = ?, data_hash = ?, hash = ? WHERE number = ?",
                    (linked.previous_hash, linked.data_hash, linked.hash, linked.number),
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
        *(("blocks", column) for column in ("previous_hash", "data_hash", "hash", "at", "transactions")),
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


class TestRebuiltChains:
    """The hashes are all right; what stands in the blocks is not."""

    def load(self, world: World, number: int) -> list[Transaction]:
        return world.controller.blocks(number, 1)[0].transactions

    def last(self, world: World) -> int:
        return world.controller.height() - 1

    def test_rebuilt_chain_of_honest_blocks_is_the_same(self, world: World, forger: Forger) -> None:
        forger.rebuild(1, self.load(world, 1))

        assert world.controller.verify().verified

    def test_changed_write_set_lacks_the_creators_signature(self, world: World, forger: Forger) -> None:
        [honest] = self.load(world, 4)
        contract, key, _ = honest.write_set[0]
        forged = replace(honest, write_set=[[contract, key, '{"free":1,"held":0}']])
        forger.rebuild(4, [forged])

        assert "block 4" in fault(world)

    @pytest.mark.parametrize("signature", ["", "AAAA", "no base64!"])
    def test_signature_taken_away_is_found(self, world: World, forger: Forger, signature: str) -> None:
        [honest] = self.load(world, 4)
        forger.rebuild(4, [replace(honest, signature=signature)])

        assert "signature" in fault(world)

    def test_another_creator_is_found(self, world: World, forger: Forger) -> None:
        [honest] = self.load(world, 4)
        forger.rebuild(4, [signed_by_an_impostor(honest)])

        assert "not of PlatformMSP" in fault(world)

    def test_flipped_decision_is_found_both_ways(self, world: World, forger: Forger) -> None:
        conflict = self.last(world)
        [invalid] = self.load(world, conflict)
        forger.rebuild(conflict, [replace(invalid, validation_code="VALID")])
        assert "judged" in fault(world)

        forger.rebuild(conflict, [invalid])
        [valid] = self.load(world, 4)
        forger.rebuild(4, [replace(valid, validation_code="MVCC_READ_CONFLICT")])
        assert "judged" in fault(world)

    def test_doubled_transaction_is_found(self, world: World, forger: Forger) -> None:
        transactions = self.load(world, 4)
        forger.rebuild(4, transactions * 2)

        assert "block 4" in fault(world)

    def test_swapped_transactions_are_found(self, world: World, forger: Forger) -> None:
        create, finish = self.load(world, 5), self.load(world, 6)
        forger.rebuild(5, finish)
        forger.rebuild(6, create)

        assert "block 5" in fault(world)

    def test_dropped_transaction_is_found(self, world: World, forger: Forger) -> None:
        forger.rebuild(5, [])

        assert "block 5" in fault(world)

    def test_another_spelling_is_found(self, world: World, forger: Forger) -> None:
        [honest] = self.load(world, 4)
        spaced = json.dumps(honest.as_dict(), sort_keys=True)
        forger.run("UPDATE blocks SET transactions = ? WHERE number = 4", spaced)
        forger.rehash()

        assert "block 4" in fault(world)

    def test_another_genesis_is_found(self, world: World, forger: Forger) -> None:
        [genesis] = self.load(world, 0)
        msps = {**genesis.document["msps"], "EveMSP": "root"}
        forger.rebuild(0, [replace(genesis, document={**genesis.document, "msps": msps})])

        assert "genesis" in fault(world)

    def test_another_channel_and_another_id_are_found(
        self, place: Place, world: World, forger: Forger
    ) -> None:
        [honest] = self.load(world, 4)
        for change in ({"channel": "other"}, {"id": "0" * 64}, {"nonce": "00"}):
            forger.rebuild(4, [signed(replace(honest, **change), world.controllers_key)])
            assert "block 4" in fault(world)


def signed(transaction: Transaction, identity: Identity) -> Transaction:
    signature = base64.b64encode(identity.sign(transaction.signed_data())).decode()
    return replace(transaction, signature=signature)


def signed_by_an_impostor(transaction: Transaction) -> Transaction:
    """Of an authority that calls itself the platform's."""
    impostor = Authority.make("PlatformMSP").enrol("controller", chainfaas_role="controller")
    creator = replace(transaction.creator, certificate=impostor.certificate)
    claimed = replace(transaction, creator=creator)
    return signed(replace(claimed, id=claimed.proposal.tx_id), impostor)


@pytest.mark.parametrize("body", ["", "{}", "[]", "1", '{"creator":{}}', "[" * 100_000])
def test_block_of_rubbish_is_a_fault_and_no_crash(world: World, forger: Forger, body: str) -> None:
    forger.run("UPDATE blocks SET transactions = ? WHERE number = 3", body)
    forger.rehash()

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
    broken = bytearray(image)
    broken[where % len(image)] ^= flip

    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.deserialize(bytes(broken))
        found = verification.verify(connection, place.config)

    if found.verified:
        assert dump(bytes(broken)) == dump(image)


def test_canonical_text_is_what_it_says() -> None:
    assert canonical.text({"b": 1, "a": "é"}) == '{"a":"\\u00e9","b":1}'
