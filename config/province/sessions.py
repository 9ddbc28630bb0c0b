"""Sessions of the database that write a province: without the triggers and foreign keys that guard single rows.

A small province is written through the one connection of the command, a large one by several at the same time.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from django.db import connection

_UNGUARDED = """
SET session_replication_role = replica; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
SET lock_timeout = 0; SET work_mem = '512MB'; SET maintenance_work_mem = '512MB'
"""
_GUARDED = """
SET session_replication_role = origin; RESET statement_timeout; RESET idle_in_transaction_session_timeout;
RESET lock_timeout; RESET work_mem; RESET maintenance_work_mem
"""
Job = Callable[[object], None]


@contextmanager
def unguarded() -> Iterator:
    """A cursor of the command's own connection."""
    with connection.cursor() as cursor:
        cursor.execute(_UNGUARDED)
        yield cursor
        cursor.execute(_GUARDED)


@contextmanager
def another() -> Iterator:
    """A cursor of a connection of its own; sees only what was committed."""
    session = connection.copy()
    try:
        with session.cursor() as cursor:
            cursor.execute(_UNGUARDED)
            yield cursor
    finally:
        session.close()


def side_by_side(jobs: list[Job], large: bool) -> None:
    """Run the jobs, each in a connection of its own where the province is large; otherwise one after the other."""
    if not large:
        with connection.cursor() as cursor:
            for job in jobs:
                job(cursor)
        return

    def run(job: Job) -> None:
        with another() as cursor:
            job(cursor)

    with ThreadPoolExecutor(len(jobs)) as threads:
        for done in [threads.submit(run, job) for job in jobs]:
            done.result()
