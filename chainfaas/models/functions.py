"""Functions: a container image and its needs."""

from __future__ import annotations

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone

from chainfaas.models.users import NAME, User, new_id

IMAGE = (
    r"^(?=.{1,255}\Z)(?:[a-z0-9][a-z0-9.-]*(?::[0-9]{1,5})?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(?:@sha256:[0-9a-f]{64})?\Z"
)
"""An image reference: registry/path:tag@digest, as Docker's reference grammar has it."""

MEMORY_MB = (16, 16384)
CPUS = (0.1, 64.0)
TIMEOUT_S = (1, 900)
RATE = (1, 1_000_000)
"""Micro-units per 100 ms at 1024 MiB."""

EXAMPLE = "example"
EXAMPLE_IMAGE = "chainfaas/wordcount"


class Terms(models.Model):
    """What a function needs and pays at most. A job copies it, so that later changes do not reach it."""

    image = models.CharField(
        max_length=255, validators=[RegexValidator(IMAGE, "This is no image reference.")]
    )
    memory_mb = models.PositiveIntegerField(
        default=128, validators=[MinValueValidator(MEMORY_MB[0]), MaxValueValidator(MEMORY_MB[1])]
    )
    cpus = models.FloatField(default=1.0, validators=[MinValueValidator(CPUS[0]), MaxValueValidator(CPUS[1])])
    timeout_s = models.PositiveIntegerField(
        default=30, validators=[MinValueValidator(TIMEOUT_S[0]), MaxValueValidator(TIMEOUT_S[1])]
    )
    env: models.JSONField[Any, dict[str, str]] = models.JSONField(default=dict, blank=True)
    network = models.BooleanField(default=False)
    max_rate = models.PositiveIntegerField(
        default=64, validators=[MinValueValidator(RATE[0]), MaxValueValidator(RATE[1])]
    )

    class Meta:
        abstract = True

    @property
    def timeout_ms(self) -> int:
        return self.timeout_s * 1000

    def terms(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in Terms._meta.fields}


class Function(Terms):
    """A function that its owner registered."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(User, models.CASCADE, related_name="functions")
    name = models.CharField(
        max_length=40,
        validators=[RegexValidator(NAME, "Use lower-case letters, digits and inner hyphens, at most 40.")],
    )
    public = models.BooleanField(default=False)
    daily_budget = models.PositiveBigIntegerField(
        null=True, blank=True
    )  # micro-units a UTC day, public calls
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "function"
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="function_name_once_an_owner")]

    @property
    def full_name(self) -> str:
        return f"{self.owner.username}/{self.name}"
