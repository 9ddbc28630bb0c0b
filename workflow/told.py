"""The one place where a refusal becomes a message on a page."""

from contextlib import contextmanager
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest

from accounts.refused import Refused


@dataclass
class Outcome:
    """What a verb came to; a view that must show the page again after a refusal reads it."""

    refused: bool = False


@contextmanager
def told(request: HttpRequest, success: str):
    """Run one verb; say `success` when it went through, or the Refused sentence when a rule said no."""
    outcome = Outcome()
    try:
        yield outcome
    except Refused as refusal:
        outcome.refused = True
        messages.error(request, str(refusal))
    else:
        messages.success(request, success)
