"""The Celery app of a provider's own program, with settings for a broker user that may declare nothing."""

from __future__ import annotations

from celery import Celery

from worker import tasks  # noqa: F401 - registers the task
from worker.config import Config


def provider_app(config: Config) -> Celery:
    """One a process."""
    # No fixups: a DJANGO_SETTINGS_MODULE in the environment must not bring Django in.
    app = Celery("chainfaas-provider", broker=config.broker_url, fixups=[])
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_backend=None,
        task_ignore_result=True,
        task_create_missing_queues=False,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,  # needs rights on the exchanges of all
        worker_send_task_events=False,
        # Its answer would go to a connection that is gone; the result waits in the journal.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_heartbeat=10,
        broker_transport_options={"confirm_publish": True},
    )
    return app
