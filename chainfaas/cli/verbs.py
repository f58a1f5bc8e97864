"""What every verb has: the same options, examples at the end of its help, and who it speaks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

import click

from chainfaas.cli import output
from chainfaas.cli.client import Server, check_url, part
from chainfaas.cli.config import DEFAULT_URL, Account, Config

F = TypeVar("F", bound=Callable[..., object])


class Session:
    """What flags, environment and config file say together: flag beats environment beats file."""

    def __init__(self) -> None:
        self.url_given: str | None = None
        self.token_given: str | None = None
        self.as_json = False

    @cached_property
    def config(self) -> Config:
        return Config.load()

    @cached_property
    def url(self) -> str:
        return check_url(self.url_given or self.config.url or DEFAULT_URL)

    @property
    def account(self) -> Account | None:
        """Who is logged in here, if the token is the one that the login stored."""
        return None if self.token_given else self.config.accounts.get(self.url)

    @property
    def token(self) -> str | None:
        if self.token_given:
            return self.token_given
        return self.account.token if self.account else None

    @cached_property
    def server(self) -> Server:
        return self.server_as(self.token)

    def server_as(self, token: str | None) -> Server:
        server = Server(self.url, token)
        click.get_current_context().call_on_close(server.close)
        return server

    @cached_property
    def username(self) -> str:
        if self.account:
            return self.account.username
        return str(self.server.record("GET", "/api/v1/me")["username"])

    def function(self, name: str) -> str:
        """The path of a function: NAME is one's own, else OWNER/NAME."""
        owner, slash, rest = name.rpartition("/")
        if not slash:
            if not self.token:
                raise click.UsageError(f"Nobody is logged in to {self.url}: say whose it is, OWNER/{name}.")
            owner = self.username
        return f"/api/v1/functions/{part(owner)}/{part(rest)}"


pass_session = click.make_pass_decorator(Session, ensure=True)


class _WithExamples(click.Command):
    examples: Sequence[str] = ()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")


class Command(_WithExamples):
    """A verb. `remote` ones speak with a server; `json` ones can answer a program."""

    def __init__(
        self,
        *args: Any,
        examples: Sequence[str],
        remote: bool = True,
        json: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(*args, **others)
        self.examples = examples
        self.params += [*(remote_options() if remote else ()), *([json_option()] if json else ())]


class Group(_WithExamples, click.Group):
    """Verbs in the order in which somebody meets them, and under the names they know from elsewhere."""

    def __init__(
        self,
        *args: Any,
        examples: Sequence[str],
        aliases: Mapping[str, str] | None = None,
        sections: Mapping[str, Sequence[str]] | None = None,
        **others: Any,
    ) -> None:
        super().__init__(*args, **others)
        self.examples = examples
        self.aliases = dict(aliases or {})
        self.sections = dict(sections or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, self.aliases.get(cmd_name, cmd_name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in (self.sections or {"Commands": list(self.commands)}).items():
            with formatter.section(title):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(80)) for name in names])


def remote_options() -> list[click.Option]:
    return [
        click.Option(
            ["--url"],
            envvar="CHAINFAAS_URL",
            expose_value=False,
            callback=_keep("url_given"),
            help=f"The server; also CHAINFAAS_URL.  [default: of the last login, or {DEFAULT_URL}]",
        ),
        click.Option(
            ["--token"],
            envvar="CHAINFAAS_TOKEN",
            expose_value=False,
            callback=_keep("token_given"),
            help="Instead of the login's; others on this computer see flags, CHAINFAAS_TOKEN is safer.",
        ),
    ]


def json_option() -> click.Option:
    return click.Option(
        ["--json", "as_json"],
        is_flag=True,
        expose_value=False,
        callback=_keep("as_json"),
        help="Answer in JSON, for programs.",
    )


def _keep(attribute: str) -> Any:
    def keep(ctx: click.Context, option: click.Parameter, value: Any) -> None:
        if isinstance(value, str):
            value = value.strip()
        if option.name == "token" and value and not (value.isascii() and value.isprintable()):
            raise click.BadParameter("is not a token", ctx=ctx, param=option)
        session = ctx.find_root().ensure_object(Session)
        # An option after the verb beats the same before it, which beats the environment.
        flag = ctx.get_parameter_source(option.name or "") is click.core.ParameterSource.COMMANDLINE
        if value and (flag or not getattr(session, attribute)):
            setattr(session, attribute, value)

    return keep


class Amount(click.ParamType[int]):
    """Micro-units; separators as people write them are welcome."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        digits = str(value).replace(",", "").replace("_", "")
        if not (digits.isascii() and digits.isdecimal()) or int(digits) == 0:
            self.fail(
                f"{output.line(str(value))!r} is not a whole number of micro-units above 0.", param, ctx
            )
        return int(digits)


def limit_option(default: int = 20) -> Callable[[F], F]:
    return click.option(
        "--limit",
        type=click.IntRange(1, 100_000),
        default=default,
        show_default=True,
        help="At most so many.",
    )
