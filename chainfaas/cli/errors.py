"""What can go wrong for somebody at the command line; each becomes one line on stderr and exit code 1.

    Failure             something did not work
    ├── Unreachable     no answer came from the server
    ├── Garbled         an answer came, but not one that a ChainFaaS server gives
    └── Problem         the server said no, and why (RFC 9457)

A wrong command line is click's own UsageError, exit code 2.
"""

from __future__ import annotations

from typing import IO, Any

import click

from chainfaas.cli import output


class Failure(click.ClickException):
    """Something did not work."""

    def __init__(self, message: str, *hints: str) -> None:
        super().__init__(message)
        self.hints = [hint for hint in hints if hint]

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"{output.coloured('error:', 'red', err=True)} {output.line(self.message)}", err=True)
        for hint in self.hints:
            click.echo(output.line(hint), err=True)


class Unreachable(Failure):
    """No answer came from the server."""


class Garbled(Failure):
    """An answer came, but not one that a ChainFaaS server gives."""


class Problem(Failure):
    """The server said no, and why."""

    def __init__(
        self,
        message: str,
        *hints: str,
        status: int,
        slug: str = "",
        job: str = "",
    ) -> None:
        super().__init__(message, *hints)
        self.status = status
        self.slug = slug
        self.job = job
