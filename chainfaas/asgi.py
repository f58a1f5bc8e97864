"""The ASGI application: `uvicorn chainfaas.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chainfaas.settings")

application = get_asgi_application()
