"""`ledger`: what stands on the two ledgers, for everybody to check; and test money."""

from __future__ import annotations

import re
import uuid
from typing import Any

import click

from chainfaas.cli import output
from chainfaas.cli.client import part
from chainfaas.cli.platform import become, data_option
from chainfaas.cli.verbs import Amount, Command, Group, Session, limit_option, pass_session

JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@click.group(
    cls=Group,
    examples=(
        "chainfaas ledger balance",
        "chainfaas ledger deposit 1,000,000",
        "chainfaas ledger verify",
        "chainfaas ledger serve",
    ),
)
def ledger() -> None:
    """Balances, what is recorded of a job, and whether the chain is sound."""


@ledger.command(cls=Command, examples=("chainfaas ledger balance", "chainfaas ledger balance pete --json"))
@click.argument("user", required=False)
@pass_session
def balance(session: Session, user: str | None) -> None:
    """Show an account: what is free to spend and what is held for running jobs."""
    user = user or session.username
    account = session.server.record("GET", f"/api/v1/ledger/accounts/{part(user)}")
    if session.as_json:
        output.dump(account)
    else:
        output.facts(
            [("free", output.money(account.get("free"))), ("held", output.money(account.get("held")))]
        )


@ledger.command(cls=Command, examples=("chainfaas ledger job 01934d0c-5a1e-7cc3-9a7e-0c2f5be1d0aa",))
@click.argument("job")
@pass_session
def job(session: Session, job: str) -> None:
    """Show what the ledger says of a job."""
    record = session.server.record("GET", f"/api/v1/ledger/jobs/{part(job)}")
    if session.as_json:
        output.dump(record)
        return
    shown = {key: output.text_of(value) for key, value in record.items()}
    shown["cost"] = output.money(record.get("cost"))
    shown["time_ms"] = output.duration(record.get("time_ms"))
    output.facts(shown.items())


@ledger.command(
    cls=Command,
    examples=(
        "chainfaas ledger history",
        "chainfaas ledger history dora",
        "chainfaas ledger history 01934d0c-5a1e-7cc3-9a7e-0c2f5be1d0aa",
    ),
)
@click.argument("what", metavar="[JOB|USER]", required=False)
@limit_option(1000)
@pass_session
def history(session: Session, what: str | None, *, limit: int) -> None:
    """Show every change of a job, or of an account (your own, if you name none), in commit order."""
    what = what or session.username
    kind = "jobs" if JOB_ID.fullmatch(what) else "accounts"
    changes = session.server.pages(f"/api/v1/ledger/{kind}/{part(what)}/history", limit)
    if session.as_json:
        output.dump(changes)
    elif not changes:
        output.notice(f"the ledger has nothing about {what}")
    else:
        output.table(
            ["BLOCK", "AT", "TRANSACTION", "VALUE"],
            [
                [
                    output.text_of(change.get("block")),
                    output.text_of(change.get("at")),
                    output.text_of(change.get("tx_id"))[:16],
                    output.text_of(change.get("value")),
                ]
                for change in changes
            ],
        )


@ledger.command(cls=Command, examples=("chainfaas ledger verify", "chainfaas ledger verify --json"))
@pass_session
def verify(session: Session) -> None:
    """Have the chain checked from its first block: hashes, signatures, decisions. Exit code 1 if unsound."""
    found = session.server.record("GET", "/api/v1/ledger/verify")
    if session.as_json:
        output.dump(found)
    else:
        word, colour = ("verified", "green") if found.get("verified") is True else ("NOT SOUND", "red")
        click.echo(f"{output.coloured(word, colour)}, height {output.text_of(found.get('height'))}")
    if found.get("verified") is not True:
        click.get_current_context().exit(1)


@ledger.command(cls=Command, examples=("chainfaas ledger deposit 1,000,000",))
@click.argument("amount", type=Amount())
@pass_session
def deposit(session: Session, amount: int) -> None:
    """Put test money into your account, in micro-units."""
    _move(session, "deposits", "deposited", amount)


@ledger.command(cls=Command, examples=("chainfaas ledger withdraw 50,000",))
@click.argument("amount", type=Amount())
@pass_session
def withdraw(session: Session, amount: int) -> None:
    """Take money out of your account, in micro-units."""
    _move(session, "withdrawals", "withdrew", amount)


@ledger.command(
    cls=Command,
    remote=False,
    json=False,
    examples=(
        "chainfaas ledger serve",
        "chainfaas ledger serve --data ~/ledger --listen 0.0.0.0:7051 --name ledger.example.org",
    ),
)
@data_option
@click.option(
    "--listen", metavar="HOST:PORT", default="127.0.0.1:7051", show_default=True, help="Port 0: any free one."
)
@click.option("--name", multiple=True, help="How clients elsewhere call this host; may be repeated.")
@click.option(
    "--chaincode",
    multiple=True,
    metavar="CONTRACT=HOST:PORT",
    help="Where a contract's chaincode server is: for each of the contracts, or for none.",
)
@click.option("--chaincode-root", metavar="PEM", help="The root of the chaincode servers' TLS.")
@click.option("--chaincode-certificate", metavar="PEM", help="What this ledger shows to them.")
@click.option("--chaincode-key", metavar="PEM", help="Of that certificate.")
def serve(data: str | None, listen: str, **options: str | tuple[str, ...] | None) -> None:
    """Serve a ledger to controllers and machines elsewhere, as a Fabric peer does, until Ctrl-C.

    Prints `ready URL`, which is their LEDGER_URL; connection.json in the folder says what they need.
    """
    folder = ["--data", data] if data else []
    passed: list[str] = []
    for option, values in options.items():
        for value in [values] if isinstance(values, str) else values or ():
            passed += [f"--{option.replace('_', '-')}", value]
    become("ops.ledger", *folder, "--listen", listen, *passed)


def _move(session: Session, path: str, done: str, amount: int) -> None:
    answer: dict[str, Any] = session.server.record(
        "POST", f"/api/v1/{path}", {"amount": amount}, headers={"Idempotency-Key": uuid.uuid4().hex}
    )
    if session.as_json:
        output.dump(answer)
        return
    free = answer.get("free", answer.get("balance"))
    now = f"; now {output.money(free)} free" if isinstance(free, int) else ""
    click.echo(f"{done} {output.money(amount)}{now}")
