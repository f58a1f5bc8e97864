"""`/api/v1/tokens`: made with the password, shown once, revoked with any of the same user's tokens."""

from __future__ import annotations

import hashlib
from uuid import UUID

from django.conf import settings
from django.contrib.auth import authenticate
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from chainfaas.api import pages, strict, throttles
from chainfaas.api.addresses import neighbourhood
from chainfaas.api.authentication import token, user
from chainfaas.api.pages import PageQuery
from chainfaas.api.permissions import OPEN, READ, Need
from chainfaas.api.schema import describe
from chainfaas.api.strict import Input, Text
from chainfaas.api.views import View
from chainfaas.errors import Forbidden, NotFound, NotSignedIn
from chainfaas.models import Token, User
from chainfaas.models.users import SCOPES


class TokenWish(Input):
    username = Text(max_length=40)
    password = Text(max_length=1000, style={"input_type": "password"})
    name = Text(max_length=80, default="token", help_text="What you call it, to tell yours apart.")
    scopes = serializers.ListField(
        child=serializers.ChoiceField(SCOPES),
        default=list(SCOPES),
        allow_empty=False,
        max_length=len(SCOPES),
        help_text="What it may do; everything, if left out.",
    )


class TokenShape(serializers.Serializer[Token]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    hint = serializers.CharField(help_text="Its first letters.")
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)


class NewTokenShape(TokenShape):
    token = serializers.CharField(help_text="Shown this once.")


class Tokens(View):
    needs = {"POST": OPEN, "GET": READ}

    @describe("createToken", {201: NewTokenShape}, request=TokenWish, open=True)
    def post(self, request: Request) -> Response:
        """Make a token with name and password."""
        wish = strict.body(request, TokenWish)
        owner = _signed_in(request, wish["username"], wish["password"])
        made, text = Token.issue(owner, wish["name"], sorted(set(wish["scopes"])))
        return Response({**TokenShape(made).data, "token": text}, status=201)

    @describe("listTokens", {200: pages.documented(TokenShape)}, parameters=[PageQuery])
    def get(self, request: Request) -> Response:
        """Your tokens, the latest first. Their texts are not kept."""
        return pages.of(request, Token.objects.filter(user=user(request)), "-id", TokenShape)


class OneToken(View):
    needs = {"DELETE": Need()}

    @describe("deleteToken", {204: None}, NotFound)
    def delete(self, request: Request, id: UUID) -> Response:
        """Revoke a token. One that may not do everything may revoke itself only."""
        mine = token(request)
        if mine is None or (mine.id != id and set(mine.scopes) < set(SCOPES)):
            raise Forbidden("A token with some scopes only may revoke itself, and no other.")
        deleted, _ = Token.objects.filter(user=user(request), id=id).delete()
        if not deleted:
            raise NotFound("There is no such token, or it is not yours.")
        return Response(status=204)


def _signed_in(request: Request, username: str, password: str) -> User:
    """The user with this password. Guessing is slowed down for this name and address."""
    who = hashlib.sha256(f"{neighbourhood(request)} {username}".encode()).hexdigest()
    throttles.check(f"sign-in:{who}", settings.FAILED_SIGN_INS_PER_MINUTE)
    found = authenticate(request, username=username, password=password)
    if not isinstance(found, User):
        throttles.take(f"sign-in:{who}", settings.FAILED_SIGN_INS_PER_MINUTE)
        raise NotSignedIn("Name or password is wrong.")
    return found
