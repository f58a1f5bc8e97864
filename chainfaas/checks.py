"""What `manage.py check`, and every start, say about settings that cannot work."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from chainfaas.scheduler.policies import POLICIES


@register("chainfaas")
def policy(**_: Any) -> list[CheckMessage]:
    """The scheduler's policy is one that there is."""
    if settings.POLICY in POLICIES:
        return []
    hint = f"Use one of {', '.join(POLICIES)}."
    return [Error(f"CHAINFAAS_POLICY is {settings.POLICY!r}.", hint=hint, id="chainfaas.E001")]


@register("chainfaas")
def numbers(**_: Any) -> list[CheckMessage]:
    """Times and sizes are ones that time and machines can have."""
    names = ("PLACE_WAIT_S", "GRACE_S", "PULL_ALLOWANCE_S", "RECEIPT_WAIT_S", "STALE_S", "BATCH_WAIT_MS")
    wrong = [name for name in names if not 0 <= getattr(settings, name) < 10**7]
    wrong += [name for name in ("SWEEP_EVERY_S", "BATCH_SIZE") if not 0 < getattr(settings, name) <= 10**4]
    return [Error(f"CHAINFAAS_{name} is {getattr(settings, name)!r}.", id="chainfaas.E002") for name in wrong]
