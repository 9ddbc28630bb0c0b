"""Django's migrate, one at a time, and never in the way of those who work.

A session lock of the database lets one process migrate; another waits for it, then finds nothing left to do. A table
that is in use is waited for three seconds only: who waits longer makes everybody else queue up behind.

At its end the rights of the website's own role are set anew (deploy/grants.sql), if the roles of roles.sql are used.

A session lock needs a session: DATABASE_URL must name the server itself, not PgBouncer in transaction mode.
"""

import contextlib
import time

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from psycopg.errors import LockNotAvailable

LOCK = 0x6370_6501  # "cpe" and a number: the same in every release, or two releases would not see each other
LOCK_TIMEOUT = "3s"
WAIT_SECONDS = 60
GRANTS = settings.BASE_DIR / "deploy" / "grants.sql"


class Command(migrate.Command):
    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument(
            "--wait", type=int, default=WAIT_SECONDS, help="另一个进程正在迁移时最多等待的秒数（默认 60）"
        )

    def handle(self, *args, wait, **options):
        if options["plan"] or options["check_unapplied"]:
            super().handle(*args, **options)
            return
        connection = connections[options["database"]]
        with self.alone(connection, wait), patient(connection):
            try:
                super().handle(*args, **options)
                tighten(connection)
            except OperationalError as error:
                if isinstance(error.__cause__, LockNotAvailable):
                    raise CommandError(
                        f"有一张表正在使用，等了 {LOCK_TIMEOUT[:-1]} 秒没有等到，这一步迁移没有执行。"
                        "网站照常可用。请过几分钟再运行一次 migrate；已完成的步骤不会重做。"
                    ) from error
                raise

    @contextlib.contextmanager
    def alone(self, connection, wait: int):
        """Hold the lock on a connection of its own, which no migration closes. Raises CommandError."""
        holder = connection.copy()
        try:
            with holder.cursor() as cursor:
                # Between the tries nothing is open: a transaction would hold up CREATE INDEX CONCURRENTLY.
                deadline, told = time.monotonic() + wait, False
                while not _got(cursor):
                    if time.monotonic() >= deadline:
                        raise CommandError(
                            f"另一个进程正在迁移数据库，等了 {wait} 秒还没有结束。请等它结束后再运行一次 migrate。"
                        )
                    if not told:
                        self.stderr.write(f"另一个进程正在迁移数据库，最多等待 {wait} 秒……")
                        told = True
                    time.sleep(0.2)
                yield
        finally:
            holder.close()  # and with it the lock


def tighten(connection) -> None:
    """Where the roles of deploy/roles.sql are used, give them what they need on new tables and nothing more."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user = 'cpe_owner' AND"
            " (SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('cpe_app', 'cpe_readonly'))"
        )
        if cursor.fetchone() == (True,):
            cursor.execute(GRANTS.read_text(encoding="utf-8"))


def _got(cursor) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
    return cursor.fetchone()[0]


@contextlib.contextmanager
def patient(connection):
    """Long statements may take their time here, waiting for a lock may not."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        cursor.execute("SET statement_timeout = 0")
    try:
        yield
    finally:
        if connection.connection and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout")
                cursor.execute("RESET statement_timeout")
