"""Who calls: bearer tokens, known by their digest."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from chainfaas.errors import NotSignedIn
from chainfaas.models import Token, User

NOTE_EVERY = timedelta(minutes=1)
"""How exactly a token's last use is known: not every call is worth a write."""


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer cfs_…`. No header is nobody; a header that is no valid token is an error."""

    def authenticate(self, request: Request) -> tuple[User, Token] | None:
        header = request.headers.get("Authorization")
        if header is None:
            return None
        scheme, _, text = header.strip().partition(" ")
        if scheme.lower() != "bearer" or not text.strip():
            raise NotSignedIn
        digest = Token.digest_of(text.strip())
        token = Token.objects.select_related("user").filter(digest=digest, user__is_active=True).first()
        if token is None:
            raise NotSignedIn("This token is not valid, or not any more.")
        _note_use(token)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="ChainFaaS"'


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # it has no types
    """How OpenAPI says it."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A token: `cfs_…`"}


def user(request: Request) -> User:
    """Who calls, where the permission has made sure that somebody does."""
    assert isinstance(request.user, User)  # noqa: S101 - permissions.May came before
    return request.user


def token(request: Request) -> Token | None:
    """The token that the call came with."""
    return request.auth if isinstance(request.auth, Token) else None


def caller(request: Request) -> User | None:
    """Who calls, or None for one without a token."""
    return request.user if isinstance(request.user, User) else None


def _note_use(token: Token) -> None:
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > NOTE_EVERY:
        old = Q(last_used_at=None) | Q(last_used_at__lt=now - NOTE_EVERY)
        Token.objects.filter(old, id=token.id).update(last_used_at=now)
