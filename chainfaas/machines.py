"""Machines of providers: enrolling them, pausing them, and letting them go."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from chainfaas import broker, identity
from chainfaas.broker import Credentials
from chainfaas.errors import BadInput, HostedHere, Taken
from chainfaas.jobs import lifecycle
from chainfaas.ledger import machines as ledger
from chainfaas.models import Job, Machine, User
from chainfaas.models.states import ENDED

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
    """Enrol a machine: certificate, ledger record, queues. Raises BadInput or Taken.

    Its row comes last: a machine is there only with all that it needs, and an enrolment that was cut off
    can be made again."""
    machine = Machine(owner=owner, **fields)
    _check(machine, exclude=["owner", "certificate"])
    if Machine.objects.filter(owner=owner, name=machine.name, left_at=None).exists():
        raise _taken(machine)
    authority = identity.connect(settings.IDENTITY_URL)
    machine.certificate = authority.sign_machine(csr, machine=machine.id, user=str(owner.id))
    credentials = provision(machine)
    try:
        with transaction.atomic():
            machine.save(force_insert=True)
    except IntegrityError as error:
        _take_back(machine)
        raise _taken(machine) from error
    log.info("machine.enrolled", machine=machine.id, owner=owner.username)
    return Enrolment(machine, credentials)


def provision(machine: Machine) -> Credentials:
    """The machine's ledger record and queues. May be repeated."""
    ledger.enrol(machine)
    return broker.connect(settings.BROKER_URL).enrol(machine.id)


def renew(machine: Machine, csr: str) -> Machine:
    """A new certificate for a machine whose own ends soon; the ledger takes receipts of the new one's key."""
    authority = identity.connect(settings.IDENTITY_URL)
    machine.certificate = authority.sign_machine(csr, machine=machine.id, user=str(machine.owner_id))
    ledger.enrol(machine)
    _note(machine, certificate=machine.certificate)
    log.info("machine.renewed", machine=machine.id)
    return machine


def change(machine: Machine, **fields: Any) -> Machine:
    """Change what the machine offers, or pause it: a paused machine finishes what it has and gets no more."""
    for name, value in fields.items():
        setattr(machine, name, value)
    _check(machine, exclude=["owner"])
    try:
        with transaction.atomic():
            machine.save(update_fields=list(fields))
    except IntegrityError as error:
        raise _taken(machine) from error
    return machine


def leave(machine: Machine) -> None:
    """Let a machine go: what it did is paid while its receipts still count, then its certificate is revoked
    and its queues are removed; the sweeper takes its jobs elsewhere. May be repeated."""
    _note(machine, paused=True)
    for job in Job.objects.filter(machine=machine, settled=False, state__in=ENDED):
        lifecycle.settle(job)
    if machine.left_at is None:
        ledger.revoke(machine)
        if machine.certificate:
            identity.connect(settings.IDENTITY_URL).revoke(machine.certificate)
        _note(machine, left_at=timezone.now())
    broker.connect(settings.BROKER_URL).remove(machine.id)
    log.info("machine.left", machine=machine.id)


def _note(machine: Machine, **fields: Any) -> None:
    with transaction.atomic():
        Machine.objects.filter(id=machine.id).update(**fields)
    machine.refresh_from_db()


def _check(machine: Machine, exclude: list[str]) -> None:
    try:
        machine.full_clean(exclude=exclude, validate_constraints=False)
    except ValidationError as error:
        raise BadInput(
            " ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        ) from error
    if not isfinite(machine.cpus):
        raise BadInput("cpus: give a number.")


def _take_back(machine: Machine) -> None:
    ledger.revoke(machine)
    broker.connect(settings.BROKER_URL).remove(machine.id)


def _taken(machine: Machine) -> Taken:
    return Taken(f"You have a machine {machine.name!r} already.")
