"""`register`, `login`, `logout`, `whoami`: who somebody is on which server."""

from __future__ import annotations

import contextlib
import socket
import sys
from urllib.parse import urlsplit

import click

from chainfaas.cli import config, output
from chainfaas.cli.client import LOOPBACK, part
from chainfaas.cli.errors import Failure, Problem
from chainfaas.cli.verbs import Command, Session, pass_session

password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of stdin."
)
scope_option = click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(["deploy", "invoke", "read", "provider"]),
    help="What the token may do; may be repeated.  [default: everything]",
)


@click.command(
    cls=Command,
    examples=(
        "chainfaas register dora",
        "chainfaas register pete --role provider --email pete@example.org",
        "chainfaas register dora --password-stdin < password.txt",
    ),
)
@click.argument("name")
@click.option("--email")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(["developer", "provider", "peer"]),
    default=["developer"],
    show_default=True,
    help="What the account is for; may be repeated.",
)
@password_option
@click.option("--no-login", is_flag=True, help="Only register: store no token.")
@pass_session
def register(
    session: Session,
    name: str,
    *,
    email: str | None,
    roles: tuple[str, ...],
    password_stdin: bool,
    no_login: bool,
) -> None:
    """Make an account and log in to it.

    It starts with the platform's welcome credit and a function called `example`.
    """
    _warn_if_readable(session)
    password = _password(stdin=password_stdin, confirm=True)
    body = {"username": name, "password": password, "roles": list(roles)}
    if email:
        body["email"] = email
    user = session.server_as(None).record("POST", "/api/v1/register", body)
    output.notice(f"registered {name} at {session.url}")
    if not no_login:
        _log_in(session, name, password)
    if session.as_json:
        output.dump(user)
    else:
        output.notice("try it: echo 'to be or not to be' | chainfaas invoke example")


@click.command(
    cls=Command,
    examples=(
        "chainfaas login dora",
        "chainfaas login dora --password-stdin < password.txt",
        "chainfaas login dora --url https://chainfaas.example.org --scope invoke --scope read",
    ),
)
@click.argument("name", required=False)
@password_option
@scope_option
@pass_session
def login(session: Session, name: str | None, *, password_stdin: bool, scopes: tuple[str, ...]) -> None:
    """Get a token from the server and keep it, in a file that only you can read.

    The token is called after this computer. Later commands go to the server of the last login.
    """
    _warn_if_readable(session)
    if not name:
        if not sys.stdin.isatty():
            raise click.UsageError("Say who logs in: chainfaas login NAME.")
        name = click.prompt("Username", err=True, type=str)
    token_id = _log_in(session, name, _password(stdin=password_stdin, confirm=False), scopes)
    if session.as_json:
        output.dump({"username": name, "server": session.url, "token_id": token_id})


@click.command(cls=Command, examples=("chainfaas logout",))
@pass_session
def logout(session: Session) -> None:
    """Revoke the login's token and forget it."""
    account = session.config.accounts.pop(session.url, None)
    if account:
        session.config.save()
        try:
            _revoke(session, account)
            output.notice(f"logged {account.username} out of {session.url}")
        except Failure as failure:
            output.notice(f"forgot the token of {account.username}, but did not revoke it: {failure.message}")
    else:
        output.notice(f"nobody was logged in to {session.url}")
    if session.token_given:
        output.notice("CHAINFAAS_TOKEN (or --token) is still set: it stays valid")
    if session.as_json:
        output.dump({"username": account.username if account else None, "server": session.url})


@click.command(cls=Command, examples=("chainfaas whoami", "chainfaas whoami --json"))
@pass_session
def whoami(session: Session) -> None:
    """Show who is logged in, and the money."""
    me = session.server.record("GET", "/api/v1/me")
    if session.as_json:
        output.dump(me)
        return
    output.facts(
        {
            "username": output.text_of(me.get("username")),
            "roles": output.text_of(me.get("roles")),
            "free": output.money(me.get("balance")),
            "held": output.money(me.get("held")),
            "server": session.url,
        }.items()
    )


def _log_in(session: Session, name: str, password: str, scopes: tuple[str, ...] = ()) -> str:
    """Store a token; its predecessor for this server is revoked, else it would stay valid unseen."""
    body: dict[str, object] = {"username": name, "password": password, "name": socket.gethostname()}
    if scopes:
        body["scopes"] = list(scopes)
    former = session.config.accounts.get(session.url)
    answer = session.server_as(None).record("POST", "/api/v1/tokens", body)
    account = config.Account(name, token=str(answer["token"]), token_id=str(answer["id"]))
    session.config.accounts[session.url] = account
    session.config.url = session.url
    session.config.save()
    output.notice(f"logged in to {session.url} as {name}")
    if session.token_given:
        output.notice("CHAINFAAS_TOKEN (or --token) is set and beats this login")
    if former:
        with contextlib.suppress(Failure):
            _revoke(session, former)
    return account.token_id


def _revoke(session: Session, account: config.Account) -> None:
    """With its own right: a token may always end itself."""
    try:
        session.server_as(account.token).ask("DELETE", f"/api/v1/tokens/{part(account.token_id)}")
    except Problem as problem:
        if problem.status not in {401, 404}:  # it is gone already
            raise


def _password(*, stdin: bool, confirm: bool) -> str:
    if stdin:
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise click.UsageError("There is no password on stdin.")
        return password
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for the password on: use --password-stdin.")
    answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=confirm, err=True)
    return answer


def _warn_if_readable(session: Session) -> None:
    url = urlsplit(session.url)
    if url.scheme == "http" and url.hostname not in LOOPBACK:
        output.notice(f"warning: {session.url} is not encrypted, others on the way can read the password")
