"""The Django application of the controller."""

from django.apps import AppConfig


class ChainFaaS(AppConfig):
    name = "chainfaas"
    label = "chainfaas"

    def ready(self) -> None:
        from chainfaas import celery  # noqa: F401 - makes the Celery app current, so that shared tasks find it
        from chainfaas.jobs import signals, tasks  # noqa: F401 - the receivers and task bodies of this process
