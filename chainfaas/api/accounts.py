"""`/api/v1/deposits` and `/withdrawals`: test money in and out of one's own account."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from chainfaas import accounts
from chainfaas.api import preferences, strict
from chainfaas.api.authentication import user
from chainfaas.api.permissions import ACCOUNT
from chainfaas.api.schema import describe
from chainfaas.api.strict import Input, Whole
from chainfaas.api.views import View
from chainfaas.errors import KeyReused, NoFunds
from chainfaas.ledger.accounts import Balance


class Amount(Input):
    amount = Whole(min_value=1, max_value=settings.LARGEST_DEPOSIT, help_text="Micro-units.")


class MoneyShape(serializers.Serializer[Any]):
    amount = serializers.IntegerField()
    balance = serializers.IntegerField(help_text="Micro-units, free to spend.")
    held = serializers.IntegerField(help_text="Micro-units, for jobs under way.")


class Deposits(View):
    needs = {"POST": ACCOUNT}

    @describe(
        "deposit", {201: MoneyShape}, KeyReused, request=Amount, parameters=[preferences.IDEMPOTENCY_KEY]
    )
    def post(self, request: Request) -> Response:
        """Put test money into your account. The same Idempotency-Key again changes nothing."""
        amount = strict.body(request, Amount)["amount"]
        return _moved(amount, accounts.deposit(user(request), amount, preferences.key(request)))


class Withdrawals(View):
    needs = {"POST": ACCOUNT}

    @describe(
        "withdraw",
        {201: MoneyShape},
        NoFunds,
        KeyReused,
        request=Amount,
        parameters=[preferences.IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> Response:
        """Take money out of your account. The same Idempotency-Key again changes nothing."""
        amount = strict.body(request, Amount)["amount"]
        return _moved(amount, accounts.withdraw(user(request), amount, preferences.key(request)))


def _moved(amount: int, money: Balance) -> Response:
    return Response({"amount": amount, "balance": money.free, "held": money.held}, status=201)
