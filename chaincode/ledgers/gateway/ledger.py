"""One identity's view of a ledger behind Fabric's Gateway service."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import Any, Self

from chaincode import canonical, ledger
from chaincode.blocks import Block, Commit, Envelope, NetworkConfig, Verification
from chaincode.errors import (
    Code,
    Conflict,
    ContractError,
    LedgerError,
    Misbehaved,
    OutcomeUnknown,
    Refused,
    Unavailable,
)
from chaincode.fabric import blocks, proposals, responses, transactions
from chaincode.fabric.proposals import Invocation
from chaincode.fabric.transactions import CODES
from chaincode.identity import Identity
from chaincode.ledgers import calls
from chaincode.ledgers.gateway import requests, verification
from chaincode.ledgers.gateway.chain import Chain
from chaincode.ledgers.gateway.connection import Connection, pauses
from chaincode.ledgers.gateway.events import Event, Follower

SETTLE_S = 10.0
"""How long the outcome of a submitted transaction is looked for before it is called unknown. An orderer that
was killed needs 5 to 10 s to take transactions again."""

MOST_BLOCKS = 1000
"""Blocks in one answer."""


class GatewayLedger:
    """A `chaincode.ledger.Ledger`, and the events that such a ledger tells."""

    remote = True

    def __init__(
        self, connection: Connection, channel: str, identity: Identity, network: NetworkConfig | None = None
    ) -> None:
        self._connection = connection
        self._channel = channel
        self._identity = identity
        self._network = network
        self._chain = Chain(connection, channel, identity)
        self._follower = Follower(connection, self._chain, channel, identity)

    # Calls.

    def evaluate(self, contract: str, function: str, document: dict[str, Any]) -> Any:
        request = requests.evaluate(self._call(contract, function, document), self._identity)
        return _result(self._connection.ask(requests.EVALUATE, request).result)

    def endorse(self, contract: str, function: str, document: dict[str, Any]) -> Envelope:
        invocation = self._call(contract, function, document)
        answer = self._connection.ask(requests.ENDORSE, requests.endorse(invocation, self._identity))
        prepared = self._check_prepared(invocation, answer.prepared_transaction.SerializeToString())
        signed = transactions.sign(prepared.payload, self._identity)
        return Envelope(invocation.tx_id, prepared.result, signed)

    def submit(self, envelope: Envelope) -> Commit:
        """Whatever fails on the way, the transaction is looked up, and this same envelope submitted again:
        it counts once."""
        if transactions.parse(envelope.data).invocation.tx_id != envelope.tx_id:
            raise Refused("the envelope names another transaction")
        give_up = time.monotonic() + SETTLE_S
        for pause in pauses():
            try:
                return self._submit(envelope)
            except Unavailable as failure:
                if time.monotonic() + pause > give_up or self._connection.is_closed():
                    raise OutcomeUnknown(f"whether it was committed is not known: {failure}") from failure
            time.sleep(pause)
        raise AssertionError  # there are pauses without end

    def status(self, tx_id: str) -> Commit | None:
        place = self._chain.find(tx_id)
        if place is None or place.code != CODES.VALID:
            return None
        return Commit(tx_id, place.block.header.number, blocks.time_of(place.block))

    def transact(self, contract: str, function: str, document: dict[str, Any]) -> tuple[Any, Commit]:
        return ledger.transact(self, contract, function, document)

    # Blocks.

    def height(self) -> int:
        return self._chain.height()

    def blocks(self, start: int, count: int) -> list[Block]:
        """Those that a failing stream leaves out are asked for again, at another address."""
        stop = start + min(count, MOST_BLOCKS) - 1
        found: list[Block] = []
        for pause in islice(pauses(), 6):
            if start + len(found) > stop:
                return found
            try:
                for block in self._chain.blocks(start + len(found), stop):
                    found.append(blocks.view(block))
                return found
            except Unavailable as failure:
                last = failure
            time.sleep(pause)
        raise last

    def transaction(self, tx_id: str) -> tuple[Block, int]:
        place = self._chain.find(tx_id)
        if place is None:
            raise ContractError(Code.NOT_FOUND, "there is no such transaction on the ledger")
        return blocks.view(place.block), place.index

    def verify(self) -> Verification:
        """Over the blocks that the ledger gives, with its answers checked against them: see
        `gateway.verification`."""
        return verification.verify(self, self._chain, self._identity, self._channel, self._network)

    # Events.

    def events(self, contract: str, *, start: int | None = None, after: str = "") -> Iterator[Event]:
        """What a contract tells, as it is committed: from now on, or from a block on (and in it, after a
        transaction). Goes on at another address where one fails; ends with `close`."""
        return self._follower.events(contract, start, after)

    def block_events(self, *, start: int | None = None) -> Iterator[Block]:
        """Each block, as it is committed: from now on, or from one on. Ends with `close`."""
        return self._follower.blocks(start)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _call(self, contract: str, function: str, document: dict[str, Any]) -> Invocation:
        return calls.call(self._channel, contract, function, document, by=self._identity)

    @staticmethod
    def _check_prepared(invocation: Invocation, envelope: bytes) -> transactions.Endorsed:
        """Nothing is signed but what was asked for."""
        try:
            return transactions.check_prepared(proposals.build(invocation), envelope)
        except Refused as error:
            raise Misbehaved(f"this is not signed: {error.detail}") from error

    def _submit(self, envelope: Envelope) -> Commit:
        """One try. Raises Unavailable where the outcome is not known."""
        try:
            request = requests.submit(self._channel, envelope.tx_id, envelope.data)
            self._connection.call(requests.SUBMIT, request)
            status = self._connection.call(
                requests.COMMIT_STATUS, requests.commit_status(self._channel, envelope.tx_id, self._identity)
            )
        except (Conflict, ContractError, Refused):
            raise
        except LedgerError as failure:
            return self._look_up(envelope.tx_id, failure)
        if status.result == CODES.DUPLICATE_TXID:  # of the second time that it was submitted
            return self._look_up(envelope.tx_id, Unavailable("it is being committed"))
        _check_code(status.result)
        return Commit(envelope.tx_id, status.block_number, self._chain.time_of(status.block_number))

    def _look_up(self, tx_id: str, failure: LedgerError) -> Commit:
        place = self._chain.find(tx_id)
        if place is None:
            raise Unavailable(failure.detail) from failure
        _check_code(place.code)
        return Commit(tx_id, place.block.header.number, blocks.time_of(place.block))


def _check_code(code: int) -> None:
    if code in (CODES.MVCC_READ_CONFLICT, CODES.PHANTOM_READ_CONFLICT):
        raise Conflict
    if code != CODES.VALID:
        raise Refused(f"the transaction does not count: {transactions.code_name(code)}")


def _result(response: Any) -> Any:
    """Of a `protos.Response`. Raises the contract's no, should a gateway hand it on as an answer."""
    if response.status >= responses.REFUSED:
        raise responses.contract_error(response.message) or LedgerError(response.message)
    try:
        return canonical.parse(response.payload)
    except ValueError as error:
        raise Misbehaved("the contract's answer is not JSON") from error
