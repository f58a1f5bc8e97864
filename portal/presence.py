"""Whether a machine is there, as the last sweep saw it: a page need not ask the broker."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from chainfaas.models import Machine

READY, PAUSED, OFFLINE, NEW = "ready", "paused", "offline", "new"

MISSED_SWEEPS = 5


def state(machine: Machine) -> str:
    """NEW: it has never been connected."""
    if machine.last_seen is None:
        return NEW
    age = timezone.now() - machine.last_seen
    if age > timedelta(seconds=max(15.0, settings.SWEEP_EVERY_S * MISSED_SWEEPS)):
        return OFFLINE
    return PAUSED if machine.paused else READY
