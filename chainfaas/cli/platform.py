"""`up` and `demo`: the platform itself, started as a process of its own in place of this one."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import click

import chainfaas
from chainfaas.cli.verbs import Command, Session, pass_session

data_option = click.option(
    "--data",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Where its database and its ledger live.",
)


@click.command(
    cls=Command,
    remote=False,
    examples=("chainfaas demo", "chainfaas demo --json", "chainfaas demo --ledger served"),
)
@data_option
@click.option(
    "--ledger",
    type=click.Choice(["embedded", "served"]),
    default="embedded",
    show_default=True,
    help="Served: a process of its own, behind Fabric's wire.",
)
@pass_session
def demo(session: Session, data: str | None, ledger: str) -> None:
    """Show the whole story once: a call, its result, the ledger and the payment.

    Everything runs embedded on this computer and ends with the demo.
    """
    options = ["--json"] if session.as_json else []
    if data:
        options += ["--data", data]
    if ledger != "embedded":
        options += ["--ledger", ledger]
    become("ops.demo", *options)


@click.command(
    cls=Command,
    remote=False,
    json=False,
    examples=(
        "chainfaas up",
        "chainfaas up --port 9000 --data ~/chainfaas --providers 2",
    ),
)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@data_option
@click.option(
    "--providers",
    type=click.IntRange(0, 100),
    default=1,
    show_default=True,
    help="How many machines of its own it runs functions on.",
)
def up(port: int, data: str | None, providers: int) -> None:
    """Run everything on this computer, in the foreground, until Ctrl-C.

    Prints `ready URL` when it can be called; logs go to stderr.
    """
    folder = ["--data", data] if data else []
    become("ops.embedded", "--port", str(port), *folder, "--providers", str(providers))


def become(module: str, *arguments: str) -> NoReturn:
    """Run a module in place of this process, so that signals, output and the exit code are its own.

    The module comes from where the command came from (-P): not from a folder `ops` that somebody stands in.
    """
    home = str(Path(chainfaas.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), home]))
    os.environ["PYTHONPATH"] = path
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *arguments])  # noqa: S606
