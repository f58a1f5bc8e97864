"""Machines that providers lend."""

from __future__ import annotations

import secrets

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone

from chainfaas.models.functions import CPUS, RATE
from chainfaas.models.users import NAME, User
from tasks import topology


def new_machine_id() -> str:
    """Unguessable: it is the machine's broker user, and a stranger must not find its queues."""
    return secrets.token_hex(10)


class Machine(models.Model):
    """One computer of a provider, with a queue of its own."""

    id = models.CharField(primary_key=True, max_length=32, default=new_machine_id, editable=False)
    owner = models.ForeignKey(User, models.CASCADE, related_name="machines")
    name = models.CharField(
        max_length=40,
        validators=[RegexValidator(NAME, "Use lower-case letters, digits and inner hyphens, at most 40.")],
    )
    cpus = models.FloatField(validators=[MinValueValidator(CPUS[0]), MaxValueValidator(1024.0)])
    memory_mb = models.PositiveIntegerField(validators=[MinValueValidator(64), MaxValueValidator(16 * 2**20)])
    slots = models.PositiveIntegerField(default=1, validators=[MinValueValidator(1), MaxValueValidator(256)])
    rate = models.PositiveIntegerField(
        default=16, validators=[MinValueValidator(RATE[0]), MaxValueValidator(RATE[1])]
    )
    certificate = models.TextField()
    containers = models.BooleanField(default=True)  # False: runs the bundled functions only
    paused = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    last_seen = models.DateTimeField(null=True, blank=True)  # when the broker last had it connected
    left_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "machine"
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"],
                condition=models.Q(left_at__isnull=True),
                name="machine_name_once_an_owner",
            )
        ]

    @property
    def queue_limit(self) -> int:
        """Jobs that it may have at once, running and queued."""
        return topology.WAITING_PER_SLOT * self.slots
