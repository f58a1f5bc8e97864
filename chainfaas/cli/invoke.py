"""`invoke`: a body in, the result out, and nothing else on stdout."""

from __future__ import annotations

import base64
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainfaas.cli import output
from chainfaas.cli.client import Server, retry_after
from chainfaas.cli.errors import Failure, Problem, Unreachable
from chainfaas.cli.verbs import Command, Session, pass_session
from tasks import limits

if TYPE_CHECKING:
    import httpx

PATIENCE_S = 1000
"""The server answers after at most the function's time limit and a while: no answer by then is none."""

FINAL = frozenset({"job-lost", "no-runtime"})
"""Problems that waiting does not cure: the same key finds the same lost job, and no machine grows Docker."""

RAN = frozenset({"function-failed", "function-timeout"})
"""Problems of a job that wrote a log."""

MARGIN_S = 30
"""How much longer than --wait the server may take to say that the job still runs."""


@click.command(
    cls=Command,
    examples=(
        "echo 'to be or not to be' | chainfaas invoke example",
        "chainfaas invoke dora/resize --file photo.png --content-type image/png > small.png",
        "job=$(chainfaas invoke example --async < book.txt); chainfaas jobs $job --wait 60 --result",
    ),
)
@click.argument("name")
@click.option(
    "--file",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Send this instead of stdin.",
)
@click.option("--content-type", default="application/octet-stream", show_default=True)
@click.option("--async", "detached", is_flag=True, help="Do not wait: print the job's id.")
@click.option("--wait", type=click.IntRange(min=0), metavar="S", help="Wait for the result at most so long.")
@click.option("--idempotency-key", help="A call with the same key is the same job.  [default: made up]")
@click.option(
    "--retry-for",
    type=click.FloatRange(min=0),
    default=10,
    show_default=True,
    metavar="S",
    help="While no machine is free, try again for so long.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing about job, machine, time and cost.")
@pass_session
def invoke(
    session: Session,
    name: str,
    *,
    file: Path | None,
    content_type: str,
    detached: bool,
    wait: int | None,
    idempotency_key: str | None,
    retry_for: float,
    quiet: bool,
) -> None:
    """Call a function: stdin is its input, stdout its result.

    What else there is to say (job, machine, time, cost) goes to stderr. A call that broke off on the way is
    sent again with the same idempotency key, so the function runs once and is paid once.
    """
    if detached and wait is not None:
        raise click.UsageError("--async does not wait: leave out one of --async and --wait.")
    headers = {"Content-Type": content_type, "Accept": "*/*"}
    if detached:
        headers["Prefer"] = "respond-async"
    elif wait is not None:
        headers["Prefer"] = f"wait={wait}"
    if session.token:
        headers["Idempotency-Key"] = _key(idempotency_key)
    elif idempotency_key:
        raise click.UsageError("--idempotency-key needs a login: a key belongs to an account.")
    path = session.function(name) + "/invoke"
    body = _body(file)

    timeout = PATIENCE_S if wait is None else wait + MARGIN_S
    response = _call(session.server, path, body, headers=headers, timeout=timeout, retry_for=retry_for)
    if response.status_code == 202:
        _accepted(session, response)
    else:
        _result(session, response, quiet=quiet)


def _call(
    server: Server, path: str, body: bytes, *, headers: dict[str, str], timeout: float, retry_for: float
) -> httpx.Response:
    until = time.monotonic() + retry_for
    said = ""
    try:
        while True:
            response = server.send("POST", path, content=body, headers=headers, timeout=timeout)
            pause = retry_after(response) if response.status_code == 503 else None
            if pause is None or time.monotonic() + pause > until:
                break
            busy = server.problem(response)
            if isinstance(busy, Problem) and busy.slug in FINAL:
                break
            if busy.message != said:
                said = busy.message
                output.notice(f"{said} Trying again for up to {retry_for:g} s.")
            time.sleep(pause)
    except KeyboardInterrupt:
        click.echo(err=True)
        raise Failure("interrupted", _again(headers)) from None
    except Unreachable as failure:
        raise Unreachable(failure.message, *failure.hints, _again(headers)) from failure
    if not response.is_success:
        problem = server.problem(response)
        if isinstance(problem, Problem) and problem.job:
            problem.hints += _where_to_look(problem)
        raise problem
    return response


def _again(headers: dict[str, str]) -> str:
    """What to do when nobody knows how far the call came."""
    if key := headers.get("Idempotency-Key"):
        return f"If it was under way it goes on: `chainfaas jobs`; --idempotency-key {key} takes it up again."
    return ""


def _where_to_look(problem: Problem) -> list[str]:
    if problem.slug == "still-running":
        return [
            f"Job {problem.job} goes on: `chainfaas jobs {problem.job}` shows how far it is,",
            f"`chainfaas jobs {problem.job} --wait 60 --result` fetches its result,",
            f"`chainfaas logs {problem.job}` shows its log.",
        ]
    if problem.slug not in RAN:
        return []
    return [f"Job {problem.job}: `chainfaas logs {problem.job}` shows what it wrote to stderr."]


def _accepted(session: Session, response: httpx.Response) -> None:
    location = response.headers.get("Location", "")
    job = response.headers.get("ChainFaaS-Job-Id") or location.rpartition("/")[2]
    if not session.server.authenticated:
        output.notice(f"the result will be at {location}: keep the address, nobody else has it")
    if not session.as_json:
        click.echo(output.line(job))
        return
    try:
        content = response.json()
    except ValueError:
        content = None
    record: dict[str, Any] = content if isinstance(content, dict) else {}
    output.dump({"id": job, "location": location, **record})


def _result(session: Session, response: httpx.Response, *, quiet: bool) -> None:
    headers, content = response.headers, response.content
    if session.as_json:
        output.dump(
            {
                "job": headers.get("ChainFaaS-Job-Id"),
                "provider": headers.get("ChainFaaS-Provider"),
                "duration_ms": _number(headers.get("ChainFaaS-Duration-Ms")),
                "cost": _number(headers.get("ChainFaaS-Cost")),
                **as_text(content),
            }
        )
        return
    write(content)
    if not quiet:
        said = {
            "job": headers.get("ChainFaaS-Job-Id"),
            "provider": headers.get("ChainFaaS-Provider"),
            "duration": output.duration(_number(headers.get("ChainFaaS-Duration-Ms"))),
            "cost": output.money(_number(headers.get("ChainFaaS-Cost"))),
        }
        output.notice(
            ", ".join(f"{name} {value}" for name, value in said.items() if value not in {None, "-"})
        )


def write(content: bytes) -> None:
    """Exactly these bytes on stdout."""
    stream = sys.stdout.buffer
    stream.write(content)
    stream.flush()
    if content and not content.endswith(b"\n") and sys.stdout.isatty() and sys.stderr.isatty():
        click.echo(err=True)  # the next words on the terminal start on a line of their own


def as_text(content: bytes) -> dict[str, str]:
    """A result inside JSON: text where it is text."""
    try:
        return {"result": content.decode()}
    except UnicodeDecodeError:
        return {"result_base64": base64.b64encode(content).decode()}


def _key(given: str | None) -> str:
    if given is None:
        return uuid.uuid4().hex
    if not (given.isascii() and given.isprintable() and 1 <= len(given.strip()) <= 255):
        raise click.UsageError("--idempotency-key takes 1 to 255 printable ASCII characters.")
    return given.strip()


def _body(file: Path | None) -> bytes:
    """All of the input, if it is not more than the server takes."""
    if file:
        with file.open("rb") as stream:
            body = stream.read(limits.BODY + 1)
    else:
        if sys.stdin.isatty():
            output.notice("reading the input from the terminal; Ctrl-D ends it")
        body = sys.stdin.buffer.read(limits.BODY + 1)
    if len(body) > limits.BODY:
        raise Failure(f"the input is over {limits.BODY:,} bytes, more than a call can carry")
    return body


def _number(text: str | None) -> int | float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return int(number) if number.is_integer() else number
