"""Opening a ledger's file: for one process at a time, with the configuration that it was made for."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from chaincode.blocks import NetworkConfig
from chaincode.errors import LedgerError, Refused, Unavailable
from chaincode.fabric import blocks, genesis
from chaincode.fabric.encoding import encoded
from chaincode.fabric.genesis import ChannelConfig
from chaincode.ledgers import membership, peer, store
from chaincode.ledgers.peer import Peer
from chaincode.ledgers.store import Store, Stored


@dataclass(frozen=True)
class LedgerFile:
    """A file that this process has open."""

    lock: IO[str]
    writer: sqlite3.Connection
    channel: ChannelConfig
    peer: Peer

    @property
    def config(self) -> NetworkConfig:
        return self.channel.network


def open_file(path: Path, config: NetworkConfig | None, now: Callable[[], str]) -> LedgerFile:
    """Makes it, if it is new, for the network that `config` names."""
    with contextlib.ExitStack() as undo:
        lock = undo.enter_context(_own(path))
        try:
            writer = undo.enter_context(contextlib.closing(store.connect(path)))
            store.prepare(writer)
            channel = _configuration(writer, path, config, now)
        except (sqlite3.Error, TypeError, StopIteration) as error:
            raise Unavailable(f"this is not a ledger file, or it is damaged: {error}") from error
        own = peer.load(path)
        if config not in (None, channel.network):
            raise Refused("this ledger was made for another network")
        if channel != _channel(channel.network, own):
            raise Refused("the key beside this ledger is not the one that it was made with")
        undo.pop_all()
    return LedgerFile(lock, writer, channel, own)


def _own(path: Path) -> IO[str]:
    """Keep other processes out. A lock on the file itself would break SQLite's (sqlite.org/howtocorrupt)."""
    lock = path.with_name(path.name + ".lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise Unavailable(f"the ledger {path.name} is open in another process") from error
    return lock


def _configuration(
    writer: sqlite3.Connection, path: Path, config: NetworkConfig | None, now: Callable[[], str]
) -> ChannelConfig:
    """Closing the connection takes back what is not committed."""
    writer.execute("BEGIN IMMEDIATE")
    if not writer.execute("SELECT 1 FROM sqlite_master WHERE name = 'blocks'").fetchone():
        _make(writer, path, config, now())
    first = next(Store(writer).blocks(0, 1))
    writer.execute("COMMIT")
    if not isinstance(first.block, bytes):
        raise TypeError("the first block is no block")
    return genesis.read(blocks.parse(first.block))


def _make(writer: sqlite3.Connection, path: Path, config: NetworkConfig | None, at: str) -> None:
    if config is None:
        raise LedgerError("the ledger file is empty: name the network to make one for")
    membership.check_config(config)
    for statement in store.SCHEMA.split(";"):
        writer.execute(statement)
    block = genesis.block(_channel(config, peer.make(path)), at)
    Store(writer).write_block(Stored(0, blocks.hash_of(block.header), at, encoded(block)))


def _channel(config: NetworkConfig, own: Peer) -> ChannelConfig:
    return genesis.of(config, {peer.MSP: own.root})
