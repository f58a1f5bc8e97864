"""What may be read, by whom. Pages and API read through here; another tenant's thing is NotFound."""

from __future__ import annotations

import hashlib
from hmac import compare_digest
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet, Sum

from chainfaas.errors import NotFound
from chainfaas.models import Function, Job, Machine, State, User
from chainfaas.models.states import UNDER_WAY


def functions_of(user: User) -> QuerySet[Function]:
    """A developer's functions, by name."""
    return Function.objects.filter(owner=user).select_related("owner").order_by("name")


def function(user: User | None, owner: str, name: str, *, to_call: bool = False) -> Function:
    """A function that the user owns, or with `to_call`, may call."""
    found = Function.objects.filter(owner__username=owner, name=name).select_related("owner").first()
    if found is None or not (found.owner == user or (to_call and found.public)):
        raise NotFound(f"There is no function {owner}/{name}, or it is not yours.")
    return found


def jobs_of(user: User) -> QuerySet[Job]:
    """Jobs that the user called or pays for, newest first."""
    mine = Q(developer=user) | Q(caller=user)
    return Job.objects.filter(mine).select_related("machine", "developer").order_by("-id")


def job(user: User | None, id: str | UUID, *, result_key: str = "") -> Job:
    """A job that the user called or pays for; staff see all. An anonymous caller has the key that came with
    the answer."""
    found = _job(id)
    if found is not None:
        if user is not None and (user.is_staff or user.id in (found.developer_id, found.caller_id)):
            return found
        digest = hashlib.sha256(result_key.encode("utf-8", "surrogatepass")).hexdigest()
        if result_key and found.result_key and compare_digest(digest, found.result_key):
            return found
    raise NotFound(f"There is no job {id}, or it is not yours.")


def ledger_job(user: User, id: str | UUID) -> Job:
    """A job whose ledger record the user may read: its parties, the peers who check the ledger, staff."""
    found = _job(id)
    if found is not None:
        parties = {found.developer_id, found.caller_id, found.machine and found.machine.owner_id}
        if user.id in parties or user.is_staff or user.has_role("peer"):
            return found
    raise NotFound(f"There is no job {id}, or it is not yours.")


def machines_of(user: User) -> QuerySet[Machine]:
    """A provider's machines that have not left, by name."""
    return Machine.objects.filter(owner=user, left_at=None).order_by("name")


def machine(user: User, id: str) -> Machine:
    """A machine that the user lends."""
    found = machines_of(user).filter(id=id).first()
    if found is None:
        raise NotFound(f"There is no machine {id}, or it is not yours.")
    return found


def machine_figures(machine: Machine) -> dict[str, int]:
    """What a machine does and did: jobs under way, jobs done, micro-units earned."""
    jobs = Job.objects.filter(machine=machine)
    return {
        "under_way": jobs.filter(state__in=UNDER_WAY).count(),
        "done": jobs.filter(state__in=(State.SUCCEEDED, State.FAILED, State.TIMED_OUT)).count(),
        "earned": jobs.filter(settled=True).aggregate(sum=Sum("cost"))["sum"] or 0,
    }


def timeline(job: Job) -> list[dict[str, Any]]:
    """Every state that the job had, in order."""
    return [
        {"state": move.state, "attempt": move.attempt, "at": move.at} for move in job.timeline.order_by("id")
    ]


def _job(id: str | UUID) -> Job | None:
    try:
        return Job.objects.select_related("machine", "developer", "function", "caller").filter(id=id).first()
    except (ValidationError, ValueError):
        return None
