"""How often the long tests repeat themselves, and the figures they leave for docs/gate.md (trust.md 4.9).

`make test` runs the short tier. `python manage.py gate` runs the same tests with more repetitions and writes what they
counted. A test asks `times(20, 2000)` for its number, counts inside `figure("races")`, and fails as every test does.
"""

import contextlib
import json
import os
import time
from dataclasses import dataclass

LONG = os.environ.get("CPE_TIER") == "long"


def times(short: int, long: int) -> int:
    """Repetitions in this tier."""
    return long if LONG else short


@dataclass
class Figure:
    """What one test tried, and how much of it went wrong (a wrong cell, a leak, a lost action, an answer of 500)."""

    name: str
    tried: int = 0
    failed: int = 0


@contextlib.contextmanager
def figure(name: str):
    """Count under a name of the gate; several tests may share it. Written also where the test fails, as a failure."""
    counting, started = Figure(name), time.monotonic()
    try:
        yield counting
    except BaseException:
        counting.failed = max(counting.failed, 1)
        raise
    finally:
        path = os.environ.get("CPE_FIGURES")
        if path:
            line = {
                "name": name,
                "tried": counting.tried,
                "failed": counting.failed,
                "seconds": time.monotonic() - started,
            }
            with open(
                path, "a", encoding="utf-8"
            ) as file:  # one short line is written whole, also by two workers
                file.write(json.dumps(line) + "\n")
