"""`deploy`, `list`, `describe`, `start`, `stop`, `delete`: a developer's functions."""

from __future__ import annotations

import os
from typing import Any

import click

from chainfaas.cli import output
from chainfaas.cli.errors import Problem
from chainfaas.cli.verbs import Amount, Command, Session, limit_option, pass_session


@click.command(
    cls=Command,
    examples=(
        "chainfaas deploy hello --image chainfaas/wordcount",
        "chainfaas deploy hello --memory-mb 256 --env LANGUAGE=en --env API_KEY",
        "chainfaas deploy hello --public --daily-budget 1,000,000",
    ),
)
@click.argument("name")
@click.option("--image", help="What to run; needed for a new function.")
@click.option("--memory-mb", type=click.IntRange(min=1), help="For a new function, the server's default.")
@click.option("--cpus", type=click.FloatRange(min=0, min_open=True))
@click.option("--timeout-s", type=click.IntRange(min=1), help="A run that takes longer is ended.")
@click.option(
    "--env",
    "env",
    multiple=True,
    metavar="K=V",
    help="All of its environment; may be repeated. K alone takes the value from here.",
)
@click.option("--no-env", is_flag=True, help="Empty its environment.")
@click.option("--network/--no-network", default=None, help="Whether it may use the network.")
@click.option("--public/--private", default=None, help="Whether calls need no token; you pay for them.")
@click.option("--max-rate", type=Amount(), help="Most to pay per 100 ms at 1024 MiB, in micro-units.")
@click.option("--daily-budget", type=Amount(), help="Most that public calls may cost a day.")
@pass_session
def deploy(session: Session, /, name: str, *, env: tuple[str, ...], no_env: bool, **options: Any) -> None:
    """Create a function, or change what the options say of it."""
    if env and no_env:
        raise click.UsageError("--env and --no-env exclude each other.")
    wanted = {key: value for key, value in options.items() if value is not None}
    if env or no_env:
        wanted["env"] = dict(_variable(text) for text in env)
    path = session.function(name)
    try:
        function = session.server.record("GET", path)
    except Problem as problem:
        if problem.status != 404:
            raise
        if "image" not in wanted:
            raise click.UsageError(f"There is no function {name} yet: a new one needs --image.") from None
        owner, _, own_name = name.rpartition("/")
        if owner and owner != session.username:
            raise problem from None
        function = session.server.record("POST", "/api/v1/functions", {"name": own_name, **wanted})
        done = "created"
    else:
        if wanted:
            function = session.server.record("PATCH", path, wanted)
        done = "updated" if wanted else "unchanged: no option says what to change"
    if session.as_json:
        output.dump(function)
        return
    click.echo(name)
    output.notice(f"{done}; call it: echo hello | chainfaas invoke {name}")


@click.command("list", cls=Command, examples=("chainfaas list", "chainfaas ls -q", "chainfaas list --json"))
@click.option("-q", "--quiet", is_flag=True, help="Names only.")
@limit_option(1000)
@pass_session
def list_functions(session: Session, *, quiet: bool, limit: int) -> None:
    """List your functions."""
    functions = session.server.pages("/api/v1/functions", limit)
    if session.as_json:
        output.dump(functions)
        return
    if quiet:
        for function in functions:
            click.echo(output.text_of(function.get("name")))
        return
    if not functions:
        output.notice("no functions yet: chainfaas deploy NAME --image IMAGE")
        return
    output.table(
        ["NAME", "IMAGE", "MEMORY", "CPUS", "TIMEOUT", "PUBLIC", "STATE"],
        [
            [
                output.text_of(function.get("name")),
                output.text_of(function.get("image")),
                f"{output.text_of(function.get('memory_mb'))} MiB",
                output.text_of(function.get("cpus")),
                f"{output.text_of(function.get('timeout_s'))} s",
                output.text_of(function.get("public")),
                _state(function),
            ]
            for function in functions
        ],
    )


@click.command(cls=Command, examples=("chainfaas describe example", "chainfaas describe dora/example --json"))
@click.argument("name")
@pass_session
def describe(session: Session, name: str) -> None:
    """Show everything about a function."""
    function = session.server.record("GET", session.function(name))
    if session.as_json:
        output.dump(function)
        return
    shown = {key: output.text_of(value) for key, value in function.items()}
    for key in ("max_rate", "daily_budget"):
        if function.get(key) is not None:
            shown[key] = output.money(function[key])
    output.facts(shown.items())


@click.command(cls=Command, examples=("chainfaas start hello",))
@click.argument("name")
@pass_session
def start(session: Session, name: str) -> None:
    """Let a stopped function be called again."""
    _switch(session, name, "start")


@click.command(cls=Command, examples=("chainfaas stop hello",))
@click.argument("name")
@pass_session
def stop(session: Session, name: str) -> None:
    """Refuse calls of a function until it is started again."""
    _switch(session, name, "stop")


@click.command(cls=Command, examples=("chainfaas delete hello", "chainfaas rm hello"))
@click.argument("name")
@pass_session
def delete(session: Session, name: str) -> None:
    """Delete a function. Its jobs stay on the ledger."""
    session.server.ask("DELETE", session.function(name))
    if session.as_json:
        output.dump({"name": name, "deleted": True})
    else:
        click.echo(name)


def _switch(session: Session, name: str, verb: str) -> None:
    function = session.server.ask("POST", f"{session.function(name)}/{verb}")
    if session.as_json:
        output.dump(function if function is not None else {"name": name})
    else:
        click.echo(name)


def _variable(text: str) -> tuple[str, str]:
    name, given, value = text.partition("=")
    if not name:
        raise click.UsageError(f"--env {output.line(text)!r} has no name: write K=V.")
    if not given:
        if name not in os.environ:
            raise click.UsageError(f"--env {output.line(name)}: there is no such variable here; write K=V.")
        value = os.environ[name]
    return name, value


def _state(function: output.Record) -> str:
    """Whether it can be called, as the server words it."""
    for key in ("state", "status"):
        if key in function:
            return output.text_of(function[key])
    for key, yes, no in (("active", "started", "stopped"), ("stopped", "stopped", "started")):
        if key in function:
            return yes if function[key] else no
    return "-"
