"""The yardstick as a website of its own."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
