"""`jobs`, `logs`, `cancel`: what became of the calls."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import click

from chainfaas.cli import output
from chainfaas.cli.client import part
from chainfaas.cli.errors import Failure, Problem
from chainfaas.cli.invoke import as_text, write
from chainfaas.cli.verbs import Command, Session, limit_option, pass_session

OUTCOMES = frozenset({"succeeded", "failed", "timed_out", "cancelled", "lost"})

TIMINGS = {
    "t_prc_ms": "request to provider has it",
    "t_prv_ms": "to start",
    "t_cmp_ms": "pull and run",
    "t_rsp_ms": "to result stored",
    "t_bil_ms": "finished to paid",
}


@click.command(
    cls=Command,
    examples=(
        "chainfaas jobs",
        "chainfaas jobs 01934d0c-5a1e-7cc3-9a7e-0c2f5be1d0aa",
        "chainfaas jobs 01934d0c-5a1e-7cc3-9a7e-0c2f5be1d0aa --wait 60 --result > result.json",
    ),
)
@click.argument("job", required=False)
@click.option("--result", is_flag=True, help="Write the job's result to stdout.")
@click.option("--wait", type=click.FloatRange(min=0), metavar="S", help="Wait for its end, at most so long.")
@click.option("-q", "--quiet", is_flag=True, help="In the list: ids only.")
@limit_option()
@pass_session
def jobs(
    session: Session, job: str | None, *, result: bool, wait: float | None, quiet: bool, limit: int
) -> None:
    """List jobs, the latest first; or show one, with its timeline, timings and ledger transactions."""
    if job is None:
        if result or wait is not None:
            raise click.UsageError("Say which job: chainfaas jobs JOB --result.")
        _list(session, quiet=quiet, limit=limit)
        return
    path = f"/api/v1/jobs/{part(job)}"
    if wait is not None:
        _await(session, path, wait)
    if result:
        response = session.server.send("GET", f"{path}/result", headers={"Accept": "*/*"})
        if not response.is_success:
            problem = session.server.problem(response)
            if isinstance(problem, Problem) and problem.slug == "not-ready":
                problem.hints = [f"`chainfaas jobs {job} --wait 60 --result` waits for it."]
            raise problem
        if session.as_json:
            output.dump({"job": job, **as_text(response.content)})
        else:
            write(response.content)
        return
    record = session.server.record("GET", path)
    if session.as_json:
        output.dump(record)
    else:
        _show(record)


@click.command(cls=Command, examples=("chainfaas logs 01934d0c-5a1e-7cc3-9a7e-0c2f5be1d0aa --tail 20",))
@click.argument("job")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last lines.")
@pass_session
def logs(session: Session, job: str, *, tail: int | None) -> None:
    """Show what a job wrote to stderr."""
    response = session.server.send("GET", f"/api/v1/jobs/{part(job)}/logs", headers={"Accept": "*/*"})
    session.server.check(response)
    text = _log(response.content, response.headers.get("Content-Type", ""))
    if tail is not None:
        text = "".join(text.splitlines(keepends=True)[-tail:]) if tail else ""
    if session.as_json:
        output.dump({"job": job, "log": text})
    elif sys.stdout.isatty():
        click.echo(output.printable(text, keep="\n\t"), nl=not text.endswith("\n"))
    else:
        write(text.encode(errors="surrogateescape"))


@click.command(cls=Command, examples=("chainfaas cancel 01934d0c-5a1e-7cc3-9a7e-0c2f5be1d0aa",))
@click.argument("job")
@pass_session
def cancel(session: Session, job: str) -> None:
    """Stop a job. What it ran until then is paid; before its start, nothing."""
    answer = session.server.ask("DELETE", f"/api/v1/jobs/{part(job)}")
    if session.as_json:
        output.dump(answer if answer is not None else {"id": job})
    else:
        click.echo(output.line(job))


def _list(session: Session, *, quiet: bool, limit: int) -> None:
    records = session.server.pages("/api/v1/jobs", limit)
    if session.as_json:
        output.dump(records)
    elif quiet:
        for record in records:
            click.echo(output.text_of(record.get("id")))
    elif not records:
        output.notice("no jobs yet: echo hello | chainfaas invoke example")
    else:
        output.table(
            ["JOB", "FUNCTION", "STATE", "PROVIDER", "BILLED", "COST", "CREATED"],
            [
                [
                    output.text_of(record.get("id")),
                    output.text_of(record.get("function")),
                    output.text_of(record.get("state")),
                    output.text_of(record.get("provider")),
                    output.duration(record.get("billed_ms")),
                    output.money(record.get("cost")),
                    output.ago(record.get("created_at")),
                ]
                for record in records
            ],
        )


def _show(job: dict[str, Any]) -> None:
    output.facts(
        {
            "job": output.text_of(job.get("id")),
            "function": output.text_of(job.get("function")),
            "state": output.state(job.get("state")),
            "settled": output.text_of(job.get("settled")),
            "provider": output.text_of(job.get("provider")),
            "attempt": output.text_of(job.get("attempt")),
            "exit code": output.text_of(job.get("exit_code")),
            "billed": output.duration(job.get("billed_ms")),
            "cost": output.money(job.get("cost")),
            "created": output.text_of(job.get("created_at")),
            "finished": output.text_of(job.get("finished_at")),
        }.items()
    )
    _section(
        "timeline",
        [
            (output.text_of(move.get("state")), output.text_of(move.get("at")))
            for move in job.get("timeline") or []
        ],
    )
    timings = job.get("timings") or {}
    _section(
        "timings",
        [(meaning, output.duration(timings[name])) for name, meaning in TIMINGS.items() if name in timings],
    )
    _section(
        "ledger",
        [
            (name.removesuffix("_tx"), output.text_of(transaction))
            for name, transaction in (job.get("ledger") or {}).items()
        ],
    )


def _section(title: str, pairs: list[tuple[str, str]]) -> None:
    if pairs:
        click.echo(output.coloured(title, None, bold=True))
        output.facts(pairs, indent="  ")


def _await(session: Session, path: str, seconds: float) -> None:
    until = time.monotonic() + seconds
    pause = 0.1
    while session.server.record("GET", path).get("state") not in OUTCOMES:
        if time.monotonic() >= until:
            raise Failure(f"the job has not ended within {seconds:g} s", "It goes on.")
        time.sleep(min(pause, max(0.0, until - time.monotonic())))
        pause = min(pause * 1.5, 2.0)


def _log(content: bytes, kind: str) -> str:
    """The log itself, whether the server sends it as text or inside JSON."""
    text = content.decode(errors="surrogateescape")
    if not kind.startswith("application/json"):
        return text
    try:
        document = json.loads(text)
    except ValueError:
        return text
    if isinstance(document, dict):
        document = next((document[key] for key in ("logs", "log", "stderr") if key in document), text)
    return document if isinstance(document, str) else text
