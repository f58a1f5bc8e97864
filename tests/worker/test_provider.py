"""A machine at work: what it is told through the broker, and what it tells back."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaincode.identity import Identity
from chaincode.receipt import Receipt
from tasks import limits, topology
from tasks.messages import Outcome, Result, Started
from tests.worker import moody
from tests.worker.conftest import PETE, StartMachine
from tests.worker.controller import Controller, make_config
from tests.worker.making import make_run
from worker.provider import AlreadyRunning, Provider


def receipt_of(result: Result, *, attempt: int = 1) -> Receipt:
    digest = hashlib.sha256(result.output).hexdigest()
    return Receipt("testing", result.job, attempt, result.run_ms, result.exit_code, digest)


@pytest.mark.usefixtures("provider")
class TestOneJob:
    def test_the_start_is_reported_then_the_result(self, controller: Controller) -> None:
        task = make_run("chainfaas/wordcount", input=b"to be or not to be")

        controller.send(PETE, task)
        started, result = controller.report(PETE), controller.report(PETE)

        assert isinstance(started, Started)
        assert isinstance(result, Result)
        assert (started.job, result.job) == (task.job, task.job)
        assert 0 < started.prepared_ms < 1000
        assert (result.outcome, result.exit_code, result.detail) == (Outcome.EXITED, 0, "")
        assert result.output == b'{"words": 6, "top": [["be", 2], ["to", 2], ["not", 1], ["or", 1]]}\n'
        assert 0 < result.run_ms < 1000

    def test_a_report_names_its_sender_as_the_broker_demands(self, controller: Controller) -> None:
        controller.send(PETE, make_run())
        controller.result(PETE)

        for message in controller.seen:
            assert message.delivery_info["exchange"] == topology.upstream(PETE)
            assert message.delivery_info["routing_key"] == topology.RESULT_KEY
            assert message.properties["user_id"] == PETE
            assert message.properties["delivery_mode"] == 2
            assert message.content_type == "application/json"

    def test_the_receipt_is_good_for_this_attempt_only(
        self, controller: Controller, identity: Identity
    ) -> None:
        controller.send(PETE, make_run("chainfaas/echo", input=b"hi"))
        result = controller.result(PETE)

        assert receipt_of(result).verify(identity.certificate, result.signature)
        assert not receipt_of(result, attempt=2).verify(identity.certificate, result.signature)

    def test_a_largest_result_with_a_largest_log_fits_into_a_message(
        self, start: StartMachine, controller: Controller
    ) -> None:
        start("hosti1", hostile=True)
        controller.send("hosti1", make_run("chainfaas/exact", input=str(limits.BODY).encode()))

        assert len(controller.result("hosti1").output) == limits.BODY
        assert len(controller.seen[-1].body) < limits.MESSAGE - 2 * limits.LOG

    @pytest.mark.parametrize(
        ("image", "outcome", "exit_code"),
        [
            ("chainfaas/fail", Outcome.EXITED, 3),
            ("chainfaas/crash", Outcome.SIGNALLED, 134),
            ("chainfaas/greedy", Outcome.OUT_OF_MEMORY, 137),
            ("chainfaas/flood", Outcome.OUTPUT_LIMIT, 137),
        ],
    )
    def test_a_functions_own_fault_is_signed_too(
        self, controller: Controller, identity: Identity, image: str, outcome: Outcome, exit_code: int
    ) -> None:
        controller.send(PETE, make_run(image))
        result = controller.result(PETE)

        assert (result.outcome, result.exit_code) == (outcome, exit_code)
        assert receipt_of(result).verify(identity.certificate, result.signature)

    def test_an_image_that_is_not_there_is_told_unsigned(self, controller: Controller) -> None:
        controller.send(PETE, make_run("nginx"))
        result = controller.report(PETE)

        assert isinstance(result, Result)
        assert (result.outcome, result.signature, result.run_ms) == (Outcome.IMAGE_UNAVAILABLE, "", 0)
        assert "no containers" in result.detail

    @pytest.mark.parametrize(
        "too_much",
        [
            {"memory_mb": 257},
            {"memory_mb": 0},
            {"cpus": 1.5},
            {"timeout_s": 0},
            {"input": b"x" * (limits.BODY + 1)},
            {"env": {"A=B": "c"}},
            {"env": {"A": "b\0c"}},
            {"env": {"A": "x" * limits.ENVIRONMENT}},
        ],
        ids=str,
    )
    def test_what_does_not_fit_is_refused_unrun(
        self, controller: Controller, too_much: dict[str, object]
    ) -> None:
        controller.send(PETE, make_run(**too_much))
        result = controller.report(PETE)

        assert isinstance(result, Result)
        assert (result.outcome, result.signature) == (Outcome.REFUSED, "")
        assert result.detail

    @pytest.mark.parametrize("text", ["", "{", '{"job": 1}', 7, None, ["a", "list"], "\ud800"], ids=repr)
    def test_what_is_no_task_is_dropped_and_the_next_one_runs(
        self, controller: Controller, text: object
    ) -> None:
        controller.send(PETE, text)
        controller.send(PETE, make_run("chainfaas/echo", input=b"still here"))

        assert controller.result(PETE).output == b"still here"
        assert controller.waiting(PETE) == 0


@pytest.mark.usefixtures("provider")
class TestCancelling:
    def test_a_running_function_ends_at_once_and_is_billed_for_what_ran(
        self, controller: Controller, identity: Identity
    ) -> None:
        task = make_run("chainfaas/sleep", input=b"60", timeout_s=90)
        controller.send(PETE, task)
        controller.report(PETE)
        asked = time.monotonic()

        controller.cancel(PETE, task)
        result = controller.result(PETE)

        assert time.monotonic() - asked < 2
        assert (result.outcome, result.exit_code) == (Outcome.CANCELLED, 137)
        assert result.run_ms > 0
        assert receipt_of(result).verify(identity.certificate, result.signature)

    def test_an_attempt_that_has_not_begun_never_does(self, controller: Controller) -> None:
        task = make_run("chainfaas/echo")
        controller.cancel(PETE, task)
        settle(controller)

        controller.send(PETE, task)
        result = controller.report(PETE)

        assert isinstance(result, Result)  # and not that it started
        assert (result.outcome, result.exit_code, result.run_ms) == (Outcome.CANCELLED, 0, 0)

    def test_a_job_that_waits_for_a_slot_is_cancelled_in_its_turn(
        self, start: StartMachine, controller: Controller
    ) -> None:
        start("single", slots=1)
        first, second = make_run("chainfaas/sleep", input=b"0.5"), make_run("chainfaas/sleep", input=b"60")
        controller.send("single", first)
        controller.send("single", second)

        controller.cancel("single", second)
        results = [controller.result("single") for _ in range(2)]

        assert [result.job for result in results] == [first.job, second.job]
        assert [result.outcome for result in results] == [Outcome.EXITED, Outcome.CANCELLED]

    def test_after_the_end_and_for_other_attempts_it_changes_nothing(self, controller: Controller) -> None:
        task = make_run("chainfaas/echo", attempt=2)
        controller.send(PETE, task)
        controller.result(PETE)

        controller.cancel(PETE, task)
        controller.cancel(PETE, make_run("chainfaas/echo", job=task.job, attempt=1))
        settle(controller)
        controller.send(PETE, make_run("chainfaas/echo", job=task.job, attempt=3))

        assert controller.result(PETE).outcome == Outcome.EXITED

    @pytest.mark.parametrize("body", [b"\xff", b"{", b"5", b'{"type": "started"}', b""])
    def test_a_command_that_cannot_be_read_is_dropped(self, controller: Controller, body: bytes) -> None:
        controller.control(PETE, body)

        task = make_run("chainfaas/sleep", input=b"60")
        controller.send(PETE, task)
        controller.report(PETE)
        controller.cancel(PETE, task)
        assert controller.result(PETE).outcome == Outcome.CANCELLED


@pytest.mark.usefixtures("provider")
class TestDeliveredTwice:
    def test_while_it_runs_the_second_delivery_is_dropped(self, controller: Controller) -> None:
        task = make_run("chainfaas/sleep", input=b"0.5")

        controller.send(PETE, task)
        controller.send(PETE, task)

        assert isinstance(controller.report(PETE), Started)
        assert isinstance(controller.report(PETE), Result)
        with pytest.raises(AssertionError, match="reported nothing"):
            controller.report(PETE, timeout_s=0.3)

    def test_after_the_end_the_same_result_is_sent_again(self, controller: Controller) -> None:
        task = make_run("chainfaas/echo", input=b"once")
        controller.send(PETE, task)
        first = controller.result(PETE)

        controller.send(PETE, task)

        assert controller.report(PETE) == first

    def test_another_attempt_of_the_same_job_runs(self, controller: Controller) -> None:
        task = make_run("chainfaas/echo")
        controller.send(PETE, task)
        controller.result(PETE)

        controller.send(PETE, make_run("chainfaas/echo", job=task.job, attempt=2))

        assert isinstance(controller.report(PETE), Started)


class TestSeveralAtOnce:
    def test_as_many_jobs_run_at_once_as_there_are_slots(
        self, start: StartMachine, controller: Controller
    ) -> None:
        start("manyslots", slots=4)
        began = time.monotonic()

        for _ in range(4):
            controller.send("manyslots", make_run("chainfaas/sleep", input=b"1"))
        outcomes = {controller.result("manyslots").outcome for _ in range(4)}

        assert outcomes == {Outcome.EXITED}
        assert time.monotonic() - began < 2

    def test_no_more_jobs_run_at_once_than_there_are_slots(
        self, start: StartMachine, controller: Controller
    ) -> None:
        start("single", slots=1)

        for _ in range(2):
            controller.send("single", make_run("chainfaas/sleep", input=b"0.2"))
        kinds = [type(controller.report("single")) for _ in range(4)]

        assert kinds == [Started, Result, Started, Result]

    def test_machines_in_one_process_answer_each_for_itself(
        self, start: StartMachine, controller: Controller
    ) -> None:
        start("alpha", memory_mb=64)
        start("omega", memory_mb=128)
        start("middle", memory_mb=32)

        for machine in ("alpha", "omega", "middle"):
            controller.send(machine, make_run("chainfaas/echo", memory_mb=128))

        assert controller.result("alpha").outcome == Outcome.REFUSED
        assert controller.result("omega").outcome == Outcome.EXITED
        assert controller.result("middle").outcome == Outcome.REFUSED


class TestABrokerThatIsAway:
    @pytest.fixture(autouse=True)
    def _comes_back(self) -> Iterator[None]:
        yield
        moody.Channel.failures = 0

    @pytest.mark.usefixtures("provider")
    def test_reports_wait_for_it(self, controller: Controller) -> None:
        moody.Channel.failures = 3

        controller.send(PETE, make_run())

        assert isinstance(controller.report(PETE), Started)
        assert isinstance(controller.report(PETE), Result)

    def test_a_result_that_found_no_broker_is_sent_in_the_next_life(
        self, start: StartMachine, controller: Controller, tmp_path: Path
    ) -> None:
        moody.Channel.failures = 10**9
        provider = start()
        controller.send(PETE, make_run("chainfaas/echo", input=b"kept"))
        while not list((tmp_path / PETE / "journal").glob("*.result")):
            time.sleep(0.01)

        provider.stop(drain_s=0.2)
        assert controller.waiting(PETE) == 1
        moody.Channel.failures = 0
        start()
        result = controller.report(PETE)

        assert isinstance(result, Result)  # it did not start again
        assert (result.outcome, result.output) == (Outcome.EXITED, b"kept")


class TestStopping:
    def test_a_running_function_may_end_in_the_given_time(
        self, provider: Provider, controller: Controller
    ) -> None:
        controller.send(PETE, make_run("chainfaas/sleep", input=b"0.5"))
        controller.report(PETE)

        provider.stop(drain_s=5)

        assert controller.result(PETE).outcome == Outcome.EXITED

    def test_a_function_that_takes_longer_is_reported_lost(
        self, provider: Provider, controller: Controller
    ) -> None:
        controller.send(PETE, make_run("chainfaas/sleep", input=b"60", timeout_s=90))
        controller.report(PETE)
        began = time.monotonic()

        provider.stop(drain_s=0.3)

        assert time.monotonic() - began < 3
        result = controller.result(PETE)
        assert (result.outcome, result.signature) == (Outcome.LOST, "")

    def test_what_waits_goes_to_the_next_life(self, start: StartMachine, controller: Controller) -> None:
        single = start("single", slots=1)
        tasks = [make_run("chainfaas/sleep", input=b"0.3") for _ in range(3)]
        for task in tasks:
            controller.send("single", task)
        controller.report("single")

        single.stop()
        results = [controller.result("single")]
        assert controller.waiting("single") == 2
        start("single", slots=1)
        results += [controller.result("single") for _ in range(2)]

        assert [result.job for result in results] == [task.job for task in tasks]
        assert {result.outcome for result in results} == {Outcome.EXITED}

    def test_one_machine_stops_without_the_other(self, start: StartMachine, controller: Controller) -> None:
        start("alpha").stop()
        start("omega")

        controller.send("omega", make_run())

        assert controller.result("omega").outcome == Outcome.EXITED

    def test_two_programs_cannot_be_one_machine(
        self, provider: Provider, app: object, identity: Identity, tmp_path: Path
    ) -> None:
        twin = Provider(make_config(PETE, tmp_path / PETE, identity), app)  # type: ignore[arg-type]

        with pytest.raises(AlreadyRunning, match=PETE):
            twin.start()


def settle(controller: Controller) -> None:
    """Wait until the machine has read its control queue."""
    time.sleep(0.1)


def test_what_it_ran_is_claimed_before_its_result_is_sent(
    start: StartMachine, controller: Controller, tmp_path: Path
) -> None:
    start(ledger_url="embedded:///is/not/there.db", settle_after_s=3600.0)
    ran, refused = make_run(), make_run(memory_mb=100_000)
    controller.send(PETE, ran)
    controller.result(PETE)
    controller.send(PETE, refused)
    controller.result(PETE)

    assert [path.name for path in (tmp_path / PETE / "claims").iterdir()] == [f"{ran.job}.1.claim"]
