"""The states of a job and the moves between them. Knows no Django.

    submitted ─▶ assigned ─▶ recorded ─▶ queued ─▶ running ─▶ succeeded | failed | timed_out
        ▲                        └──────────┴─────────┤
        └────── next attempt: the machine is gone, or it was its own fault; at most 3, then lost

Cancelled is reached from every state that is not an end; `settled` is a flag beside the state.
"""

from enum import StrEnum


class State(StrEnum):
    SUBMITTED = "submitted"  #: accepted; no machine yet
    ASSIGNED = "assigned"  #: has a machine; its hold is not yet known to be on the ledger
    RECORDED = "recorded"  #: the hold is on the ledger; may be sent
    QUEUED = "queued"  #: is in the machine's queue
    RUNNING = "running"  #: the machine said that it started
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    LOST = "lost"


AT_MACHINE = frozenset({State.RECORDED, State.QUEUED, State.RUNNING})
"""The machine may have it: these count against its queue, and a report about them is taken."""

PLACED = AT_MACHINE | {State.ASSIGNED}
UNDER_WAY = PLACED | {State.SUBMITTED}
ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.TIMED_OUT, State.CANCELLED, State.LOST})

MOVES: dict[State, frozenset[State]] = {
    State.SUBMITTED: frozenset({State.ASSIGNED, State.CANCELLED}),
    State.ASSIGNED: frozenset({State.RECORDED, State.CANCELLED}),
    # A machine can be quicker than our own note that the job was sent to it.
    State.RECORDED: frozenset({State.QUEUED, State.RUNNING, State.SUBMITTED}) | ENDED,
    State.QUEUED: frozenset({State.RUNNING, State.SUBMITTED}) | ENDED,
    State.RUNNING: frozenset({State.SUBMITTED}) | ENDED,
}
