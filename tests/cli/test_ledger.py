"""ledger balance, job, history, verify, deposit, withdraw."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Run
from tests.cli.fake import Answer, FakeServer


def test_balance_is_ones_own_unless_said(dora: Run) -> None:
    assert "10,000,000 µ" in dora("ledger", "balance").out
    assert dora("ledger", "balance", "--json").json == {"free": 10_000_000, "held": 96}
    assert dora("ledger", "balance", "pete").code == 0
    assert dora("ledger", "balance", "nobody").code == 1


def test_the_ledger_can_be_read_without_a_login(run: Run) -> None:
    assert run("ledger", "verify").code == 0


def test_job_is_what_the_ledger_says(dora: Run, server: FakeServer) -> None:
    job = server.make_job()

    assert "1,234 µ" in dora("ledger", "job", job).out
    assert dora("ledger", "job", job, "--json").json["payment_done"] is True


def test_history_is_of_a_job_or_of_an_account(dora: Run, server: FakeServer) -> None:
    job = server.make_job()

    assert "cost=1234" in dora("ledger", "history", job).out
    assert "free=5" in dora("ledger", "history").out
    assert server.seen[-1].path == "/api/v1/ledger/accounts/dora/history"
    assert dora("ledger", "history", "pete", "--json").json[0]["block"] == 7


def test_verify_says_whether_the_chain_is_sound(dora: Run, server: FakeServer) -> None:
    assert dora("ledger", "verify").out == "verified, height 42\n"

    server.script("GET", "/api/v1/ledger/verify", Answer(json={"verified": False, "height": 42}))
    assert (dora("ledger", "verify").code, dora("ledger", "verify").out) == (1, "NOT SOUND, height 42\n")
    assert dora("ledger", "verify", "--json").json == {"verified": False, "height": 42}


def test_deposit_moves_money_once(dora: Run, server: FakeServer) -> None:
    ran = dora("ledger", "deposit", "1,000")

    assert (ran.code, ran.out) == (0, "deposited 1,000 µ; now 10,001,000 µ free\n")
    request = server.asked("POST", "/api/v1/deposits")[0]
    assert request.json == {"amount": 1000}
    assert len(request.headers["idempotency-key"]) >= 16


def test_a_broken_deposit_is_sent_again_with_the_same_key(dora: Run, server: FakeServer) -> None:
    server.script("POST", "/api/v1/deposits", Answer(broken=True), Answer(201, {"free": 5}))

    assert dora("ledger", "deposit", "5").code == 0

    first, second = server.asked("POST", "/api/v1/deposits")
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


def test_withdraw(dora: Run, server: FakeServer) -> None:
    assert dora("ledger", "withdraw", "1000", "--json").json["free"] == 9_999_000


@pytest.mark.parametrize("amount", ["0", "-5", "1.5", "much", "", "٣"])
def test_what_is_no_amount_is_a_wrong_command_line(dora: Run, server: FakeServer, amount: str) -> None:
    assert dora("ledger", "deposit", "--", amount).code == 2
    assert not server.seen
