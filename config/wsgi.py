"""The application for a WSGI server: `gunicorn -c python:config.gunicorn config.wsgi`. Needs DATABASE_URL."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
