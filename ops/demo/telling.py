"""The demo as a short story for people."""

from __future__ import annotations

import json
from typing import Any

from ops.demo.scenes import Call, Outcome

TIMES = {
    "t_prc_ms": "request to provider has it",
    "t_prv_ms": "request to start",
    "t_cmp_ms": "pull and run",
    "t_rsp_ms": "request to result stored",
    "t_bil_ms": "result stored to paid",
}

SIGNERS = {"PlatformMSP": "the controller", "ProvidersMSP": "the machine"}


def tell(outcome: Outcome) -> None:
    """Print it."""
    job, result = outcome.call.job, json.loads(outcome.call.answer)
    _head("The call")
    print(f"  POST {outcome.url}/api/v1/functions/{outcome.call.function}/invoke")
    print(f"  {outcome.bytes_in:,} bytes of text")
    print(f"  {outcome.call.status}, job {job['id']}, run by {job['provider']}")
    _head("The result")
    top = ", ".join(f"{word} {count:,}" for word, count in result["top"][:5])
    print(f"  {result['words']:,} words; most often: {top}")
    _head("The job")
    for step in job["timeline"]:
        print(f"  {step['at'][11:23]}  {step['state']}")
    for name, meaning in TIMES.items():
        print(
            f"  {name.removesuffix('_ms').replace('t_', 'T_'):<6} {job['timings'][name]:>9.1f} ms  {meaning}"
        )
    _head("The monitoring ledger, before and after")
    _records(outcome.call)
    _head("The balances, in micro-units")
    for name, money in outcome.balances_before.items():
        after = outcome.between[name]
        print(f"  {name:<12} {money:>12,} -> {after:>12,}   {after - money:+,}")
    _head("The same call, on a line that damages the receipt on its way")
    for step in outcome.unreceipted.transactions:
        print(f"  {step['function']:<10} block {step['block']:>3}, signed by {SIGNERS[step['by']]}")
    print(f"  paid {outcome.unreceipted.job['cost']}, by the machine's own word and not by its receipt")
    _head("Two calls that do not go well, and are paid for what they ran")
    for call in (outcome.failed, outcome.timed_out):
        _failure(call)
    _head("The ledger")
    verdict = "verified" if outcome.verified else "NOT VERIFIED"
    print(f"  {outcome.ledger}; {outcome.height} blocks replayed from the first: {verdict}")


def _records(call: Call) -> None:
    for name, before in call.ledger_before.items():
        after = call.ledger_after.get(name)
        arrow = "" if before == after else f" -> {_short(after)}"
        print(f"  {name:<13} {_short(before)}{arrow}")


def _failure(call: Call) -> None:
    problem = json.loads(call.answer)
    print(f"  {call.function.partition('/')[2]}: {call.status} {problem['title']}: {problem['detail']}")
    print(f"    fault: {problem['fault']}; {call.job['billed_ms']} ms billed, cost {call.job['cost']}")


def _short(value: Any) -> str:
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _head(title: str) -> None:
    print(f"\n{title}")
