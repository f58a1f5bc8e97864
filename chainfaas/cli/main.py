"""The `chainfaas` command: every verb, and one place where whatever went wrong becomes one line."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

import click

import chainfaas
from chainfaas.cli import account, doctor, functions, invoke, jobs, ledger, platform, provider
from chainfaas.cli.errors import Failure
from chainfaas.cli.verbs import Group, json_option, remote_options

SECTIONS = {
    "The platform": ["demo", "up", "doctor"],
    "Your account": ["register", "login", "logout", "whoami"],
    "Functions": ["deploy", "list", "describe", "start", "stop", "delete", "invoke"],
    "Jobs": ["jobs", "logs", "cancel"],
    "Machines and money": ["provider", "ledger"],
}


class Root(Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            click.echo(err=True)
            raise Failure("interrupted") from None
        except OSError as error:
            if error.errno == errno.EPIPE:  # `chainfaas jobs | head`: click ends quietly
                raise
            raise Failure(str(error)) from error
        except Exception as error:
            if os.environ.get("CHAINFAAS_DEBUG", "0") not in {"", "0"}:
                raise
            raise Failure(
                f"{type(error).__name__}: {error}",
                "This is a fault of the command itself: CHAINFAAS_DEBUG=1 shows where, please report it.",
            ) from error


@click.group(
    cls=Root,
    sections=SECTIONS,
    aliases={"ls": "list", "rm": "delete", "inspect": "describe"},
    examples=(
        "chainfaas demo",
        "chainfaas register dora",
        "chainfaas deploy hello --image chainfaas/wordcount",
        "echo 'to be or not to be' | chainfaas invoke hello",
        "chainfaas jobs",
    ),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(chainfaas.__version__, prog_name="chainfaas", message="%(prog)s %(version)s")
def cli() -> None:
    """An open serverless platform on other people's computers, kept honest by a ledger."""


cli.params += [*remote_options(), json_option()]
for verb in (
    platform.demo,
    platform.up,
    doctor.doctor,
    account.register,
    account.login,
    account.logout,
    account.whoami,
    functions.deploy,
    functions.list_functions,
    functions.describe,
    functions.start,
    functions.stop,
    functions.delete,
    invoke.invoke,
    jobs.jobs,
    jobs.logs,
    jobs.cancel,
    provider.provider,
    ledger.ledger,
):
    cli.add_command(verb)


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without a µ gets a ?, not a traceback
    cli(prog_name="chainfaas")


if __name__ == "__main__":
    main()
