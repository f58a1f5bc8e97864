"""Is a ledger what its blocks say? For a client that has nothing but what the ledger answers.

Every block is replayed from genesis into an empty store: the hash chain, the orderers' signatures on blocks,
creators' and endorsers' signatures on transactions, each by a certificate of this channel, and for each
transaction whether what it read had changed. Then the contracts are run here, over what came of the replay,
and must answer as the ledger does: for the sum of all accounts, and for accounts, jobs and machines picked by
chance.

Not found can be that the last blocks were taken back together with all that follows from them; who keeps a
block's hash elsewhere finds that too. Without a `NetworkConfig` the genesis block itself is believed. Of a
network whose endorsement policy asks for several organisations, that they all endorsed is its peers' word.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from fabric_protos.common import common_pb2 as common

from chaincode import canonical, certificates
from chaincode.blocks import CONFLICT, PHANTOM, VALID, Creator, NetworkConfig, Verification
from chaincode.errors import ContractError, LedgerError, Unavailable
from chaincode.fabric import blocks, genesis, transactions
from chaincode.fabric.genesis import ChannelConfig, Organisation
from chaincode.fabric.transactions import Endorsed
from chaincode.identity import Identity
from chaincode.ledgers import calls, membership, store
from chaincode.ledgers.execution import InProcess
from chaincode.ledgers.simulation import judge, simulate
from chaincode.ledgers.store import Store

if TYPE_CHECKING:
    from chaincode.ledgers.gateway.chain import Chain

ASKED = 100
"""Of each kind of record, how many are asked for."""

AT_ONCE = 500
"""Blocks of one stream."""

PATIENCE = 5
"""How often a question is put to a ledger that grows between question and answer."""

Question = tuple[str, str, dict[str, Any]]


class Asked(Protocol):
    def evaluate(self, contract: str, function: str, document: dict[str, Any]) -> Any: ...


class _FaultFound(Exception):
    pass


def verify(
    ledger: Asked, chain: Chain, identity: Identity, channel: str, network: NetworkConfig | None
) -> Verification:
    """Never raises for what it finds; Unavailable where the ledger cannot be asked."""
    connection = store.scratch()
    connection.execute("BEGIN")
    replay = Replay(Store(connection), channel, network)
    try:
        replay.catch_up(chain)
        _compare(replay, ledger, chain, identity)
    except _FaultFound as fault:
        return Verification(False, replay.height, str(fault))
    finally:
        connection.close()
    return Verification(True, replay.height)


class Replay:
    """The blocks so far, each checked against those before it, and the state that they lead to."""

    def __init__(self, state: Store, channel: str, network: NetworkConfig | None) -> None:
        self.state = state
        self.channel = channel
        self.height = 0
        self._network = network
        self._tip = b""
        self._config: ChannelConfig | None = None

    def catch_up(self, chain: Chain) -> None:
        """To the height that the ledger has now. Raises Unavailable."""
        height = chain.height()
        if not height:
            raise _FaultFound("there is no genesis block")
        while self.height < height:
            before = self.height
            self._take(chain.blocks(before, min(height, before + AT_ONCE) - 1))
            if self.height == before:
                raise _FaultFound(f"block {before} is not given, though the chain's height is {height}")

    def _take(self, given: Iterator[Any]) -> None:
        try:
            for block in given:
                self.append(block)
        except Unavailable:
            raise
        except (LedgerError, ValueError, TypeError, LookupError, sqlite3.Error) as error:
            raise _FaultFound(f"block {self.height}: {error}") from error

    def append(self, block: Any) -> None:
        """Raises LedgerError or ValueError for what is wrong with it."""
        if block.header.number != self.height:
            raise ValueError(f"it is missing, {block.header.number} follows")
        if block.header.previous_hash != self._tip:
            raise ValueError("it does not name the hash of the block before it")
        blocks.check_data(block)
        if self._config is None:
            self._config = self._genesis(block)
        else:
            self._replay(block, self._config)
        self.height += 1
        self._tip = blocks.hash_of(block.header)

    def _genesis(self, block: Any) -> ChannelConfig:
        config = genesis.read(block)
        if config.channel != self.channel or self._network not in (None, config.network):
            raise ValueError("it is not the genesis block of this network")
        return config

    def _replay(self, block: Any, config: ChannelConfig) -> None:
        at = blocks.time_of(block)
        for signer in blocks.check_signatures(block):
            _check_member(signer, config.orderers, at)
        if blocks.channel_header(block.data.data[0]).type == common.CONFIG:
            self._config = genesis.read(block)
            return
        for position, (envelope, code) in enumerate(zip(block.data.data, blocks.codes(block), strict=True)):
            self._transaction(position, envelope, transactions.code_name(code), at)

    def _transaction(self, position: int, envelope: bytes, code: str, at: str) -> None:
        """One that does not count for another reason than a conflict is its peers' judgement, and changes
        nothing here either."""
        if code not in (VALID, CONFLICT, PHANTOM):
            return
        endorsed = transactions.parse(envelope)
        self._check(endorsed, at)
        right = judge(endorsed.read_set, self.state)
        if (code == VALID) != (right == VALID):
            raise ValueError(f"transaction {position} was judged {code} wrongly")
        self.state.write_transaction(self.height, position, endorsed, code)

    def _check(self, endorsed: Endorsed, at: str) -> None:
        assert self._config is not None  # noqa: S101 - the genesis block came before
        if endorsed.invocation.channel != self.channel:
            raise ValueError("a transaction is of another channel")
        endorsed.check_creator()
        endorsed.check_endorsements()
        _check_member(endorsed.invocation.creator, self._config.members, at)
        endorsers = {**self._config.orderers, **self._config.members}  # a served ledger is both in one
        for found in endorsed.endorsements:
            _check_member(found.endorser, endorsers, at)


def _check_member(who: Creator, organisations: Mapping[str, Organisation], at: str) -> None:
    organisation = organisations.get(who.msp_id)
    issuers = (*organisation.roots, *organisation.intermediates) if organisation else ()
    if not any(certificates.issued_by(who.certificate, issuer) for issuer in issuers):
        raise ValueError(f"a signature is not of a certificate of {who.msp_id[:40]!r}")
    membership.check_validity(who, at)


def _compare(replay: Replay, ledger: Asked, chain: Chain, identity: Identity) -> None:
    """The ledger's answers with those that the contracts give here."""
    for question in _questions(replay.state):
        for _ in range(PATIENCE):
            if _answer(ledger, question) == _expected(replay, identity, question):
                break
            before = replay.height
            replay.catch_up(chain)
            if replay.height == before:
                contract, function, document = question
                raise _FaultFound(
                    f"{contract} {function} {canonical.text(document)}: the answer is not "
                    "what follows from the blocks"
                )


def _questions(state: Store) -> Iterator[Question]:
    yield "monetary", "totals", {}
    for contract, prefix, function, field in (
        ("monetary", "acct/", "balance", "account"),
        ("monitoring", "job/", "read", "job"),
        ("monitoring", "machine/", "machine", "machine"),
    ):
        names = [key.removeprefix(prefix) for key, *_ in state.range(contract, prefix, prefix[:-1] + "0")]
        for name in random.sample(names, min(ASKED, len(names))):
            yield contract, function, {field: name}


def _answer(ledger: Asked, question: Question) -> Any:
    """A contract's no is an answer too."""
    try:
        return ledger.evaluate(*question)
    except ContractError as error:
        return str(error)


def _expected(replay: Replay, identity: Identity, question: Question) -> Any:
    try:
        call = calls.call(replay.channel, *question, by=identity)
        return canonical.parse(simulate(call, replay.state, InProcess()).answer)
    except ContractError as error:
        return str(error)
