"""What happened to each job: terms, attempts, the controller's word, the provider's word, and how it ended.

Two may speak of an attempt: the controller confirms it (wall time, outcome), the provider times it (run time,
result). Money moves only where both have spoken. Usually both come in one `finish`, which carries the
provider's signed receipt; else `confirm` and `set_time` come apart and anybody may `settle`. A job ends
once, under `end/J`, which `finish`, `settle` and `release` all read and write: so only one of them can.

No batch reads a key that a provider can write at that moment (`time/...`), or one provider could void the
batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from chaincode import pricing
from chaincode.contracts import documents, records, roles
from chaincode.contracts.archive import Archive
from chaincode.contracts.batches import Answer, answered, judge
from chaincode.contracts.records import Assignment, Confirmation, End, Job, Machine, Time
from chaincode.errors import Code, ContractError
from chaincode.receipt import Receipt


@dataclass(frozen=True)
class Creation:
    job: str
    terms: Job
    assignment: Assignment


@dataclass(frozen=True)
class Payment:
    """One attempt that both sides have spoken of."""

    job: str
    developer: str
    provider: str
    hold: int
    end: End
    confirmation: Confirmation

    def movements(self) -> list[dict[str, Any]]:
        return [
            {"account": self.developer, "free": self.hold - self.end.cost, "held": -self.hold},
            {"account": self.provider, "free": self.end.cost, "held": 0},
        ]


class Monitoring(Archive):
    name = "monitoring"
    functions: ClassVar[dict[str, type]] = {
        "init": documents.Init,
        "enrol_machine": documents.EnrolMachine,
        "revoke_machine": documents.Machine,
        "create": documents.Create,
        "reassign": documents.Reassign,
        "finish": documents.Batch,
        "confirm": documents.Batch,
        "set_time": documents.SetTime,
        "settle": documents.Job,
        "release": documents.Release,
        "read": documents.Job,
        "history": documents.Job,
        "machine": documents.Machine,
    }

    # Jobs, as the controller tells them.

    def create(self, call: documents.Create) -> list[dict[str, Any]]:
        """Write down jobs with their first machines, and set their money aside.

        The same job with the same content again answers ok with EXISTS. Credits are named by account; those
        of an account that nothing is debited from are left alone.
        """
        roles.require_controller(self.stub.caller)
        judged = judge(call.items, documents.NewJob, self._new)
        fresh = [plan for plan in judged if isinstance(plan, Creation)]
        made = dict(zip((plan.job for plan in fresh), self._hold(fresh, call.credits), strict=True))
        answers = [
            self._create(plan, made[plan.job]) if isinstance(plan, Creation) else plan for plan in judged
        ]
        self._tell("create", answers)
        return answered(answers)

    def _new(self, item: documents.NewJob) -> Creation | Answer:
        if item.rate > item.max_rate:
            raise ContractError(Code.BAD_ARGUMENT, "the machine's rate is above the function's max_rate")
        hold = pricing.hold(item.timeout_ms, item.max_rate, item.memory_mb)
        terms = Job(item.developer, item.function, item.memory_mb, item.timeout_ms, item.max_rate, hold)
        plan = Creation(item.job, terms, Assignment(1, item.machine, item.rate))
        known = self.get(Job, records.job_key(item.job))
        if known is None:
            return plan
        if known.tombstone:
            raise ContractError(Code.ALREADY_DONE, f"released before it was created: {known.tombstone}")
        current = self._assignment(item.job)
        # Once reassigned, the first machine is no longer under `att/J`; the terms alone must do then.
        if known != terms or (current.attempt == 1 and current != plan.assignment):
            raise ContractError(Code.EXISTS, "the job is on the ledger with other content")
        return Answer(item.job, ok=True, code=Code.EXISTS)

    def _hold(self, plans: list[Creation], credits: dict[str, tuple[str, ...]]) -> list[bool]:
        if not plans:
            return []
        holds = [{"account": plan.terms.developer, "amount": plan.terms.hold} for plan in plans]
        named = {account: list(tx_ids) for account, tx_ids in credits.items()}
        made: list[bool] = self.stub.invoke("monetary", "hold", {"holds": holds, "credits": named})
        return made

    def _create(self, plan: Creation, held: bool) -> Answer:
        if not held:
            detail = f"{plan.terms.hold} must be free to hold"
            return Answer(plan.job, ok=False, code=Code.INSUFFICIENT_FUNDS, detail=detail)
        self.put(records.job_key(plan.job), plan.terms)
        self.put(records.assignment_key(plan.job), plan.assignment)
        return Answer(plan.job, ok=True)

    def reassign(self, call: documents.Reassign) -> dict[str, Any]:
        """Give the job to another machine as its next attempt. The same again answers EXISTS."""
        roles.require_controller(self.stub.caller)
        terms = self._terms(call.job)
        current = self._assignment(call.job)
        wanted = Assignment(call.attempt, call.machine, call.rate)
        if current == wanted:
            return {"job": call.job, "attempt": call.attempt, "code": Code.EXISTS}
        if call.attempt != current.attempt + 1:
            raise ContractError(Code.WRONG_ATTEMPT, f"attempt {current.attempt} is the current one")
        if call.rate > terms.max_rate:
            raise ContractError(Code.BAD_ARGUMENT, "the machine's rate is above the function's max_rate")
        if self.get(End, records.end_key(call.job)):
            raise ContractError(Code.ALREADY_DONE, "the job has ended")
        if self.get(Confirmation, records.confirmation_key(call.job, current.attempt)):
            raise ContractError(Code.ALREADY_DONE, "the current attempt is confirmed")
        self.put(records.assignment_key(call.job), wanted)
        self.stub.event("reassign", {"jobs": [call.job]})
        return {"job": call.job, "attempt": call.attempt, "code": None}

    def finish(self, call: documents.Batch) -> list[dict[str, Any]]:
        """Confirm attempts that come with their providers' receipts, and pay them. Never reads a time."""
        roles.require_controller(self.stub.caller)
        judged = judge(call.items, documents.Finished, self._finished)
        payments = [plan for plan in judged if isinstance(plan, Payment)]
        self._pay([movement for payment in payments for movement in payment.movements()])
        answers = [self._finish(plan) if isinstance(plan, Payment) else plan for plan in judged]
        self._tell("finish", answers)
        return answered(answers)

    def _finished(self, item: documents.Finished) -> Payment | Answer:
        terms = self._terms(item.job)
        assignment = self._assignment(item.job)
        done = self._done_before(item)
        if done and done.code is Code.ALREADY_DONE:  # merely confirmed before (EXISTS), it is paid now
            return done
        self._require_current(assignment, item.attempt)
        machine = self._machine(assignment.machine)
        self._check_receipt(item, machine)
        end = _priced(terms, assignment, item.receipt.run_ms, item.wall_ms)
        confirmation = Confirmation(item.wall_ms, item.outcome)
        return Payment(item.job, terms.developer, machine.provider, terms.hold, end, confirmation)

    def _finish(self, payment: Payment) -> Answer:
        key = records.confirmation_key(payment.job, payment.end.attempt)
        self.put(key, payment.confirmation)
        self.put(records.end_key(payment.job), payment.end)
        return Answer(payment.job, ok=True, cost=payment.end.cost, billed_ms=payment.end.billed_ms)

    def confirm(self, call: documents.Batch) -> list[dict[str, Any]]:
        """Confirm attempts whose receipts did not come; their providers set the time themselves."""
        roles.require_controller(self.stub.caller)
        judged = judge(call.items, documents.Confirmed, self._confirmed)
        answers = [self._confirm(plan) if isinstance(plan, documents.Confirmed) else plan for plan in judged]
        self._tell("confirm", answers)
        return answered(answers)

    def _confirmed(self, item: documents.Confirmed) -> documents.Confirmed | Answer:
        self._terms(item.job)
        assignment = self._assignment(item.job)
        done = self._done_before(item)
        if done:
            return done
        self._require_current(assignment, item.attempt)
        return item

    def _confirm(self, item: documents.Confirmed) -> Answer:
        key = records.confirmation_key(item.job, item.attempt)
        self.put(key, Confirmation(item.wall_ms, item.outcome))
        return Answer(item.job, ok=True)

    def _done_before(self, item: documents.Finished | documents.Confirmed) -> Answer | None:
        """The answer to a confirmation that stands already; with the cost, if the job has ended.

        ok where the very same confirmation was made, and, for an ended job, paid.
        """
        confirmation = Confirmation(item.wall_ms, item.outcome)
        known = self.get(Confirmation, records.confirmation_key(item.job, item.attempt))
        end = self.get(End, records.end_key(item.job))
        if end:
            same = end.paid and end.attempt == item.attempt and known == confirmation
            detail = None if same else f"the job has ended otherwise: {end.why or 'paid'}"
            return Answer(item.job, same, Code.ALREADY_DONE, detail, end.cost, end.billed_ms)
        if known == confirmation:
            return Answer(item.job, ok=True, code=Code.EXISTS)
        if known:
            raise ContractError(Code.EXISTS, "the attempt was confirmed otherwise")
        return None

    # One job at a time: the provider's word, and the ends that need it.

    def set_time(self, call: documents.SetTime) -> dict[str, Any]:
        """The provider's word, by itself, where its receipt does not appear in a `finish`."""
        self._terms(call.job)
        assignment = self._assignment(call.job)
        machine = self._machine(assignment.machine)
        roles.require_machine_of(self.stub.caller, machine.provider)
        if machine.revoked:
            raise ContractError(Code.FORBIDDEN, "this machine was revoked")
        self._require_current(assignment, call.attempt)
        time = Time(call.run_ms, call.exit_code, call.result_sha256, machine.provider)
        key = records.time_key(call.job, call.attempt)
        known = self.get(Time, key)
        if known == time:
            raise ContractError(Code.ALREADY_DONE, "this time is set")
        if known:
            raise ContractError(Code.EXISTS, "another time is set")
        self.put(key, time)
        self.stub.event("set_time", {"jobs": [call.job]})
        return {"job": call.job, "attempt": call.attempt}

    def settle(self, call: documents.Job) -> dict[str, Any]:
        """Pay an attempt that both sides have spoken of, apart. Anybody may ask."""
        terms = self._open(call.job)
        assignment = self._assignment(call.job)
        confirmation = self.get(Confirmation, records.confirmation_key(call.job, assignment.attempt))
        time = self.get(Time, records.time_key(call.job, assignment.attempt))
        if not confirmation or not time:
            missing = "controller's confirmation" if not confirmation else "provider's time"
            raise ContractError(Code.NOT_FOUND, f"the {missing} is missing")
        end = _priced(terms, assignment, time.run_ms, confirmation.wall_ms)
        payment = Payment(call.job, terms.developer, time.provider, terms.hold, end, confirmation)
        self._pay(payment.movements())
        self.put(records.end_key(call.job), end)
        self.stub.event("settle", {"jobs": [call.job]})
        return {"job": call.job, "cost": end.cost, "billed_ms": end.billed_ms}

    def release(self, call: documents.Release) -> dict[str, Any]:
        """Close a job unpaid and free its hold; not created yet, it gets a tombstone that `create` respects.

        A time alone does not stop it, or a provider could freeze a developer's money; a time and a
        confirmation do.
        """
        roles.require_controller(self.stub.caller)
        if self.stub.get(records.job_key(call.job)) is None:
            self.put(records.job_key(call.job), Job(tombstone=call.why))
            self.stub.event("release", {"jobs": [call.job]})
            return {"job": call.job, "freed": 0, "tombstone": True}
        terms = self._open(call.job)
        attempt = self._assignment(call.job).attempt
        confirmed = self.get(Confirmation, records.confirmation_key(call.job, attempt))
        if confirmed and self.get(Time, records.time_key(call.job, attempt)):
            raise ContractError(Code.FORBIDDEN, "both sides have spoken: settle it")
        self._pay([{"account": terms.developer, "free": terms.hold, "held": -terms.hold}])
        self.put(records.end_key(call.job), End(False, attempt, 0, 0, call.why))
        self.stub.event("release", {"jobs": [call.job]})
        return {"job": call.job, "freed": terms.hold, "tombstone": False}

    # What several of them need.

    def _require_current(self, assignment: Assignment, attempt: int) -> None:
        if assignment.attempt != attempt:
            raise ContractError(Code.WRONG_ATTEMPT, f"attempt {assignment.attempt} is the current one")

    def _check_receipt(self, item: documents.Finished, machine: Machine) -> None:
        if machine.revoked:
            raise ContractError(Code.BAD_RECEIPT, "this machine was revoked")
        signed = item.receipt
        receipt = Receipt(
            self.stub.channel, item.job, item.attempt, signed.run_ms, signed.exit_code, signed.result_sha256
        )
        if not receipt.verify(machine.certificate, signed.signature):
            raise ContractError(Code.BAD_RECEIPT, "the receipt is not signed by the attempt's machine")

    def _pay(self, movements: list[dict[str, Any]]) -> None:
        if movements:
            self.stub.invoke("monetary", "pay", {"movements": movements})

    def _tell(self, name: str, answers: list[Answer]) -> None:
        jobs = [answer.job for answer in answers if answer.ok and not answer.code]
        if jobs:
            self.stub.event(name, {"jobs": jobs})


def _priced(terms: Job, assignment: Assignment, run_ms: int, wall_ms: int) -> End:
    billed = pricing.billed_ms(run_ms, wall_ms, terms.timeout_ms)
    cost = pricing.cost(billed, assignment.rate, terms.memory_mb)
    return End(True, assignment.attempt, cost, billed)
