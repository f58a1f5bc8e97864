"""What a machine says about an attempt that ended, and its signature for the ledger."""

from __future__ import annotations

import hashlib

from chaincode.receipt import Receipt, Signer
from tasks import limits
from tasks.messages import RAN, Outcome, Result, Run
from worker.config import Config
from worker.runtime import Finished

NOT_BEGUN = Finished(Outcome.CANCELLED, exit_code=0, run_ms=0, output=b"", log=b"")
"""An attempt that was cancelled in time: it cost nothing, and the receipt says so."""

LONGEST_DETAIL = 500


def ended(task: Run, finished: Finished, *, pull_ms: float, channel: str, signer: Signer) -> Result:
    """The report of an attempt that ended, signed if the function ran."""
    receipt = Receipt(
        channel=channel,
        job=task.job,
        attempt=task.attempt,
        run_ms=finished.run_ms,
        exit_code=finished.exit_code,
        result_sha256=hashlib.sha256(finished.output).hexdigest(),
    )
    return Result(
        job=task.job,
        attempt=task.attempt,
        outcome=finished.outcome,
        exit_code=finished.exit_code,
        run_ms=finished.run_ms,
        pull_ms=pull_ms,
        output=finished.output,
        log=finished.log,
        signature=receipt.sign(signer) if finished.outcome in RAN else "",
    )


def not_run(task: Run, outcome: Outcome, why: str) -> Result:
    """The report of an attempt that came to nothing, through no fault of the function."""
    return Result(
        job=task.job,
        attempt=task.attempt,
        outcome=outcome,
        exit_code=0,
        run_ms=0,
        pull_ms=0,
        output=b"",
        log=b"",
        signature="",
        detail="".join(c for c in why if c.isprintable())[:LONGEST_DETAIL],
    )


def misfit(task: Run, config: Config) -> str:
    """Why this machine must refuse the task; "" if it fits. The controller should not have sent it here."""
    if not 0 < task.memory_mb <= config.memory_mb:
        return f"{task.memory_mb} MiB of memory, this machine offers {config.memory_mb}"
    if not 0 < task.cpus <= config.cpus:
        return f"{task.cpus} CPUs, this machine offers {config.cpus}"
    if task.timeout_s < 1:
        return f"a time limit of {task.timeout_s} s"
    if len(task.input) > limits.BODY:
        return f"an input of {len(task.input)} bytes, {limits.BODY} are allowed"
    return _unfit_environment(task.env)


def _unfit_environment(env: dict[str, str]) -> str:
    if any(not name or "=" in name or "\0" in name + value for name, value in env.items()):
        return "an environment with an empty name, a = in a name, or a NUL"
    if sum(len(name.encode()) + len(value.encode()) for name, value in env.items()) > limits.ENVIRONMENT:
        return f"an environment of more than {limits.ENVIRONMENT} bytes"
    return ""
