"""People, what they may do, and the tokens that speak for them."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import datetime
from typing import Any

import uuid_utils
from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

NAME = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?\Z"
"""Names of users, functions and machines: they stand in addresses."""

ROLES = ("developer", "provider", "peer")
SCOPES = ("deploy", "invoke", "read", "provider")


def new_id() -> uuid.UUID:
    """A UUIDv7: sorts by time, so indexes stay compact and lists need no second key."""
    return uuid.UUID(bytes=uuid_utils.uuid7().bytes)


def first_id(moment: datetime) -> uuid.UUID:
    """Smaller than every id made from then on."""
    return uuid.UUID(int=int(moment.timestamp() * 1000) << 80)


class User(AbstractUser):
    """A person. The id is the account on the ledger and is never used again; the name is only shown."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    username = models.CharField(
        max_length=40,
        unique=True,
        validators=[RegexValidator(NAME, "Use lower-case letters, digits and inner hyphens, at most 40.")],
    )
    email = models.EmailField(blank=True)
    roles: models.JSONField[Any, list[str]] = models.JSONField(default=list)
    welcomed = models.BooleanField(default=False)  # the welcome deposit is on the ledger

    class Meta:
        db_table = "user"

    def has_role(self, role: str) -> bool:
        return role in self.roles


class Token(models.Model):
    """A bearer token. Only its SHA-256 is kept: with 256 random bits nothing slower is needed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80)
    scopes: models.JSONField[Any, list[str]] = models.JSONField(default=list)
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=12)  # the first letters, so that people can tell theirs apart
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "token"

    @classmethod
    def issue(cls, user: User, name: str, scopes: list[str]) -> tuple[Token, str]:
        """A new token and its text, which is shown once."""
        text = f"cfs_{secrets.token_urlsafe(32)}"
        return cls.objects.create(
            user=user, name=name, scopes=scopes, digest=cls.digest_of(text), hint=text[:8]
        ), text

    @staticmethod
    def digest_of(text: str) -> str:
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
