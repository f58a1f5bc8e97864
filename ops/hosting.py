"""Machines that `up` hosts in its own process, and the account that is paid for them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings

from chainfaas import accounts, machines
from chainfaas.identity.embedded import private_pem, request
from chainfaas.ledger.connection import CHANNEL
from chainfaas.models import Machine, User
from worker.config import Config


def owner(username: str, folder: Path) -> User:
    """The account that is paid. If it is new, its password is made and kept in `folder`/password."""
    user = User.objects.filter(username=username).first()
    if user is not None:
        if not user.has_role("provider"):
            accounts.change_roles(user, [*user.roles, "provider"])
        return user
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    password = secrets.token_urlsafe(16)
    _write(folder / "password", password + "\n")
    return accounts.register(username, password, roles=["provider"])


def enrol(user: User, count: int, slots: int, folder: Path) -> Iterator[Config]:
    """The configuration of each hosted machine. Machines of an earlier start are the same machines again;
    their queues, which were in memory, are made anew."""
    for number in range(1, count + 1):
        name = f"hosted-{number}"
        home = folder / name
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        machine = Machine.objects.filter(owner=user, name=name, left_at=None).first()
        if machine is None:
            machine = _new(user, name, slots, home)
        else:
            machines.change(machine, slots=slots)
            machines.provision(machine)
        certificate = home / "certificate.pem"
        _write(certificate, machine.certificate)
        yield Config(
            machine=machine.id,
            slots=slots,
            memory_mb=machine.memory_mb,
            cpus=machine.cpus,
            runtime_url="process://",
            data=home,
            key=home / "key.pem",
            certificate=certificate,
            broker_url="memory://",
            channel=CHANNEL,
            ledger_url=settings.LEDGER_URL,
            settle_after_s=settings.SETTLE_AFTER_S,
        )


def _new(user: User, name: str, slots: int, home: Path) -> Machine:
    key = ec.generate_private_key(ec.SECP256R1())
    _write(home / "key.pem", private_pem(key))
    enrolment = machines.host(
        user,
        request(key, name),
        name=name,
        cpus=float(os.cpu_count() or 1),
        memory_mb=_memory_mb(),
        slots=slots,
        containers=False,
    )
    return enrolment.machine


def _memory_mb() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
