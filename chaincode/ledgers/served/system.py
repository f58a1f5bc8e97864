"""`qscc`, the peer's own chaincode for reading the chain (fabric/core/scc/qscc/query.go)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fabric_protos.common import common_pb2 as common
from fabric_protos.common.ledger_pb2 import BlockchainInfo
from fabric_protos.peer.transaction_pb2 import ProcessedTransaction

from chaincode.fabric import blocks, transactions
from chaincode.fabric.encoding import encoded
from chaincode.fabric.proposals import Invocation
from chaincode.ledgers.engine import Engine
from chaincode.ledgers.served.answers import QueryFailed
from chaincode.ledgers.store import Place

NAME = "qscc"


class Qscc:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._functions: dict[bytes, Callable[[bytes], Any]] = {
            b"GetChainInfo": self._info,
            b"GetBlockByNumber": self._block_by_number,
            b"GetBlockByTxID": self._block_by_transaction,
            b"GetTransactionByID": self._transaction,
        }

    def answer(self, invocation: Invocation) -> bytes:
        """The protobuf message that the function answers with. Raises QueryFailed."""
        function, channel, argument = (*invocation.args, b"", b"", b"")[:3]
        if function not in self._functions:
            raise QueryFailed(f"Requested function {function.decode('utf-8', 'replace')[:40]} not found.")
        if channel.decode("utf-8", "replace") != self._engine.config.channel:
            raise QueryFailed("Invalid chain ID")
        return encoded(self._functions[function](argument))

    def _info(self, _: bytes) -> Any:
        height = self._engine.height()
        last = self._block(height - 1)
        return BlockchainInfo(
            height=height,
            currentBlockHash=blocks.hash_of(last.header),
            previousBlockHash=last.header.previous_hash,
        )

    def _block_by_number(self, argument: bytes) -> Any:
        try:
            number = int(argument)
        except ValueError as error:
            raise QueryFailed("Failed to parse block number with error") from error
        return self._block(number)

    def _block_by_transaction(self, argument: bytes) -> Any:
        return self._block(self._place(argument, "block").block)

    def _transaction(self, argument: bytes) -> Any:
        place = self._place(argument, "transaction")
        envelope = self._block(place.block).data.data[place.position]
        return ProcessedTransaction(
            transactionEnvelope=common.Envelope.FromString(envelope),
            validationCode=transactions.code_of(place.code),
        )

    def _block(self, number: int) -> Any:
        found = self._engine.stored(number, 1) if 0 <= number < 2**63 else []
        if not found or found[0].number != number:
            raise QueryFailed(f"Failed to get block number {number}, error Entry not found in index")
        return common.Block.FromString(found[0].block)

    def _place(self, argument: bytes, what: str) -> Place:
        tx_id = argument.decode("utf-8", "replace")
        place = self._engine.find(tx_id)
        if place is None:
            raise QueryFailed(f"Failed to get {what} with id {tx_id}, error no such transaction ID [{tx_id}]")
        return place
