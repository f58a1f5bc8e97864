"""Names of the Celery tasks. Both sides send by name, so neither imports the other's code."""

RUN = "chainfaas.run"
"""Provider: run one attempt of a job. Argument: the text of a `messages.Run`."""

RECORD_RESULT = "chainfaas.record_result"
"""Controller: take in what a machine reported. Arguments: machine id, when it was seen, the text."""

CONFIRM_RECEIVED = "chainfaas.confirm_received"
"""Controller: have the ledger confirm a finished job and pay for it. Argument: job id."""

PLACE = "chainfaas.place"
"""Controller: find a machine for a submitted job. Argument: job id."""

SWEEP = "chainfaas.sweep"
"""Controller: finish or reassign whatever was left half-way. No argument."""


def task_id(job: str, attempt: int) -> str:
    """The Celery task id of one attempt: a worker discards a revoked id for good, so each has its own."""
    return f"{job}.{attempt}"
