"""What every ledger does, said through the client's API alone: one suite for all that `connect` can open."""

from __future__ import annotations

import contextlib
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaincode import pricing
from chaincode.client import Envelope, Ledger
from chaincode.errors import Code, Conflict, ContractError, LedgerError
from chaincode.receipt import Receipt
from tests.contracts.authority import Authority
from tests.contracts.world import CHANNEL, DIGEST, World, new_name

HOLD = pricing.hold(1000, 64, 1024)
COST = pricing.cost(250, 16, 1024)


def refused(code: Code) -> pytest.RaisesExc[ContractError]:
    return pytest.raises(ContractError, check=lambda error: error.code == code)


@pytest.fixture
def rich(ledger: World) -> World:
    """Dora has ten jobs' holds."""
    ledger.deposit(ledger.dora, 10 * HOLD)
    return ledger


class TestMoney:
    def test_deposit_is_free_to_spend(self, ledger: World) -> None:
        ledger.deposit(ledger.dora, 100)

        assert ledger.balance(ledger.dora) == (100, 0)

    def test_account_never_used_has_nothing(self, ledger: World) -> None:
        assert ledger.balance(new_name("nobody")) == (0, 0)

    def test_same_deposit_again_is_already_done(self, ledger: World) -> None:
        op = new_name("op")
        ledger.deposit(ledger.dora, 100, op)

        with refused(Code.ALREADY_DONE):
            ledger.deposit(ledger.dora, 100, op)
        with refused(Code.EXISTS):
            ledger.deposit(ledger.dora, 200, op)
        assert ledger.balance(ledger.dora) == (100, 0)

    def test_withdrawal_takes_what_is_free(self, ledger: World) -> None:
        ledger.deposit(ledger.dora, 100)

        ledger.pay("withdraw", {"op": new_name("op"), "account": ledger.dora, "amount": 60})

        assert ledger.balance(ledger.dora) == (40, 0)
        with refused(Code.INSUFFICIENT_FUNDS):
            ledger.pay("withdraw", {"op": new_name("op"), "account": ledger.dora, "amount": 41})

    def test_what_is_held_cannot_be_withdrawn(self, ledger: World) -> None:
        ledger.deposit(ledger.dora, HOLD)
        ledger.created()

        with refused(Code.INSUFFICIENT_FUNDS):
            ledger.pay("withdraw", {"op": new_name("op"), "account": ledger.dora, "amount": 1})

    def test_withdrawal_spends_the_credits_that_it_names(self, rich: World) -> None:
        rich.finish(rich.finished(rich.created()))
        document = {"op": new_name("op"), "account": rich.pete, "amount": COST}

        with refused(Code.INSUFFICIENT_FUNDS):
            rich.pay("withdraw", document)
        rich.pay("withdraw", {**document, "credits": rich.credits(rich.pete)})

        assert rich.balance(rich.pete) == (0, 0)

    def test_credit_counts_once_however_it_is_named(self, rich: World) -> None:
        rich.finish(rich.finished(rich.created()))
        [credit] = rich.credits(rich.pete)
        fold = {"account": rich.pete, "credits": [credit]}

        with refused(Code.BAD_ARGUMENT):
            rich.pay("fold", {"account": rich.pete, "credits": [credit, credit]})
        rich.pay("fold", fold)
        rich.pay("fold", fold)  # it is not there any more, and skipped

        assert rich.balance(rich.pete) == (COST, 0)
        assert rich.credits(rich.pete) == []

    def test_rich_account_is_not_refused_for_its_base_alone(self, rich: World) -> None:
        for _ in range(10):
            job = rich.created(developer=rich.dora)
            rich.release(job)

        [poor] = rich.create(rich.new_job())
        [answer] = rich.create(rich.new_job(), credits={rich.dora: rich.credits(rich.dora)})

        assert poor["code"] == Code.INSUFFICIENT_FUNDS
        assert answer["ok"]
        assert rich.balance(rich.dora) == (9 * HOLD, HOLD)

    def test_only_the_controller_moves_money_in_and_out(self, rich: World) -> None:
        for caller in (rich.petes, rich.eve, rich.staff):
            for function in ("deposit", "withdraw"):
                with refused(Code.FORBIDDEN):
                    rich.pay(function, {"op": new_name("op"), "account": rich.pete, "amount": 1}, caller)
            with refused(Code.FORBIDDEN):
                rich.pay("fold", {"account": rich.pete, "credits": []}, caller)

    def test_holds_and_payments_are_for_the_monitoring_contract_alone(self, rich: World) -> None:
        steal = [{"account": rich.pete, "free": 1, "held": 0}, {"account": rich.dora, "free": 0, "held": -1}]
        hold = [{"account": rich.dora, "amount": 1}]

        for caller in (rich.controller, rich.petes):
            with refused(Code.FORBIDDEN):
                rich.pay("pay", {"movements": steal}, caller)
            with refused(Code.FORBIDDEN):
                rich.pay("hold", {"holds": hold, "credits": {}}, caller)

    def test_balance_is_read_by_its_owner_and_by_office(self, ledger: World) -> None:
        document = {"account": ledger.pete}

        for reader in (ledger.controller, ledger.staff, ledger.petes):
            assert ledger.ask("balance", document, reader)["free"] == 0
        for stranger in (ledger.eve, ledger.pauls):
            with refused(Code.FORBIDDEN):
                ledger.ask("balance", document, stranger)

    def test_totals_prove_that_nothing_was_made_or_lost(self, rich: World) -> None:
        rich.finish(rich.finished(rich.created()))
        rich.created()
        rich.pay("withdraw", {"op": new_name("op"), "account": rich.dora, "amount": 7})

        totals = rich.ask("totals", {})

        assert totals["free"] + totals["held"] == totals["deposited"] - totals["withdrawn"]
        assert totals["held"] == HOLD
        assert totals["accounts"] == 2
        with refused(Code.FORBIDDEN):
            rich.ask("totals", {}, rich.petes)


class TestMachines:
    def test_machine_is_read_by_its_owner_and_by_office(self, ledger: World) -> None:
        expected = {
            "machine": ledger.machine,
            "provider": ledger.pete,
            "certificate": ledger.petes_key.certificate,
            "revoked": False,
        }

        for reader in (ledger.controller, ledger.staff, ledger.petes):
            assert ledger.ask("machine", {"machine": ledger.machine}, reader) == expected
        with refused(Code.FORBIDDEN):
            ledger.ask("machine", {"machine": ledger.machine}, ledger.pauls)
        with refused(Code.NOT_FOUND):
            ledger.ask("machine", {"machine": "nowhere"})

    def test_enrolment_may_be_repeated_and_renewed(self, ledger: World) -> None:
        document = {
            "machine": ledger.machine,
            "provider": ledger.pete,
            "certificate": ledger.petes_key.certificate,
        }
        renewed = ledger.machine_identity(ledger.pete)

        assert ledger.do("enrol_machine", document)["code"] == Code.EXISTS
        assert ledger.do("enrol_machine", {**document, "certificate": renewed.certificate})["code"] is None
        found = ledger.ask("machine", {"machine": ledger.machine})
        assert found["certificate"] == renewed.certificate

    def test_machine_stays_with_its_provider(self, ledger: World) -> None:
        with refused(Code.EXISTS):
            ledger.enrol(ledger.machine, ledger.paul, ledger.pauls_key)

    @pytest.mark.parametrize(
        "certificate",
        ["another user's", "of no machine", "of another organisation", "the root", "no certificate"],
    )
    def test_certificate_must_be_of_a_machine_of_the_provider(self, ledger: World, certificate: str) -> None:
        attributes = {"chainfaas_role": "machine", "chainfaas_user": ledger.pete}
        pem = {
            "another user's": ledger.pauls_key.certificate,
            "of no machine": ledger.providers.enrol("x", chainfaas_user=ledger.pete).certificate,
            "of another organisation": ledger.platform.enrol("x", **attributes).certificate,
            "the root": ledger.providers.pem,
            "no certificate": "hello",
        }[certificate]

        with refused(Code.BAD_ARGUMENT):
            ledger.do("enrol_machine", {"machine": "new", "provider": ledger.pete, "certificate": pem})

    def test_revoked_is_for_good(self, rich: World) -> None:
        job = rich.created()

        assert rich.do("revoke_machine", {"machine": rich.machine})["code"] is None
        assert rich.do("revoke_machine", {"machine": rich.machine})["code"] == Code.ALREADY_DONE

        [answer] = rich.finish(rich.finished(job))
        assert (answer["ok"], answer["code"]) == (False, Code.BAD_RECEIPT)
        with refused(Code.FORBIDDEN):
            rich.set_time(job)
        with refused(Code.FORBIDDEN):
            rich.enrol(rich.machine, rich.pete, rich.machine_identity(rich.pete))

    def test_only_the_controller_enrols_and_revokes(self, ledger: World) -> None:
        for caller in (ledger.petes, ledger.eve, ledger.staff):
            with refused(Code.FORBIDDEN):
                ledger.do("revoke_machine", {"machine": ledger.machine}, caller)
            document = {
                "machine": "x",
                "provider": ledger.pete,
                "certificate": ledger.petes_key.certificate,
            }
            with refused(Code.FORBIDDEN):
                ledger.do("enrol_machine", document, caller)

    def test_root_is_set_once(self, ledger: World) -> None:
        with refused(Code.ALREADY_DONE):
            ledger.do("init", {"providers_root": ledger.providers.pem})
        with refused(Code.EXISTS):
            ledger.do("init", {"providers_root": ledger.platform.pem})
        with refused(Code.FORBIDDEN):
            ledger.do("init", {"providers_root": ledger.providers.pem}, ledger.petes)


class TestCreate:
    def test_job_is_recorded_and_its_money_held(self, rich: World) -> None:
        job = rich.created()

        assert rich.balance(rich.dora) == (9 * HOLD, HOLD)
        assert rich.read(job) == {
            "job": job,
            "developer": rich.dora,
            "provider": rich.pete,
            "function": "dora/wordcount",
            "time_ms": None,
            "cost": None,
            "billed_ms": None,
            "received": False,
            "payment_done": False,
            "attempt": 1,
            "machine": rich.machine,
            "hold": HOLD,
            "outcome": None,
        }

    def test_same_content_again_is_success_and_holds_once(self, rich: World) -> None:
        item = rich.new_job()
        rich.create(item)

        [answer] = rich.create(item)

        assert (answer["ok"], answer["code"]) == (True, Code.EXISTS)
        assert rich.balance(rich.dora) == (9 * HOLD, HOLD)

    @pytest.mark.parametrize("change", [{"function": "other"}, {"machine": "other"}, {"timeout_ms": 2000}])
    def test_other_content_is_refused(self, rich: World, change: dict[str, Any]) -> None:
        item = rich.new_job()
        rich.create(item)

        [answer] = rich.create({**item, **change})

        assert (answer["ok"], answer["code"]) == (False, Code.EXISTS)

    def test_same_content_after_a_reassignment_is_success(self, rich: World) -> None:
        item = rich.new_job()
        rich.create(item)
        rich.reassign(item["job"])

        [answer] = rich.create(item)

        assert answer["ok"]

    def test_bad_item_spoils_nothing_but_itself(self, rich: World) -> None:
        poor = rich.new_job(developer=new_name("poor"))
        dear = rich.new_job(rate=65)
        broken = {"job": "broken"}

        answers = rich.create(rich.new_job(), poor, dear, broken, "no item", rich.new_job())

        assert [answer["code"] for answer in answers] == [
            None,
            Code.INSUFFICIENT_FUNDS,
            Code.BAD_ARGUMENT,
            Code.BAD_ARGUMENT,
            Code.BAD_ARGUMENT,
            None,
        ]
        assert rich.balance(rich.dora) == (8 * HOLD, 2 * HOLD)
        with refused(Code.NOT_FOUND):
            rich.read(poor["job"])

    def test_batch_holds_as_far_as_the_money_goes(self, rich: World) -> None:
        answers = rich.create(*(rich.new_job() for _ in range(12)))

        assert [answer["ok"] for answer in answers] == [True] * 10 + [False] * 2
        assert rich.balance(rich.dora) == (0, 10 * HOLD)

    def test_batch_that_names_a_job_twice_is_refused_whole(self, rich: World) -> None:
        item = rich.new_job()

        with refused(Code.BAD_ARGUMENT):
            rich.create(item, rich.new_job(), item)

        assert rich.balance(rich.dora) == (10 * HOLD, 0)

    def test_only_the_controller_creates(self, rich: World) -> None:
        for caller in (rich.petes, rich.eve, rich.staff):
            with refused(Code.FORBIDDEN):
                rich.do("create", {"items": [rich.new_job()]}, caller)

    def test_providers_authority_cannot_appoint_a_controller(self, rich: World) -> None:
        impostor = rich.connect(rich.providers.enrol("controller", chainfaas_role="controller"))

        with refused(Code.FORBIDDEN):
            rich.do("create", {"items": [rich.new_job()]}, impostor)


class TestReassign:
    def test_next_attempt_goes_to_another_machine(self, rich: World) -> None:
        job = rich.created()

        rich.reassign(job)

        record = rich.read(job)
        assert (record["attempt"], record["machine"], record["provider"]) == (
            2,
            rich.other_machine,
            rich.paul,
        )
        assert rich.reassign(job)["code"] == Code.EXISTS

    def test_only_the_attempt_after_the_current_one(self, rich: World) -> None:
        job = rich.created()

        for attempt in (1, 3):
            with refused(Code.WRONG_ATTEMPT):
                rich.reassign(job, attempt)

    def test_machine_above_the_functions_max_rate_is_refused(self, rich: World) -> None:
        with refused(Code.BAD_ARGUMENT):
            rich.reassign(rich.created(), rate=65)

    def test_confirmed_or_ended_job_stays_where_it_is(self, rich: World) -> None:
        confirmed, ended = rich.created(), rich.created()
        rich.confirm(rich.confirmation(confirmed))
        rich.release(ended)

        for job in (confirmed, ended):
            with refused(Code.ALREADY_DONE):
                rich.reassign(job)

    def test_only_the_controller_reassigns(self, rich: World) -> None:
        job = rich.created()

        for caller in (rich.petes, rich.eve, rich.staff):
            with refused(Code.FORBIDDEN):
                rich.reassign(job, by=caller)

    def test_result_of_an_older_attempt_never_counts(self, rich: World) -> None:
        job = rich.created()
        rich.reassign(job)

        [answer] = rich.finish(rich.finished(job))

        assert (answer["ok"], answer["code"]) == (False, Code.WRONG_ATTEMPT)
        with refused(Code.FORBIDDEN):  # pete is not the current attempt's provider
            rich.set_time(job)
        with refused(Code.WRONG_ATTEMPT):
            rich.set_time(job, rich.pauls)


class TestFinish:
    def test_provider_is_paid_what_it_ran(self, rich: World) -> None:
        job = rich.created()

        [answer] = rich.finish(rich.finished(job))

        assert answer == {
            "job": job,
            "ok": True,
            "code": None,
            "detail": None,
            "cost": COST,
            "billed_ms": 250,
        }
        assert rich.balance(rich.pete) == (COST, 0)
        assert rich.balance(rich.dora) == (10 * HOLD - COST, 0)
        record = rich.read(job)
        assert record["received"]
        assert record["payment_done"]
        assert (record["time_ms"], record["cost"], record["outcome"]) == (250, COST, "succeeded")

    @pytest.mark.parametrize(
        ("run_ms", "wall_ms", "billed"),
        [(250, 300, 250), (300, 250, 250), (5000, 6000, 1000), (0, 10, 0)],
    )
    @pytest.mark.parametrize("outcome", ["succeeded", "failed", "timed_out", "cancelled"])
    def test_least_of_run_wall_and_timeout_is_billed(
        self, rich: World, outcome: str, run_ms: int, wall_ms: int, billed: int
    ) -> None:
        job = rich.created()

        [answer] = rich.finish(rich.finished(job, run_ms, wall_ms=wall_ms, outcome=outcome))

        assert answer["billed_ms"] == billed
        assert answer["cost"] == pricing.cost(billed, 16, 1024)

    def test_repeat_learns_the_outcome_and_pays_once(self, rich: World) -> None:
        item = rich.finished(rich.created())
        rich.finish(item)

        [answer] = rich.finish(item)

        assert (answer["ok"], answer["code"]) == (True, Code.ALREADY_DONE)
        assert (answer["cost"], answer["billed_ms"]) == (COST, 250)
        assert rich.balance(rich.pete) == (COST, 0)

    def test_another_confirmation_of_a_paid_job_is_no_success(self, rich: World) -> None:
        job = rich.created()
        rich.finish(rich.finished(job))

        [answer] = rich.finish(rich.finished(job, outcome="failed"))

        assert (answer["ok"], answer["code"]) == (False, Code.ALREADY_DONE)

    def test_released_job_is_not_paid(self, rich: World) -> None:
        job = rich.created()
        rich.release(job)

        [answer] = rich.finish(rich.finished(job))

        assert (answer["ok"], answer["code"], answer["cost"]) == (False, Code.ALREADY_DONE, 0)
        assert rich.balance(rich.pete) == (0, 0)

    def test_receipt_must_be_the_machines_word_on_this_very_attempt(self, rich: World) -> None:
        job, other = rich.created(), rich.created()
        honest = rich.finished(job)
        changed = {**honest["receipt"], "run_ms": 251}
        forgeries = [
            rich.finished(job, signer=rich.pauls_key),
            {**honest, "receipt": rich.finished(other)["receipt"]},
            {**honest, "receipt": changed},
            {**honest, "receipt": {**honest["receipt"], "exit_code": 1}},
            {**honest, "receipt": {**honest["receipt"], "result_sha256": "0" * 64}},
            {**honest, "receipt": {**honest["receipt"], "signature": ""}},
        ]

        for forgery in forgeries:
            [answer] = rich.finish(forgery)
            assert (answer["ok"], answer["code"]) == (False, Code.BAD_RECEIPT)
        assert rich.balance(rich.pete) == (0, 0)

    def test_batch_pays_each_account_with_one_credit(self, rich: World) -> None:
        jobs = [answer["job"] for answer in rich.create(*(rich.new_job() for _ in range(5)))]
        forged = rich.finished(rich.created(), signer=rich.pauls_key)

        answers = rich.finish(*(rich.finished(job) for job in jobs), forged, rich.finished("unknown"))

        assert [answer["code"] for answer in answers] == [None] * 5 + [Code.BAD_RECEIPT, Code.NOT_FOUND]
        assert rich.balance(rich.pete) == (5 * COST, 0)
        assert len(rich.credits(rich.pete)) == 1

    def test_developer_may_run_on_a_machine_of_its_own(self, rich: World) -> None:
        rich.deposit(rich.pete, HOLD)
        job = rich.created(developer=rich.pete)

        rich.finish(rich.finished(job))

        assert rich.balance(rich.pete) == (HOLD, 0)

    def test_machine_that_was_never_enrolled_is_not_paid(self, rich: World) -> None:
        job = rich.created(machine="nowhere")

        [answer] = rich.finish(rich.finished(job))

        assert (answer["ok"], answer["code"]) == (False, Code.NOT_FOUND)
        assert rich.read(job)["provider"] is None

    def test_only_the_controller_finishes_and_confirms(self, rich: World) -> None:
        job = rich.created()

        for caller in (rich.petes, rich.eve, rich.staff):
            with refused(Code.FORBIDDEN):
                rich.do("finish", {"items": [rich.finished(job)]}, caller)
            with refused(Code.FORBIDDEN):
                rich.do("confirm", {"items": [rich.confirmation(job)]}, caller)


class TestSettle:
    @pytest.mark.parametrize("first", ["controller", "provider"])
    def test_both_speak_apart_and_anybody_settles(self, rich: World, first: str) -> None:
        job = rich.created()
        words = [lambda: rich.confirm(rich.confirmation(job)), lambda: rich.set_time(job)]
        for word in words if first == "controller" else reversed(words):
            with refused(Code.NOT_FOUND):
                rich.do("settle", {"job": job}, rich.eve)
            word()

        result = rich.do("settle", {"job": job}, rich.eve)

        assert result == {"job": job, "cost": COST, "billed_ms": 250}
        assert rich.balance(rich.pete) == (COST, 0)
        with refused(Code.ALREADY_DONE):
            rich.do("settle", {"job": job})

    def test_confirmation_may_be_repeated_but_not_changed(self, rich: World) -> None:
        job = rich.created()
        [first] = rich.confirm(rich.confirmation(job))
        [again] = rich.confirm(rich.confirmation(job))
        [changed] = rich.confirm(rich.confirmation(job, wall_ms=1))
        [old] = rich.confirm(rich.confirmation(job, attempt=2))

        assert (first["ok"], first["code"]) == (True, None)
        assert (again["ok"], again["code"]) == (True, Code.EXISTS)
        assert (changed["ok"], changed["code"]) == (False, Code.EXISTS)
        assert (old["ok"], old["code"]) == (False, Code.WRONG_ATTEMPT)

    def test_receipt_that_comes_after_the_confirmation_is_paid(self, rich: World) -> None:
        job = rich.created()
        rich.confirm(rich.confirmation(job))

        [answer] = rich.finish(rich.finished(job))

        assert (answer["ok"], answer["code"], answer["cost"]) == (True, None, COST)
        [again] = rich.confirm(rich.confirmation(job))
        assert (again["ok"], again["code"], again["cost"]) == (True, Code.ALREADY_DONE, COST)

    def test_time_is_set_by_the_machines_owner_alone(self, rich: World) -> None:
        job = rich.created()
        on_the_platform = rich.connect(
            rich.platform.enrol("pete", chainfaas_role="machine", chainfaas_user=rich.pete)
        )
        no_machine = rich.connect(rich.providers.enrol("pete", chainfaas_user=rich.pete))

        for caller in (rich.controller, rich.pauls, rich.eve, rich.staff, on_the_platform, no_machine):
            with refused(Code.FORBIDDEN):
                rich.set_time(job, caller)
        rich.set_time(job)

    def test_time_is_set_once(self, rich: World) -> None:
        job = rich.created()
        rich.set_time(job)

        with refused(Code.ALREADY_DONE):
            rich.set_time(job)
        with refused(Code.EXISTS):
            rich.set_time(job, run_ms=999)
        with refused(Code.NOT_FOUND):
            rich.set_time("unknown")

    def test_no_more_is_paid_than_the_controller_saw(self, rich: World) -> None:
        job = rich.created()
        rich.set_time(job, run_ms=1_000_000)
        rich.confirm(rich.confirmation(job, wall_ms=120))

        assert rich.do("settle", {"job": job})["billed_ms"] == 120


class TestRelease:
    def test_hold_is_freed_and_nobody_paid(self, rich: World) -> None:
        job = rich.created()

        assert rich.release(job)["freed"] == HOLD

        assert rich.balance(rich.dora) == (10 * HOLD, 0)
        record = rich.read(job)
        assert (record["outcome"], record["cost"], record["payment_done"]) == ("released", 0, False)
        with refused(Code.ALREADY_DONE):
            rich.release(job)

    def test_confirmation_without_a_time_does_not_bind_the_money(self, rich: World) -> None:
        job = rich.created()
        rich.confirm(rich.confirmation(job))

        rich.release(job)

        rich.set_time(job)  # too late
        with refused(Code.ALREADY_DONE):
            rich.do("settle", {"job": job})
        assert rich.balance(rich.dora) == (10 * HOLD, 0)

    def test_time_alone_cannot_freeze_the_money(self, rich: World) -> None:
        job = rich.created()
        rich.set_time(job)

        rich.release(job)

        assert rich.balance(rich.dora) == (10 * HOLD, 0)

    def test_where_both_have_spoken_it_must_be_settled(self, rich: World) -> None:
        job = rich.created()
        rich.set_time(job)
        rich.confirm(rich.confirmation(job))

        with refused(Code.FORBIDDEN):
            rich.release(job)

        rich.do("settle", {"job": job})

    def test_job_released_before_it_was_created_can_never_be(self, rich: World) -> None:
        item = rich.new_job()
        assert rich.release(item["job"])["tombstone"]

        [answer] = rich.create(item)

        assert (answer["ok"], answer["code"]) == (False, Code.ALREADY_DONE)
        assert rich.balance(rich.dora) == (10 * HOLD, 0)
        for function in ("read", "history"):
            with refused(Code.NOT_FOUND):
                rich.ask(function, {"job": item["job"]})
        with refused(Code.ALREADY_DONE):
            rich.release(item["job"])
        [answer] = rich.finish(rich.finished(item["job"]))
        assert (answer["ok"], answer["code"]) == (False, Code.ALREADY_DONE)

    def test_only_the_controller_releases(self, rich: World) -> None:
        job = rich.created()

        for caller in (rich.petes, rich.eve, rich.staff):
            with refused(Code.FORBIDDEN):
                rich.release(job, by=caller)

    def test_late_time_and_release_cannot_both_win(self, rich: World) -> None:
        job = rich.created()
        rich.confirm(rich.confirmation(job))
        time = {"job": job, "attempt": 1, "run_ms": 250, "exit_code": 0, "result_sha256": DIGEST}
        late = rich.petes.endorse("monitoring", "set_time", time)
        release = rich.controller.endorse("monitoring", "release", {"job": job, "why": "no time"})

        rich.petes.submit(late)

        with pytest.raises(Conflict):
            rich.controller.submit(release)


class TestReading:
    def test_job_is_read_by_its_two_sides_and_by_office(self, rich: World) -> None:
        job = rich.created()
        doras = rich.connect(rich.platform.enrol("dora", chainfaas_user=rich.dora))

        for reader in (rich.controller, rich.staff, rich.petes, doras):
            assert rich.read(job, reader)["developer"] == rich.dora
        for stranger in (rich.pauls, rich.eve):
            with refused(Code.FORBIDDEN):
                rich.read(job, stranger)
            with refused(Code.FORBIDDEN):
                rich.ask("history", {"job": job}, stranger)

    def test_history_tells_each_change_in_order(self, rich: World) -> None:
        job = rich.created()
        rich.set_time(job)
        rich.reassign(job)
        rich.confirm(rich.confirmation(job, attempt=2))
        rich.set_time(job, rich.pauls, attempt=2)
        _, settled = rich.controller.transact("monitoring", "settle", {"job": job})

        history = rich.ask("history", {"job": job})

        told = [
            (change["value"]["attempt"], change["value"]["provider"], change["value"]["time_ms"])
            for change in history
        ]
        assert told == [
            (1, rich.pete, None),
            (1, rich.pete, 250),
            (2, rich.paul, None),
            (2, rich.paul, None),
            (2, rich.paul, 250),
            (2, rich.paul, 250),
        ]
        assert [change["value"]["received"] for change in history] == [False] * 3 + [True] * 3
        assert [change["value"]["payment_done"] for change in history] == [False] * 5 + [True]
        assert history[-1]["value"] == rich.read(job)
        assert history[-1]["tx_id"] == settled.tx_id
        blocks = [rich.controller.transaction(change["tx_id"])[0].number for change in history]
        assert blocks == sorted(blocks)

    def test_transaction_that_did_two_things_is_told_once(self, rich: World) -> None:
        job = rich.created()
        rich.finish(rich.finished(job))

        history = rich.ask("history", {"job": job})

        assert [change["value"]["payment_done"] for change in history] == [False, True]

    def test_time_after_the_end_is_told_after_it(self, rich: World) -> None:
        job = rich.created()
        rich.release(job)
        rich.set_time(job)

        history = rich.ask("history", {"job": job})

        assert [change["value"]["outcome"] for change in history] == [None, "released", "released"]


class TestArguments:
    @pytest.mark.parametrize(
        ("contract", "function", "document"),
        [
            ("monitoring", "create", {}),
            ("monitoring", "create", {"items": []}),
            ("monitoring", "create", {"items": {}}),
            ("monitoring", "create", {"items": [{}] * 201}),
            ("monitoring", "create", {"items": [{}], "credits": []}),
            ("monitoring", "create", {"items": [{}], "credits": {"a": ["b"]}}),
            ("monitoring", "create", {"items": [{}], "credits": {"a/b": []}}),
            ("monitoring", "read", {"job": 1}),
            ("monitoring", "read", {"job": ""}),
            ("monitoring", "read", {"job": "a/b"}),
            ("monitoring", "read", {"job": "a\n"}),
            ("monitoring", "read", {"job": "a" * 129}),
            ("monitoring", "read", {"job": "j", "more": 1}),
            ("monitoring", "read", []),
            ("monitoring", "release", {"job": "j", "why": "\ud800"}),
            ("monitoring", "settle", {"job": {"deep": [[[]]]}}),
            ("monitoring", "no_function", {}),
            ("monitoring", "_pay", {}),
            ("monitoring", "call", {}),
            ("no_contract", "read", {}),
            ("monetary", "deposit", {"op": "x", "account": "a", "amount": 0}),
            ("monetary", "deposit", {"op": "x", "account": "a", "amount": -1}),
            ("monetary", "deposit", {"op": "x", "account": "a", "amount": 1.0}),
            ("monetary", "deposit", {"op": "x", "account": "a", "amount": True}),
            ("monetary", "deposit", {"op": "x", "account": "a", "amount": "1"}),
            ("monetary", "deposit", {"op": "x", "account": "a", "amount": 10**16}),
            ("monetary", "deposit", {"op": "x", "account": "a", "amount": float("nan")}),
            ("monetary", "deposit", {"op": "x", "account": "a", "amount": 10**5000}),
            ("monetary", "deposit", {"op": "x", "account": "a", "amount": 1, "credits": None}),
            ("monetary", "deposit", {"op": "x", "account": b"a", "amount": 1}),
            ("monetary", "fold", {"account": "a", "credits": ["x" * 2_000_000]}),
        ],
    )
    def test_strange_document_is_refused(
        self, ledger: World, contract: str, function: str, document: Any
    ) -> None:
        with refused(Code.BAD_ARGUMENT):
            ledger.controller.transact(contract, function, document)

    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    )

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_whatever_is_sent_only_a_contract_error_comes_back(
        self, ledger: World, data: st.DataObject
    ) -> None:
        valid: list[tuple[str, dict[str, Any]]] = [
            ("create", {"items": [ledger.new_job()]}),
            ("finish", {"items": [ledger.finished("j")]}),
            ("confirm", {"items": [ledger.confirmation("j")]}),
            ("reassign", {"job": "j", "attempt": 2, "machine": "m", "rate": 1}),
            ("release", {"job": new_name("j"), "why": "lost"}),
            ("history", {"job": "j"}),
        ]
        function, document = data.draw(st.sampled_from(valid))
        target = document["items"][0] if "items" in document else document
        target[data.draw(st.sampled_from([*target, "extra"]))] = data.draw(self.json_values)

        with contextlib.suppress(ContractError):
            ledger.controller.evaluate("monitoring", function, document)


class TestTransactions:
    def test_evaluate_changes_nothing(self, ledger: World) -> None:
        before = ledger.controller.height()

        ledger.controller.evaluate(
            "monetary", "deposit", {"op": new_name("op"), "account": ledger.dora, "amount": 5}
        )

        assert ledger.balance(ledger.dora) == (0, 0)
        assert ledger.controller.height() == before

    def test_endorsed_is_not_committed(self, ledger: World) -> None:
        envelope = self._deposit(ledger)

        assert envelope.result["free"] == 5
        assert ledger.controller.status(envelope.tx_id) is None
        assert ledger.balance(ledger.dora) == (0, 0)

    def test_stored_envelope_is_committed_once_however_often_it_is_submitted(self, ledger: World) -> None:
        stored = self._deposit(ledger).dump()

        first = ledger.controller.submit(Envelope.load(stored))
        again = ledger.controller.submit(Envelope.load(stored))

        assert first == again == ledger.controller.status(first.tx_id)
        assert ledger.balance(ledger.dora) == (5, 0)

    def test_same_envelope_at_once_from_many_threads_is_committed_once(self, ledger: World) -> None:
        envelope = self._deposit(ledger)

        with ThreadPoolExecutor(8) as pool:
            commits = list(pool.map(ledger.controller.submit, [envelope] * 8))

        assert commits == [commits[0]] * 8
        assert ledger.balance(ledger.dora) == (5, 0)

    def test_slower_of_two_that_read_the_same_conflicts_for_good(self, ledger: World) -> None:
        fast, slow = self._deposit(ledger), self._deposit(ledger)
        ledger.controller.submit(fast)

        for _ in range(2):
            with pytest.raises(Conflict) as caught:
                ledger.controller.submit(slow)

        assert (caught.value.code, caught.value.retry) == ("MVCC_READ_CONFLICT", True)
        assert ledger.controller.status(slow.tx_id) is None
        assert ledger.balance(ledger.dora) == (5, 0)

    def test_conflicting_transaction_stays_in_its_block_as_invalid(self, ledger: World) -> None:
        fast, slow = self._deposit(ledger), self._deposit(ledger)
        ledger.controller.submit(fast)
        with pytest.raises(Conflict):
            ledger.controller.submit(slow)

        block, index = ledger.controller.transaction(slow.tx_id)

        assert block.transactions[index].validation_code == "MVCC_READ_CONFLICT"

    def test_range_conflicts_with_a_key_that_appears_in_it(self, ledger: World) -> None:
        counting = ledger.controller.endorse("monetary", "totals", {})
        ledger.deposit(ledger.dora)

        with pytest.raises(Conflict):
            ledger.controller.submit(counting)

    def test_blind_writes_to_one_account_never_conflict(self, rich: World) -> None:
        items = [rich.finished(rich.created()) for _ in range(3)]
        envelopes = [rich.controller.endorse("monitoring", "finish", {"items": [item]}) for item in items]

        for envelope in envelopes:
            rich.controller.submit(envelope)

        assert rich.balance(rich.pete) == (3 * COST, 0)

    def test_unknown_transaction_is_not_found(self, ledger: World) -> None:
        assert ledger.controller.status("0" * 64) is None
        with refused(Code.NOT_FOUND):
            ledger.controller.transaction("0" * 64)

    def test_foreign_certificate_is_refused(self, ledger: World) -> None:
        forged = Authority.make("PlatformMSP").enrol("controller", chainfaas_role="controller")

        with pytest.raises(LedgerError) as caught:
            ledger.connect(forged).evaluate("monetary", "totals", {})
        assert not isinstance(caught.value, ContractError)

    @staticmethod
    def _deposit(ledger: World) -> Envelope:
        document = {"op": new_name("op"), "account": ledger.dora, "amount": 5}
        return ledger.controller.endorse("monetary", "deposit", document)


class TestBlocks:
    def test_blocks_are_linked_by_their_hashes(self, rich: World) -> None:
        rich.finish(rich.finished(rich.created()))

        height = rich.controller.height()
        blocks = rich.controller.blocks(0, height)

        assert [block.number for block in blocks] == list(range(height))
        for before, after in itertools.pairwise(blocks):
            assert after.previous_hash == before.hash
        assert rich.controller.blocks(height, 5) == []
        assert len(rich.controller.blocks(1, 2)) == 2

    def test_block_shows_who_asked_for_what(self, rich: World) -> None:
        job = rich.created()
        _, commit = rich.petes.transact(
            "monitoring",
            "set_time",
            {"job": job, "attempt": 1, "run_ms": 1, "exit_code": 0, "result_sha256": DIGEST},
        )

        block, index = rich.controller.transaction(commit.tx_id)

        assert (block.number, block.at) == (commit.block, commit.at)
        transaction = block.as_dict()["transactions"][index]
        assert transaction["id"] == commit.tx_id
        assert transaction["creator"]["certificate"] == rich.petes_key.certificate
        assert transaction["function"] == "set_time"
        assert transaction["document"]["job"] == job
        assert transaction["validation_code"] == "VALID"

    def test_ledger_verifies(self, rich: World) -> None:
        rich.finish(rich.finished(rich.created()), rich.finished(rich.created(), signer=rich.pauls_key))

        found = rich.controller.verify()

        assert found.verified, found.fault
        assert found.height == rich.controller.height()


class TestConcurrency:
    def test_many_threads_on_one_account_are_all_paid_once(self, ledger: World, kind: str) -> None:
        # The longer a call takes, the more of them conflict: as many as all get through at last.
        threads, each = 16 if kind == "chaincode servers" else 64, 2
        ledger.deposit(ledger.dora, threads * each * HOLD)
        start = threading.Barrier(threads)
        failures: list[object] = []

        def run() -> None:
            start.wait()
            for _ in range(each):
                try:
                    job = ledger.created()
                    ledger.finish(ledger.finished(job))
                except (LedgerError, AssertionError) as error:
                    failures.append(error)

        workers = [threading.Thread(target=run) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

        assert failures == []
        assert ledger.balance(ledger.pete) == (threads * each * COST, 0)
        assert ledger.balance(ledger.dora) == (threads * each * (HOLD - COST), 0)
        assert ledger.controller.verify().verified


JOBS = 3
callers = st.sampled_from(["controller", "controller", "controller", "petes", "pauls", "eve"])
small = st.integers(0, JOBS - 1)
steps = st.one_of(
    st.tuples(st.just("deposit"), callers, small, st.integers(1, 3 * HOLD)),
    st.tuples(st.just("withdraw"), callers, small, st.integers(1, HOLD)),
    st.tuples(st.sampled_from(["create", "release", "settle", "reassign", "fold"]), callers, small, small),
    st.tuples(st.sampled_from(["finish", "confirm", "set_time"]), callers, small, st.integers(0, 2000)),
)


class TestConservation:
    """Whoever calls whatever, in any order and however often: no money is made or lost, no job paid twice."""

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(script=st.lists(steps, min_size=5, max_size=40))
    def test_money_is_conserved(self, ledger: World, script: list[tuple[str, str, int, int]]) -> None:
        world = World(ledger.connect, ledger.platform, ledger.providers)
        before = world.ask("totals", {})
        jobs = [world.new_job() for _ in range(JOBS)]
        world.deposit(world.dora, 2 * HOLD, f"{world.dora}-start")

        deposited, withdrawn = 2 * HOLD, 0
        for function, caller, which, number in script:
            try:
                self._step(world, function, getattr(world, caller), jobs[which], number, which)
            except ContractError:
                continue
            assert caller == "controller" or function in ("set_time", "settle")
            deposited += number if function == "deposit" else 0
            withdrawn += number if function == "withdraw" else 0

        totals = world.ask("totals", {})
        assert totals["free"] + totals["held"] == totals["deposited"] - totals["withdrawn"]
        assert totals["deposited"] - before["deposited"] == deposited
        assert totals["withdrawn"] - before["withdrawn"] == withdrawn
        self._check_accounts(world, [job["job"] for job in jobs], deposited - withdrawn)

    def _step(
        self, world: World, function: str, caller: Ledger, item: dict[str, Any], number: int, which: int
    ) -> None:
        job = item["job"]
        attempt = 1 + number % 2
        confirmation = world.confirmation(job, attempt=attempt, wall_ms=number)
        signer = world.pauls_key if attempt == 2 else world.petes_key
        transfer = {"op": f"{world.dora}-{function}-{which}", "account": world.dora, "amount": number}
        named = world.credits(world.dora) if which == 1 else []
        reassignment = {"job": job, "attempt": 2, "machine": world.other_machine, "rate": 64}
        time = {"job": job, "attempt": attempt, "run_ms": number, "exit_code": 0, "result_sha256": DIGEST}
        receipt = world.finished(job, number, signer, attempt=attempt, wall_ms=number)
        contract, document = {
            "deposit": ("monetary", transfer),
            "withdraw": ("monetary", {**transfer, "credits": named}),
            "fold": ("monetary", {"account": world.dora, "credits": world.credits(world.dora)}),
            "create": ("monitoring", {"items": [item], "credits": {world.dora: named}}),
            "release": ("monitoring", {"job": job, "why": "lost"}),
            "settle": ("monitoring", {"job": job}),
            "reassign": ("monitoring", reassignment),
            "finish": ("monitoring", {"items": [receipt]}),
            "confirm": ("monitoring", {"items": [confirmation]}),
            "set_time": ("monitoring", time),
        }[function]
        caller.transact(contract, function, document)

    def _check_accounts(self, world: World, jobs: list[str], total: int) -> None:
        balances = {account: world.balance(account) for account in (world.dora, world.pete, world.paul)}
        assert all(free >= 0 and held >= 0 for free, held in balances.values())
        assert sum(free + held for free, held in balances.values()) == total
        records = [record for job in jobs if (record := self._record(world, job))]
        open_holds = [record["hold"] for record in records if record["cost"] is None]
        assert sum(held for _, held in balances.values()) == sum(open_holds)
        for provider in (world.pete, world.paul):
            paid = [r["cost"] for r in records if r["payment_done"] and r["provider"] == provider]
            assert balances[provider] == (sum(paid), 0)

    @staticmethod
    def _record(world: World, job: str) -> dict[str, Any] | None:
        try:
            return world.read(job)
        except ContractError:
            return None


def test_receipt_of_another_channel_does_not_count(rich: World) -> None:
    job = rich.created()
    item = rich.finished(job)
    abroad = Receipt(CHANNEL + "2", job, 1, 250, 0, DIGEST).sign(rich.petes_key)

    [answer] = rich.finish({**item, "receipt": {**item["receipt"], "signature": abroad}})

    assert answer["code"] == Code.BAD_RECEIPT
