"""Which year hours belong to: always the calendar year in Asia/Shanghai (trust.md §3.15)."""

import datetime

from django.conf import settings
from django.utils import timezone


def today() -> datetime.date:
    """The day it is in Asia/Shanghai (settings.TIME_ZONE)."""
    return timezone.localdate()


def current_year() -> int:
    return today().year


def declarable_years() -> list[int]:
    """Years that may be declared, newest first; earlier ones are imported (F-106)."""
    return list(range(current_year(), settings.FIRST_DECLARABLE_YEAR - 1, -1))
