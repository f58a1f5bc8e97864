"""`/api/v1/me`: who the token's user is, and the money."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from chainfaas import accounts
from chainfaas.api import strict
from chainfaas.api.authentication import user
from chainfaas.api.permissions import ACCOUNT, Need
from chainfaas.api.schema import describe
from chainfaas.api.strict import Input
from chainfaas.api.views import View
from chainfaas.models import User
from chainfaas.models.users import ROLES


class Roles(Input):
    roles = serializers.ListField(child=serializers.ChoiceField(ROLES), max_length=len(ROLES), required=False)


class MeShape(serializers.Serializer[Any]):
    username = serializers.CharField()
    email = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    balance = serializers.IntegerField(help_text="Micro-units, free to spend.")
    held = serializers.IntegerField(help_text="Micro-units, for jobs under way.")


class Me(View):
    needs = {"GET": Need(), "PATCH": ACCOUNT}

    @describe("getMe", {200: MeShape})
    def get(self, request: Request) -> Response:
        """Who you are, and what you have."""
        return Response(_shape(user(request)))

    @describe("changeMe", {200: MeShape}, request=Roles)
    def patch(self, request: Request) -> Response:
        """Take roles or give them up."""
        wish = strict.body(request, Roles)
        if "roles" in wish:
            accounts.change_roles(user(request), wish["roles"])
        return Response(_shape(user(request)))


def _shape(user: User) -> dict[str, Any]:
    money = accounts.balance(user)
    return {
        "username": user.username,
        "email": user.email,
        "roles": user.roles,
        "balance": money.free,
        "held": money.held,
    }
