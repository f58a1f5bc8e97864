"""The Django application of the controller."""

from django.apps import AppConfig


class ChainFaaS(AppConfig):
    name = "chainfaas"
    label = "chainfaas"

    def ready(self) -> None:
        from chainfaas import celery, checks  # noqa: F401 - the current Celery app, for shared tasks; checks
        from chainfaas.jobs import signals, tasks  # noqa: F401 - the receivers and task bodies of this process
