"""`/api/v1/tokens`: made with the password, shown once, revoked with any of the same user's tokens."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth import authenticate
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from chainfaas.api import pages, strict, threads, throttles
from chainfaas.api.authentication import token, user
from chainfaas.api.pages import PageQuery
from chainfaas.api.permissions import OPEN, READ, Need
from chainfaas.api.schema import describe
from chainfaas.api.strict import Input, Text
from chainfaas.api.throttles import Passwords
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
    throttle_classes = [Passwords]

    @describe("createToken", {201: NewTokenShape}, request=TokenWish, open=True)
    async def post(self, request: Request) -> Response:
        """Make a token with name and password."""
        return await threads.passwords.run(_issued, request)

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


def _issued(request: Request) -> Response:
    wish = strict.body(request, TokenWish)
    was_right = throttles.take_guess(request, wish["username"])
    owner = authenticate(request, username=wish["username"], password=wish["password"])
    if not isinstance(owner, User):
        raise NotSignedIn("Name or password is wrong.")
    was_right()
    made, text = Token.issue(owner, wish["name"], sorted(set(wish["scopes"])))
    return Response({**TokenShape(made).data, "token": text}, status=201)
