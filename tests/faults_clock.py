"""config.wsgi on a machine whose clock can be set: the file named by CPE_CLOCK holds by how many seconds it is wrong.

Only the website's own clock: the database keeps the right time, as a server of its own would.
"""

import datetime
import os
import time
from pathlib import Path

from django.utils import timezone

_file, _right = Path(os.environ["CPE_CLOCK"]), time.time


def _wrong() -> float:
    return _right() + float(_file.read_text())


def _now() -> datetime.datetime:
    return datetime.datetime.fromtimestamp(_wrong(), datetime.UTC)


time.time, timezone.now = _wrong, _now  # before any model takes its default from there

from config.wsgi import application  # noqa: E402

__all__ = ["application"]
