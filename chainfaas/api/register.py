"""`POST /api/v1/register`: a new user."""

from __future__ import annotations

from typing import Any

from django.core.validators import RegexValidator
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from chainfaas import accounts
from chainfaas.api import strict, threads
from chainfaas.api.permissions import OPEN
from chainfaas.api.schema import describe
from chainfaas.api.strict import Input, Text
from chainfaas.api.throttles import Registrations
from chainfaas.api.views import View
from chainfaas.errors import Taken
from chainfaas.models.users import NAME, ROLES


class Registration(Input):
    username = Text(
        max_length=40,
        validators=[RegexValidator(NAME, "Use lower-case letters, digits and inner hyphens, at most 40.")],
    )
    password = Text(max_length=1000, style={"input_type": "password"})
    email = serializers.EmailField(required=False, allow_blank=True, default="")
    roles = serializers.ListField(
        child=serializers.ChoiceField(ROLES), default=["developer"], allow_empty=True, max_length=len(ROLES)
    )


class UserShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    username = serializers.CharField()
    email = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())


class Register(View):
    needs = {"POST": OPEN}
    throttle_classes = [Registrations]

    @describe("register", {201: UserShape}, Taken, request=Registration, open=True)
    async def post(self, request: Request) -> Response:
        """Make an account. It starts with a welcome deposit; a developer also finds `example`."""
        return await threads.passwords.run(_registered, request)


def _registered(request: Request) -> Response:
    user = accounts.register(**strict.body(request, Registration))
    return Response(UserShape(user).data, status=201)
