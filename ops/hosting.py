"""Machines that `up` hosts in its own process, and the account that is paid for them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings

from chainfaas import accounts, machines
from chainfaas.errors import Taken
from chainfaas.identity.embedded import ends_soon, private_pem, request
from chainfaas.ledger.connection import CHANNEL
from chainfaas.models import Machine, User
from worker.config import Config

OWN = "host"
"""The account that is paid where none is named."""


def owner(username: str | None, folder: Path) -> User:
    """The account that is paid. If it is new, its password is made and kept in `folder`/password.

    An account that is there already is paid only if it was named, or if we made it: anybody may have
    registered under our name. Raises Taken."""
    user = User.objects.filter(username=username or OWN).first()
    if user is None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        password = secrets.token_urlsafe(16)
        _write(folder / "password", password + "\n")
        user = accounts.register(username or OWN, password, roles=["provider"])
        _write(folder / "owner", str(user.id))
    elif username is None and not _ours(user, folder):
        raise Taken(f"the account {OWN!r} is somebody else's; name who is to be paid with --provider-user")
    if not user.has_role("provider"):
        accounts.change_roles(user, [*user.roles, "provider"])
    return user


def _ours(user: User, folder: Path) -> bool:
    """Whether we made it: its id is noted, or, after a kill just before that, our password fits."""
    try:
        return (folder / "owner").read_text() == str(user.id)
    except FileNotFoundError:
        password = folder / "password"
        return password.exists() and user.check_password(password.read_text().strip())


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
            if ends_soon(machine.certificate):
                machines.renew(machine, request(_key(home), name))
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


def _key(home: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key((home / "key.pem").read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - we wrote it
    return key


def _memory_mb() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
