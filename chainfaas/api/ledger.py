"""`/api/v1/ledger`: what stands on the two ledgers, for everybody to check."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from chaincode.blocks import Block, Transaction
from chainfaas.api import pages, strict
from chainfaas.api.authentication import caller, user
from chainfaas.api.pages import PageQuery
from chainfaas.api.permissions import OPEN, READ
from chainfaas.api.schema import describe
from chainfaas.api.throttles import OpenReads
from chainfaas.api.views import View
from chainfaas.errors import NotFound
from chainfaas.jobs import selectors
from chainfaas.ledger import account_index, accounts, blocks
from chainfaas.ledger import jobs as records
from chainfaas.models import AccountChange, User

INSIDE = ("machine",)
"""Members of a record that are nobody's business: a machine's id is its name on the broker."""


class RecordShape(serializers.Serializer[Any]):
    """A job as the monitoring contract has it, with names instead of accounts."""

    job = serializers.UUIDField()
    developer = serializers.CharField()
    provider = serializers.CharField(allow_null=True)
    function = serializers.CharField()
    time_ms = serializers.IntegerField(allow_null=True)
    cost = serializers.IntegerField(allow_null=True)
    received = serializers.BooleanField(help_text="Whether the controller confirmed the result.")
    payment_done = serializers.BooleanField()
    attempt = serializers.IntegerField()
    hold = serializers.IntegerField()
    outcome = serializers.CharField(allow_null=True)


class RecordChangeShape(serializers.Serializer[Any]):
    tx_id = serializers.CharField()
    block = serializers.IntegerField()
    at = serializers.DateTimeField()
    value = RecordShape()


class RecordHistoryShape(serializers.Serializer[Any]):
    results = RecordChangeShape(many=True)
    next = serializers.URLField(allow_null=True)


class BalanceShape(serializers.Serializer[Any]):
    free = serializers.IntegerField(help_text="Micro-units.")
    held = serializers.IntegerField(help_text="Micro-units.")


class AccountChangeShape(serializers.Serializer[AccountChange]):
    tx_id = serializers.CharField()
    block = serializers.IntegerField()
    at = serializers.DateTimeField()
    why = serializers.CharField(help_text="The contract's function.")
    change = serializers.IntegerField(help_text="Of free and held together.")
    value = BalanceShape(source="*", help_text="What the account had then.")


class TransactionShape(serializers.Serializer[Any]):
    """What everybody may see. A peer's token shows all that is needed to verify it."""

    id = serializers.CharField()
    contract = serializers.CharField()
    function = serializers.CharField()
    msp_id = serializers.CharField()
    time = serializers.DateTimeField()
    validation_code = serializers.CharField()


class BlockShape(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    previous_hash = serializers.CharField(allow_blank=True)
    data_hash = serializers.CharField()
    hash = serializers.CharField()
    at = serializers.DateTimeField()
    transactions = TransactionShape(many=True)


class BlockPageShape(serializers.Serializer[Any]):
    results = BlockShape(many=True)
    next = serializers.URLField(allow_null=True)


class BlockQuery(serializers.Serializer[Any]):
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)
    cursor = serializers.IntegerField(
        min_value=0, max_value=2**53 - 1, required=False, help_text="Blocks before this one."
    )


class VerificationShape(serializers.Serializer[Any]):
    verified = serializers.BooleanField()
    height = serializers.IntegerField(help_text="Blocks; with a fault, those before it.")
    fault = serializers.CharField(allow_null=True)


class JobRecord(View):
    needs = {"GET": READ}

    @describe("getLedgerJob", {200: RecordShape}, NotFound)
    def get(self, request: Request, id: UUID) -> Response:
        """What the ledger says of a job: for its parties, peers and staff."""
        job = selectors.ledger_job(user(request), id)
        record = records.read(job.key)
        if record is None:
            raise NotFound(f"The ledger does not have job {job.key}.")
        return Response(_named([record])[0])


class JobHistory(View):
    needs = {"GET": READ}

    @describe("getLedgerJobHistory", {200: RecordHistoryShape}, NotFound)
    def get(self, request: Request, id: UUID) -> Response:
        """Each change of a job's record, in the order of the commits."""
        job = selectors.ledger_job(user(request), id)
        changes = records.history(job.key)
        values = _named(change["value"] for change in changes)
        results = [
            {"tx_id": c["tx_id"], "block": blocks.of_transaction(c["tx_id"]), "at": c["at"], "value": value}
            for c, value in zip(changes, values, strict=True)
        ]
        return Response({"results": results, "next": None})


class Account(View):
    needs = {"GET": READ}

    @describe("getLedgerAccount", {200: BalanceShape}, NotFound)
    def get(self, request: Request, username: str) -> Response:
        """What an account has: for its owner and staff."""
        return Response(BalanceShape(accounts.balance(_account(request, username))).data)


class AccountHistory(View):
    needs = {"GET": READ}

    @describe(
        "getLedgerAccountHistory",
        {200: pages.documented(AccountChangeShape)},
        NotFound,
        parameters=[PageQuery],
    )
    def get(self, request: Request, username: str) -> Response:
        """What each transaction did to an account, the first one first."""
        rows = account_index.history(_account(request, username))
        return pages.of(request, rows, "id", AccountChangeShape)


class Blocks(View):
    needs = {"GET": OPEN}
    throttle_classes = [OpenReads]

    @describe("listBlocks", {200: BlockPageShape}, parameters=[BlockQuery], open=True)
    def get(self, request: Request) -> Response:
        """The chain, the latest block first. Open to all."""
        asked = strict.query(request, BlockQuery)
        end = min(asked.get("cursor", blocks.height()), blocks.height())
        start = max(0, end - asked["limit"])
        results = [_block(block, request) for block in reversed(blocks.read(start, end - start))]
        following = pages.address(request, limit=asked["limit"], cursor=start) if start else None
        return Response({"results": results, "next": following})


class OneBlock(View):
    needs = {"GET": OPEN}
    throttle_classes = [OpenReads]

    @describe("getBlock", {200: BlockShape}, NotFound, open=True)
    def get(self, request: Request, number: int) -> Response:
        """One block. Open to all."""
        return Response(_block(blocks.block(number), request))


class Verify(View):
    needs = {"GET": OPEN}
    throttle_classes = [OpenReads]

    @describe("verifyLedger", {200: VerificationShape}, open=True)
    def get(self, request: Request) -> Response:
        """Replay the chain from its first block: hashes, signatures, decisions. Open to all."""
        return Response(VerificationShape(blocks.verify()).data)


def _account(request: Request, username: str) -> str:
    """The account of oneself, or for staff, of anybody."""
    asks = user(request)
    owner = asks if asks.username == username else User.objects.filter(username=username).first()
    if owner is None or not (owner == asks or asks.is_staff):
        raise NotFound(f"There is no account {username}, or it is not yours.")
    return str(owner.id)


def _named(values: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records with names instead of accounts."""
    found = list(values)
    ids = {value[party] for value in found for party in ("developer", "provider")} - {None}
    names = {str(id): name for id, name in User.objects.filter(id__in=ids).values_list("id", "username")}
    return [
        {
            **{name: part for name, part in value.items() if name not in INSIDE},
            "developer": names.get(value["developer"], value["developer"]),
            "provider": names.get(value["provider"], value["provider"]),
        }
        for value in found
    ]


def _block(block: Block, request: Request) -> dict[str, Any]:
    """What a call speaks of is its parties' business; whoever checks the chain needs all of it."""
    asks = caller(request)
    whole = asks is not None and (asks.is_staff or asks.has_role("peer"))
    shown = block.as_dict() if whole else vars(block)
    return {**shown, "transactions": [_transaction(tx, whole=whole) for tx in block.transactions]}


def _transaction(tx: Transaction, *, whole: bool) -> dict[str, Any]:
    summary = {
        "id": tx.id,
        "contract": tx.contract,
        "function": tx.function,
        "msp_id": tx.creator.msp_id,
        "time": tx.time,
        "validation_code": tx.validation_code,
    }
    return {**tx.as_dict(), **summary} if whole else summary
