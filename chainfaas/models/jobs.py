"""Jobs: one call of a function each. The row is the truth about the job, the ledger about the money."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone

from chainfaas.models.functions import Function, Terms
from chainfaas.models.machines import Machine
from chainfaas.models.states import ENDED, State
from chainfaas.models.users import User, new_id
from tasks import names


class Job(Terms):
    """One call, through all its attempts."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    function = models.ForeignKey(Function, models.SET_NULL, null=True, related_name="jobs")
    function_name = models.CharField(max_length=81)  # owner/name, kept when the function is gone
    developer = models.ForeignKey(User, models.PROTECT, related_name="jobs")  # pays
    caller = models.ForeignKey(User, models.SET_NULL, null=True, related_name="calls")  # None: anonymous

    state = models.CharField(max_length=10, choices=[(s, s) for s in State], default=State.SUBMITTED)
    settled = models.BooleanField(default=False)
    attempt = models.PositiveIntegerField(default=0)
    machine = models.ForeignKey(Machine, models.PROTECT, null=True, related_name="jobs")
    rate = models.PositiveIntegerField(default=0)  # the machine's, when this attempt was assigned
    problem = models.CharField(max_length=40, blank=True)  # slug of what went wrong
    detail = models.CharField(max_length=500, blank=True)  # the same for people
    cancel_requested_at = models.DateTimeField(null=True)

    created_at = models.DateTimeField(default=timezone.now)
    moved_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)  # when we saw this attempt's `started`
    finished_at = models.DateTimeField(null=True)
    paid_at = models.DateTimeField(null=True)

    # What the machine told of this attempt, and what we saw of it, in milliseconds.
    prepared_ms = models.FloatField(null=True)
    pull_ms = models.FloatField(null=True)
    run_ms = models.PositiveIntegerField(null=True)
    wall_ms = models.PositiveIntegerField(null=True)  # ours: from `started` to `result`
    exit_code = models.PositiveSmallIntegerField(null=True)
    result_sha256 = models.CharField(max_length=64, blank=True)
    signature = models.CharField(max_length=256, blank=True)

    billed_ms = models.PositiveIntegerField(null=True)
    cost = models.PositiveBigIntegerField(null=True)
    confirmed_at = models.DateTimeField(
        null=True
    )  # confirmed without a receipt: the machine's time is awaited
    created_tx = models.CharField(max_length=64, blank=True)
    received_tx = models.CharField(max_length=64, blank=True)
    time_tx = models.CharField(max_length=64, blank=True)
    settled_tx = models.CharField(max_length=64, blank=True)

    idempotency_key = models.CharField(max_length=255, null=True)  # noqa: DJ001 - null is never equal to null
    body_sha256 = models.CharField(max_length=64)
    result_key = models.CharField(max_length=64, blank=True)  # SHA-256 of an anonymous caller's secret

    class Meta:
        db_table = "job"
        constraints = [
            models.UniqueConstraint(
                fields=["caller", "idempotency_key"], name="idempotency_key_once_a_caller"
            ),
            models.CheckConstraint(
                condition=models.Q(settled=False) | models.Q(state__in=ENDED),
                name="settled_only_after_the_end",
            ),
        ]
        indexes = [
            models.Index(
                fields=["state", "moved_at"],
                name="job_unsettled",
                condition=models.Q(settled=False),
            ),
            models.Index(
                fields=["created_at"],
                name="job_with_key",
                condition=models.Q(idempotency_key__isnull=False),
            ),
            models.Index(fields=["paid_at"], name="job_paid"),
            models.Index(fields=["machine", "state"], name="job_of_machine"),
            models.Index(fields=["developer", "-id"], name="job_of_developer"),
            models.Index(fields=["caller", "-id"], name="job_of_caller"),
        ]

    @property
    def key(self) -> str:
        """The job's id as the ledger and the wire have it."""
        return str(self.id)

    @property
    def task_id(self) -> str:
        return names.task_id(self.key, self.attempt)

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def timings(self) -> dict[str, float | None]:
        """T_prc, T_prv, T_cmp, T_rsp and T_bil in milliseconds, each from one machine's clock.

        prc, prv, rsp and bil are the controller's; cmp is the machine's. What the machine spent between
        having the task and starting it (its own clock) is taken off prv to get prc.
        """
        prv = _ms(self.created_at, self.started_at)
        prc = None if prv is None or self.prepared_ms is None else max(0.0, prv - self.prepared_ms)
        cmp = None if self.run_ms is None else (self.pull_ms or 0.0) + self.run_ms
        return {
            "t_prc_ms": _rounded(prc),
            "t_prv_ms": _rounded(prv),
            "t_cmp_ms": _rounded(cmp),
            "t_rsp_ms": _rounded(_ms(self.created_at, self.finished_at)),
            "t_bil_ms": _rounded(_ms(self.finished_at, self.paid_at)),
        }


class Move(models.Model):
    """A line of a job's timeline."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="timeline")
    state = models.CharField(max_length=10, choices=[(s, s) for s in State])
    attempt = models.PositiveIntegerField()
    machine = models.ForeignKey(Machine, models.PROTECT, null=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "job_move"
        ordering = ["id"]


class JobInput(models.Model):
    """A request's body, kept while the job may be sent. Apart from the job, so that lists stay light."""

    job = models.OneToOneField(Job, models.CASCADE, primary_key=True, related_name="input")
    body = models.BinaryField()

    class Meta:
        db_table = "job_input"


class JobOutput(models.Model):
    """What the function wrote."""

    job = models.OneToOneField(Job, models.CASCADE, primary_key=True, related_name="output")
    body = models.BinaryField()
    log = models.BinaryField()

    class Meta:
        db_table = "job_output"


def _ms(start: Any, end: Any) -> float | None:
    return None if start is None or end is None else (end - start).total_seconds() * 1000


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
