"""The controller's Celery result signal triggers the ledger's confirm-received transaction.

Celery swallows what a receiver raises, and a process can die before it: this is speed. The guarantee is the
sweeper, which settles every ended job whose hold is still open.
"""

from __future__ import annotations

from typing import Any

from celery.signals import task_success

from chainfaas import dispatch
from tasks import names


@task_success.connect
def result_recorded(sender: Any, result: Any, **_: Any) -> None:
    """`record_result` returned a job's id: that job ended just now."""
    # The signal fires for every app of the process, so the task is known by its name.
    if sender.name == names.RECORD_RESULT and result is not None:
        dispatch.confirm_received(result)
