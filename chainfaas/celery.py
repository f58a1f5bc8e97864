"""The controller's Celery app: `celery -A chainfaas worker -Q cf.controller`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chainfaas.settings")

app = Celery("chainfaas")
app.config_from_object("celeryconfig")
