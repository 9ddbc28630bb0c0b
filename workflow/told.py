"""The one place where a refusal becomes a message on a page."""

from contextlib import contextmanager

from django.contrib import messages
from django.http import HttpRequest

from accounts.refused import Refused


@contextmanager
def told(request: HttpRequest, success: str):
    """Run one verb; say `success` when it went through, or the Refused sentence when a rule said no."""
    try:
        yield
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, success)
