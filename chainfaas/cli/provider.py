"""`provider`: one's own machines, which run other people's functions and are paid for it."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path
from typing import Any

import click

from chainfaas.cli import config, output
from chainfaas.cli.client import part
from chainfaas.cli.errors import Failure
from chainfaas.cli.verbs import Amount, Command, Group, Session, pass_session

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@click.group(
    cls=Group,
    aliases={"enroll": "enrol", "list": "status", "ls": "status"},
    examples=("chainfaas provider enrol laptop --cpus 2 --memory-mb 4096", "chainfaas provider status"),
)
def provider() -> None:
    """Offer machines, see how they do, take them out."""


@provider.command(
    cls=Command,
    examples=(
        "chainfaas provider enrol",
        "chainfaas provider enrol laptop --cpus 2 --memory-mb 4096 --slots 2 --rate 16",
    ),
)
@click.argument("name", required=False)
@click.option("--cpus", type=click.FloatRange(min=0, min_open=True), help="[default: all of this computer's]")
@click.option("--memory-mb", type=click.IntRange(min=1), help="[default: half of this computer's]")
@click.option("--slots", type=click.IntRange(min=1), help="Jobs at the same time.  [default: one a cpu]")
@click.option("--rate", type=Amount(), help="Price per 100 ms at 1024 MiB, in micro-units.")
@click.option("--force", is_flag=True, help="Replace what an earlier enrolment under this name left here.")
@pass_session
def enrol(
    session: Session,
    name: str | None,
    *,
    cpus: float | None,
    memory_mb: int | None,
    slots: int | None,
    rate: int | None,
    force: bool,
) -> None:
    """Enrol this computer as a provider's machine.

    Its key is made here and never leaves; the server signs a certificate for it. Key, certificate and
    what the machine needs to connect are written to one file that only you can read.
    """
    name = name or _host()
    if not NAME.fullmatch(name):
        raise click.UsageError("A machine's name has letters, digits, dots and dashes.")
    target = _file(name)
    if target.exists() and not force:
        raise Failure(
            f"{target} is there already", "Another NAME enrols another machine; --force replaces this file."
        )
    key, request = _make_key(name)
    cpus = cpus or os.cpu_count() or 1
    body: dict[str, Any] = {
        "name": name,
        "cpus": cpus,
        "memory_mb": memory_mb or _half_of_memory_mb(),
        "slots": slots or max(1, int(cpus)),
        "csr": request,
    }
    if rate:
        body["rate"] = rate
    with config.private_file(target) as file:  # opened first: the answer is shown once, it must find a place
        answer = session.server.record("POST", "/api/v1/providers", body)
        enrolled = {"version": 1, "server": session.url, "name": name, "key": key, "enrolment": answer}
        json.dump(enrolled, file, indent=2)
    if session.as_json:
        output.dump({"id": answer.get("id"), "name": name, "file": str(target)})
        return
    click.echo(output.text_of(answer.get("id")))
    output.notice(
        f"enrolled {name} with {body['cpus']} cpus, {body['memory_mb']} MiB, {body['slots']} slots; "
        f"its key and credentials are in {target}"
    )


@provider.command(
    cls=Command,
    examples=("chainfaas provider status", "chainfaas provider status laptop --json"),
)
@click.argument("machine", required=False)
@pass_session
def status(session: Session, machine: str | None) -> None:
    """List your machines, or show one."""
    if machine:
        record = session.server.record("GET", _path(session, machine))
        if session.as_json:
            output.dump(record)
        else:
            output.facts((key, output.text_of(value)) for key, value in record.items())
        return
    machines = session.server.pages("/api/v1/providers", 1000)
    if session.as_json:
        output.dump(machines)
    elif not machines:
        output.notice("no machines yet: chainfaas provider enrol")
    else:
        columns = ["id", "name", "state", "cpus", "memory_mb", "slots", "rate"]
        output.table(
            [column.upper() for column in columns],
            [[output.text_of(machine.get(column)) for column in columns] for machine in machines],
        )


@provider.command(cls=Command, examples=("chainfaas provider pause laptop",))
@click.argument("machine", required=False)
@pass_session
def pause(session: Session, machine: str | None) -> None:
    """Take no new jobs; those under way are finished. MACHINE can be left out if you have one."""
    _switch(session, machine, "pause")


@provider.command(cls=Command, examples=("chainfaas provider resume laptop",))
@click.argument("machine", required=False)
@pass_session
def resume(session: Session, machine: str | None) -> None:
    """Take jobs again. MACHINE can be left out if you have one."""
    _switch(session, machine, "resume")


@provider.command(cls=Command, examples=("chainfaas provider leave laptop",))
@click.argument("machine")
@pass_session
def leave(session: Session, machine: str) -> None:
    """Take a machine out for good: its certificate and its queues end, its file here is removed."""
    found = _machine(session, machine)
    answer = session.server.ask("DELETE", f"/api/v1/providers/{part(str(found['id']))}")
    for file in config.folder().glob("machine-*.json"):
        if _enrolled(file) == (session.url, str(found["id"])):
            file.unlink()
    if session.as_json:
        output.dump(answer if answer is not None else {"id": found["id"], "left": True})
    else:
        click.echo(output.line(machine))


def _switch(session: Session, machine: str | None, verb: str) -> None:
    answer = session.server.ask("POST", f"{_path(session, machine)}/{verb}")
    if session.as_json:
        output.dump(answer if answer is not None else {"machine": machine})
    else:
        click.echo(output.text_of(machine or (answer or {}).get("name")))


def _path(session: Session, machine: str | None) -> str:
    return f"/api/v1/providers/{part(str(_machine(session, machine)['id']))}"


def _machine(session: Session, wanted: str | None) -> dict[str, Any]:
    """The machine that somebody means: by its id, by its name, or the only one."""
    machines = session.server.pages("/api/v1/providers", 1000)
    if wanted is None:
        if len(machines) != 1:
            raise click.UsageError(f"You have {len(machines)} machines: say which one.")
        return machines[0]
    found = [machine for machine in machines if wanted in {str(machine.get("id")), machine.get("name")}]
    if len(found) != 1:
        raise Failure(
            f"you have {'no machine' if not found else 'several machines called'} {wanted}",
            "`chainfaas provider status` lists them.",
        )
    return found[0]


def _host() -> str:
    """This computer's name, as a machine may be called: lower-case, digits, inner hyphens, at most 40."""
    name = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().partition(".")[0].lower())
    return name[:40].strip("-") or "machine"


def _file(name: str) -> Path:
    return config.folder() / f"machine-{name}.json"


def _enrolled(file: Path) -> tuple[str, str] | None:
    """Which machine of which server a file is for."""
    try:
        content = json.loads(file.read_text())
        return content["server"], str(content["enrolment"]["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _make_key(name: str) -> tuple[str, str]:
    """A new P-256 key and a request to certify it, both in PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret.decode(), request.public_bytes(serialization.Encoding.PEM).decode()


def _half_of_memory_mb() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**21
    except (ValueError, OSError):
        return 1024
