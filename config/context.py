"""What every page shows: the platform's name, the menu of the current role, who is logged in."""

from django.conf import settings
from django.http import HttpRequest


def page(request: HttpRequest) -> dict:
    return {"site": settings.SITE, "nav": [], "actor": getattr(request, "actor", None)}
