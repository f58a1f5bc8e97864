"""Machines of providers: enrolling them, pausing them, and letting them go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from chainfaas import broker, identity
from chainfaas.broker import Credentials
from chainfaas.errors import BadInput, HostedHere, Taken
from chainfaas.ledger import machines as ledger
from chainfaas.models import Machine, User

log = structlog.get_logger()


@dataclass(frozen=True)
class Enrolment:
    """What a new machine needs to work. Shown once."""

    machine: Machine
    credentials: Credentials


def enrol(owner: User, csr: str, **fields: Any) -> Enrolment:
    """Enrol a machine that is somewhere else. Raises HostedHere where it could not reach the broker."""
    if not broker.connect(settings.BROKER_URL).remote:
        raise HostedHere
    return host(owner, csr, **fields)


def host(owner: User, csr: str, **fields: Any) -> Enrolment:
    """Enrol a machine: certificate, ledger record, queues. Raises BadInput or Taken."""
    machine = Machine(owner=owner, **fields)
    try:
        machine.full_clean(exclude=["owner", "certificate"], validate_constraints=False)
    except ValidationError as error:
        raise BadInput(
            " ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        ) from error
    authority = identity.connect(settings.IDENTITY_URL)
    machine.certificate = authority.sign_machine(csr, machine=machine.id, user=str(owner.id))
    try:
        with transaction.atomic():
            machine.save(force_insert=True)
    except IntegrityError as error:
        raise Taken(f"You have a machine {machine.name!r} already.") from error
    credentials = provision(machine)
    log.info("machine.enrolled", machine=machine.id, owner=owner.username)
    return Enrolment(machine, credentials)


def provision(machine: Machine) -> Credentials:
    """The machine's ledger record and queues. May be repeated."""
    ledger.enrol(machine)
    return broker.connect(settings.BROKER_URL).enrol(machine.id)


def change(machine: Machine, **fields: Any) -> Machine:
    """Change what the machine offers, or pause it: a paused machine finishes what it has and gets no more."""
    for name, value in fields.items():
        setattr(machine, name, value)
    try:
        machine.full_clean(exclude=["owner"], validate_constraints=False)
        with transaction.atomic():
            machine.save()
    except ValidationError as error:
        raise BadInput(
            " ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        ) from error
    except IntegrityError as error:
        raise Taken(f"You have a machine {machine.name!r} already.") from error
    return machine


def leave(machine: Machine) -> None:
    """Let a machine go: its certificate is revoked and its queues are removed; the sweeper takes its jobs
    elsewhere. May be repeated."""
    if machine.left_at is None:
        Machine.objects.filter(id=machine.id, left_at=None).update(left_at=timezone.now())
        machine.refresh_from_db()
    ledger.revoke(machine)
    broker.connect(settings.BROKER_URL).remove(machine.id)
    log.info("machine.left", machine=machine.id)
