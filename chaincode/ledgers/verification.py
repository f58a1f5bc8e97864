"""Is the file what its signatures say? Replay it from genesis into an empty store, and compare every table.

Found is any change to a block, a transaction, an index, the world state or its history, and a chain rebuilt
over a transaction that its creator did not sign so. Not found can be, by any ledger of one file, that its
operator took back the last blocks together with all that follows from them; who keeps a block's hash
elsewhere finds that too.

One block and one row at a time: memory does not grow with the ledger.
"""

from __future__ import annotations

import sqlite3
from itertools import zip_longest

from chaincode.blocks import CONFLICT, VALID, Header, NetworkConfig, Transaction, Verification, data_hash
from chaincode.errors import LedgerError
from chaincode.ledgers import genesis, membership, simulation, store
from chaincode.ledgers.store import Store


class _FaultFound(Exception):
    pass


def verify(connection: sqlite3.Connection, config: NetworkConfig) -> Verification:
    """Looks at one state of the file, whatever is committed meanwhile; its genesis must name `config`."""
    replayed = store.scratch()
    chain = _Chain(config, Store(replayed))
    try:
        connection.execute("BEGIN")
        replayed.execute("BEGIN")
        _check_file(connection, replayed)
        for header, digest, body in Store(connection).raw_blocks():
            chain.append(header, digest, body)
        if not chain.height:
            raise _FaultFound("there is no genesis block")
        _compare(connection, replayed)
    except _FaultFound as fault:
        return Verification(False, chain.height, str(fault))
    except (sqlite3.Error, UnicodeDecodeError) as error:
        return Verification(False, chain.height, f"the file is damaged: {error}")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        replayed.close()
    return Verification(True, chain.height)


class _Chain:
    """The blocks so far, each checked against those before it."""

    def __init__(self, config: NetworkConfig, replayed: Store) -> None:
        self.height = 0
        self._config = config
        self._store = replayed
        self._tip = genesis.NO_HASH

    def append(self, header: Header, digest: str, body: str) -> None:
        try:
            self._check_links(header, digest, body)
            lines = body.split("\n")
            if header.number == 0:
                self._check_genesis(header, body)
            for position, line in enumerate(lines):
                self._replay(header, position, line)
        except (
            LedgerError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            RecursionError,
            sqlite3.IntegrityError,
        ) as error:
            raise _FaultFound(f"block {self.height}: {error}") from error
        self.height += 1
        self._tip = header.hash

    def _check_links(self, header: Header, digest: str, body: str) -> None:
        if header.number != self.height:
            raise ValueError(f"it is missing, {header.number} follows")
        if header.previous_hash != self._tip:
            raise ValueError("it does not name the hash of the block before it")
        if header.data_hash != data_hash(body):
            raise ValueError("its transactions do not have the hash that it names")
        if header.hash != digest:
            raise ValueError("it does not have the hash that is stored for it")

    def _check_genesis(self, header: Header, body: str) -> None:
        if body != genesis.block(self._config, header.at)[1].text():
            raise ValueError("it is not the genesis block of this network")

    def _replay(self, header: Header, position: int, line: str) -> None:
        transaction = Transaction.load(line)
        if transaction.text() != line:
            raise ValueError(f"transaction {position} is not spelled canonically")
        if header.number:
            membership.check_transaction(self._config, transaction, header.at)
            self._check_decision(transaction, position)
        self._store.write_transaction(header.number, position, transaction)

    def _check_decision(self, transaction: Transaction, position: int) -> None:
        current = simulation.still_current(transaction.read_set, self._store)
        if transaction.validation_code != (VALID if current else CONFLICT):
            raise ValueError(f"transaction {position} was judged {transaction.validation_code[:40]} wrongly")


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
