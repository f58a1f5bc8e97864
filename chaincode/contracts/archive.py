"""The monitoring contract's part about reading: a job's record, and each change that led to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chaincode.contracts import chronicle, documents, records, roles
from chaincode.contracts.chronicle import Change, Story
from chaincode.contracts.contract import R
from chaincode.contracts.machines import Machines
from chaincode.contracts.records import Assignment, Confirmation, End, Job, Time
from chaincode.errors import Code, ContractError


class Archive(Machines):
    def read(self, call: documents.Job) -> dict[str, Any]:
        return self._story(call.job).record()

    def history(self, call: documents.Job) -> list[dict[str, Any]]:
        """Each change in commit order: {tx_id, at, value}, value the record as it then stood."""
        story = self._story(call.job)
        last = story.assignment.attempt
        ordered: list[Change[Any]] = []
        for change in self._changes(Assignment, records.assignment_key(call.job)):
            ordered.append(replace(change, provider=self._provider(change.record.machine)))
            if change.record.attempt < last:
                ordered += self._changes(Time, records.time_key(call.job, change.record.attempt))
        tail: list[Change[Any]] = [
            *self._changes(Confirmation, records.confirmation_key(call.job, last)),
            *self._changes(End, records.end_key(call.job)),
        ]
        ordered += chronicle.placed(self._changes(Time, records.time_key(call.job, last)), tail)
        return chronicle.tell(call.job, story.terms, ordered)

    def _story(self, job: str) -> Story:
        terms = self.get(Job, records.job_key(job))
        if terms is None or terms.tombstone:
            raise ContractError(Code.NOT_FOUND, "there is no such job on the ledger")
        assignment = self._assignment(job)
        provider = self._provider(assignment.machine)
        roles.require_reader(self.stub.caller, terms.developer, provider)
        attempt = assignment.attempt
        return Story(
            job,
            terms,
            assignment,
            provider,
            time=self.get(Time, records.time_key(job, attempt)),
            confirmation=self.get(Confirmation, records.confirmation_key(job, attempt)),
            end=self.get(End, records.end_key(job)),
        )

    def _changes(self, kind: type[R], key: str) -> list[Change[R]]:
        return chronicle.changes(kind, self.stub.history(key))

    def _terms(self, job: str) -> Job:
        terms = self.get(Job, records.job_key(job))
        if terms is None:
            raise ContractError(Code.NOT_FOUND, "there is no such job on the ledger")
        if terms.tombstone:
            raise ContractError(Code.ALREADY_DONE, f"released before it was created: {terms.tombstone}")
        return terms

    def _open(self, job: str) -> Job:
        """The terms of a job that has not ended."""
        terms = self._terms(job)
        end = self.get(End, records.end_key(job))
        if end:
            raise ContractError(Code.ALREADY_DONE, "the job is paid" if end.paid else f"released: {end.why}")
        return terms

    def _assignment(self, job: str) -> Assignment:
        """Written with the job, so it is there."""
        return Assignment.load(self.stub.get(records.assignment_key(job)) or "")
