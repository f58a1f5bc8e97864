"""The one way in which a job changes its state: a conditional update and a line of its timeline."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from chainfaas.models import Job, JobInput, Move, State
from chainfaas.models.states import ENDED, MOVES

log = structlog.get_logger()


def move(job: Job, sources: Iterable[State], target: State, **fields: Any) -> bool:
    """Move the job's row if it still stands in one of `sources`, in the attempt that `job` has.

    True: the row moved, and `job` is as it stands now. False: somebody else moved it first; nothing changed.
    A table of the allowed moves is in models/states.py; asking for another is a bug.
    """
    states = [state for state in sources if target in MOVES[state]]
    assert states, f"no move leads from {sources} to {target}"  # noqa: S101
    now = timezone.now()
    fields |= {"state": target, "moved_at": now}
    if target in ENDED:
        fields.setdefault("finished_at", now)
    with transaction.atomic(savepoint=False):  # within another, it is one with that
        rows = Job.objects.filter(id=job.id, state__in=states, attempt=job.attempt).update(**fields)
        if not rows:
            return False
        for name, value in fields.items():
            setattr(job, name, value)
        Move.objects.create(
            job_id=job.id, state=target, attempt=job.attempt, machine_id=job.machine_id, at=fields["moved_at"]
        )
        if target in ENDED:
            JobInput.objects.filter(job_id=job.id).delete()  # it will not be sent again
    log.info("job.moved", job=job.key, state=target.value, attempt=job.attempt, machine=job.machine_id)
    return True
