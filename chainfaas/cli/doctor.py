"""`doctor`: looks at every part between here and a paid job, and says what to do about the broken ones."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import click

from chainfaas.cli import config, output
from chainfaas.cli.errors import Failure
from chainfaas.cli.verbs import Command, Session, pass_session


@dataclass(frozen=True)
class Check:
    name: str
    ok: bool
    detail: str
    cure: str = ""


@click.command(cls=Command, examples=("chainfaas doctor", "chainfaas doctor --json"))
@pass_session
def doctor(session: Session) -> None:
    """Find out what is wrong, and what to do about it. Exit code 1 if anything is."""
    checks = []
    for check in _checks(session):
        checks.append(check)
        if not session.as_json:
            _print(check)
    sound = all(check.ok for check in checks)
    if session.as_json:
        output.dump({"ok": sound, "checks": [asdict(check) for check in checks]})
    if not sound:
        click.get_current_context().exit(1)


def _checks(session: Session) -> Iterator[Check]:
    yield _python()
    mended = _config(session)
    yield mended
    if not mended.ok:
        return
    answers = _server(session)
    yield answers
    if not answers.ok:
        return
    yield from _parts(session)
    if not session.token:
        cure = "`chainfaas login`, or `chainfaas register NAME` first"
        yield Check("login", False, f"nobody is logged in to {session.url}", cure)
        return
    try:
        me = session.server.record("GET", "/api/v1/me")
    except Failure as failure:
        yield Check("login", False, failure.message, " ".join(failure.hints))
        return
    yield Check("login", True, f"{me.get('username')} ({output.text_of(me.get('roles'))})")
    yield _balance(me)


def _python() -> Check:
    version = ".".join(str(number) for number in sys.version_info[:3])
    return Check("python", sys.version_info >= (3, 11), version, "install Python 3.11 or later")


def _config(session: Session) -> Check:
    path = config.path()
    try:
        session.config  # noqa: B018 - reads it
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return Check("config", True, f"{path} is not there yet")
    except Failure as failure:
        return Check("config", False, failure.message, f"rm {path}; chainfaas login")
    return Check("config", not mode & 0o077, f"{path}, mode {mode:04o}", f"chmod 600 {path}")


def _server(session: Session) -> Check:
    try:
        server = session.server_as(None)  # whether the token is valid is another question
        server.check(server.send("GET", "/healthz"))
    except Failure as failure:
        return Check("server", False, failure.message, " ".join(failure.hints))
    return Check("server", True, session.url)


def _parts(session: Session) -> Iterator[Check]:
    """What /readyz says of database, broker, ledger and whatever else it names."""
    cure = "the server's operator: its log says more"
    try:
        response = session.server_as(None).send("GET", "/readyz")
        content = response.json()
    except Failure as failure:
        yield Check("ready", False, failure.message, " ".join(failure.hints))
        return
    except ValueError:
        content = None
    parts: Any = content
    if isinstance(content, dict):
        parts = next(
            (content[key] for key in ("parts", "checks") if isinstance(content.get(key), dict)), content
        )
    if not isinstance(parts, dict) or "title" in parts:
        yield Check("ready", response.is_success, f"/readyz answered {response.status_code}", cure)
        return
    for name, said in parts.items():
        yield Check(output.line(str(name)), _well(said), output.text_of(said), cure)
    if not response.is_success and all(_well(said) for said in parts.values()):
        yield Check("ready", False, f"/readyz answered {response.status_code}", cure)


def _well(said: object) -> bool:
    if isinstance(said, dict):
        said = said.get("ok", said.get("status", said.get("ready")))
    if isinstance(said, str):
        return said.lower() in {"ok", "ready", "up", "true", "healthy"}
    return said is True


def _balance(me: dict[str, Any]) -> Check:
    free = me.get("balance")
    cure = "`chainfaas ledger deposit 1,000,000` puts test money in"
    return Check("balance", isinstance(free, int) and free > 0, f"{output.money(free)} free", cure)


def _print(check: Check) -> None:
    mark = output.coloured("ok", "green") if check.ok else output.coloured("no", "red")
    click.echo(f"{mark}  {check.name}: {output.line(check.detail)}")
    if not check.ok and check.cure:
        click.echo(f"    -> {output.line(check.cure)}")
