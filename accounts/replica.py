"""Reading from a streaming replica (DATABASE_REPLICA_URL): dashboards, statistics and exports, never what decides.

`read(function, …)` runs one function on the replica, `@reads_from_replica` a whole view, `reading()` a long read that
the caller repeats itself. Inside, the ORM reads the replica in one transaction that sees one moment; raw SQL asks
`connection()`. Nothing may be written there, with a replica or without one: WrittenWhileReading. Who acts was read
from the primary before, and rows of `accounts` are read from it always; `primary()` steps back to it for a while.

Without a replica, with one that does not answer or cannot say how old its data are, everything reads the primary, and
the replica is asked again half a minute later. A browser that has just written reads the primary until the replica has
replayed that write: its position in the log travels in a cookie (ReplicaMiddleware).

How old: the replica holds everything up to the log position it has replayed. When that is the primary's own position,
the data are of this moment; else of the commit replayed last, or of the moment when the primary was seen to be at that
position, whichever is later. (The time since the last commit alone would call every quiet night a lag.)
"""

import contextlib
import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import wraps

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

logger = logging.getLogger(__name__)

REPLICA = "replica"
COOKIE = "wrote"
COOKIE_SECONDS = 60 * 60
TOO_SLOW = "57014"  # a statement ran into its time limit; on the primary it would do so again
READS = re.compile(
    r"[\s(]*(SELECT|WITH|VALUES|TABLE|SHOW|EXPLAIN|DECLARE|FETCH|CLOSE|SAVEPOINT|RELEASE|ROLLBACK|SET LOCAL)\b",
    re.IGNORECASE,
)
# Numbers, since positions are compared: bytes from the beginning of the log.
_AT_PRIMARY = """SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint, clock_timestamp(),
                        (SELECT system_identifier FROM pg_control_system())"""
_AT_REPLICA = """SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint, pg_last_xact_replay_timestamp(),
                        (SELECT system_identifier FROM pg_control_system()), pg_is_in_recovery()"""


class WrittenWhileReading(Exception):
    """Something was to be written inside a read: a fault of the program, found with and without a replica."""


@dataclass(frozen=True)
class AsOf:
    """The moment whose state a page shows, and how many seconds ago that was."""

    moment: datetime
    seconds: float

    def __str__(self) -> str:
        at = timezone.localtime(self.moment)
        day = "" if at.date() == timezone.localdate() else f"{at.month} 月 {at.day} 日 "
        minutes = max(1, round(self.seconds / 60))
        ago = f"{minutes} 分钟" if minutes < 120 else f"{round(minutes / 60)} 小时"
        return f"数据截至 {day}{at:%H:%M}，约 {ago}前"


class Reads:
    """What one request knows of its reads: `after` is the log position of its browser's last write, `as_of` the
    oldest data it shows, None when they are of this minute (`request.reads.as_of`, for components/lag.html)."""

    def __init__(self, after: int = 0):
        self.after, self.as_of = after, None


_alias: ContextVar[str] = ContextVar("replica_alias", default="")  # where reads go; "" outside of a read
_request: ContextVar[Reads | None] = ContextVar("replica_request", default=None)


# --- for views and jobs ---------------------------------------------------------------------------------


def read(function: Callable, *args, **kwargs):
    """Call `function` on the replica; when that fails, or there is none, on the primary. It may run twice."""
    if _alias.get():
        return function(*args, **kwargs)
    reads = _request.get() or Reads()
    found = _look(reads.after)
    if found:
        shown_before = reads.as_of
        _note(reads, found)
        try:
            with _reading(REPLICA), transaction.atomic(using=REPLICA):
                return function(*args, **kwargs)
        except (DatabaseError, InterfaceError) as error:
            _judge(error)
            reads.as_of = shown_before
    with _reading(DEFAULT_DB_ALIAS):
        return function(*args, **kwargs)


def reads_from_replica(view: Callable) -> Callable:
    """A view that only reads: GET and HEAD alone, and run again on the primary when the replica fails on the way."""

    @require_safe
    @wraps(view)
    def reader(request: HttpRequest, *args, **kwargs) -> HttpResponse:
        return read(view, request, *args, **kwargs)

    return reader


@contextlib.contextmanager
def reading(after: int = 0, use: bool = True) -> Iterator[AsOf | None]:
    """One long read in one transaction; yields how old its data are, None for this minute.

    `after`: a position that the replica must have reached. What fails on the way is raised: the caller begins anew,
    with `use=False` on the primary.
    """
    found = _look(after) if use else None
    alias = REPLICA if found else DEFAULT_DB_ALIAS
    try:
        with _reading(alias), transaction.atomic(using=alias):
            yield _worth_telling(found) if found else None
    except (DatabaseError, InterfaceError) as error:
        if found:
            _judge(error)
        raise


@contextlib.contextmanager
def primary() -> Iterator[None]:
    """Inside a read, what must be of this very moment."""
    token = _alias.set("")
    try:
        yield
    finally:
        _alias.reset(token)


def alias() -> str:
    """The database that is read now."""
    return _alias.get() or DEFAULT_DB_ALIAS


def connection():
    """The connection for raw SQL inside a read."""
    return connections[alias()]


def position() -> int:
    """The primary's log position now, for `after`: a replica that has reached it knows all that is committed.

    0 without a replica.
    """
    if REPLICA not in settings.DATABASES:
        return 0
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        # Not the flushed one: with synchronous_commit off a commit may stand beyond it.
        cursor.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
        return cursor.fetchone()[0]


class ReplicaMiddleware:
    """Gives each request its `reads`, and tells the browser after a write how far the replica must be."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        wrote = request.COOKIES.get(COOKIE, "")
        request.reads = Reads(int(wrote) if re.fullmatch(r"[0-9]{1,18}", wrote) else 0)
        token = _request.set(request.reads)
        try:
            response = self.get_response(request)
            if request.method not in ("GET", "HEAD") and REPLICA in settings.DATABASES:
                with contextlib.suppress(DatabaseError):
                    _remember(response)
        finally:
            _request.reset(token)
        return response


def _remember(response: HttpResponse) -> None:
    response.set_cookie(
        COOKIE,
        str(position()),
        max_age=COOKIE_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


# --- where a query goes ---------------------------------------------------------------------------------


class Router:
    """Everything to the primary, but for what is read inside a read."""

    def db_for_read(self, model, **hints) -> str:
        return DEFAULT_DB_ALIAS if model._meta.app_label == "accounts" else alias()

    def db_for_write(self, model, **hints) -> str:
        # Always said: Django would otherwise write a row back to where it was read from.
        if _alias.get():
            raise WrittenWhileReading(model._meta.label)
        return DEFAULT_DB_ALIAS

    def allow_relation(self, one, other, **hints) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, **hints) -> bool | None:
        return False if db == REPLICA else None


@contextlib.contextmanager
def _reading(where: str) -> Iterator[None]:
    token = _alias.set(where)
    try:
        # The replica itself refuses to be written to.
        with connections[DEFAULT_DB_ALIAS].execute_wrapper(_only_reads):
            yield
    finally:
        _alias.reset(token)


def _only_reads(execute, sql, params, many, context):
    if _alias.get() and not READS.match(str(sql)):
        raise WrittenWhileReading(str(sql).split(maxsplit=1)[0])
    return execute(sql, params, many, context)


# --- is it there, and how old are its data ----------------------------------------------------------------


class _Pause:
    """After a failure nobody asks the replica for a while; then one asks, and the others wait for how that ends."""

    def __init__(self):
        self.until, self.lock = 0.0, threading.Lock()

    def is_over(self) -> bool:
        with self.lock:
            now = time.monotonic()
            if now < self.until:
                return False
            if self.until:
                self.until = now + settings.REPLICA_PAUSE
            return True

    def begin(self) -> None:
        with self.lock:
            self.until = time.monotonic() + settings.REPLICA_PAUSE

    def end(self) -> None:
        self.until = 0.0


_pause = _Pause()
_seen: deque[tuple[int, datetime]] = deque(maxlen=120)  # positions of the primary and when it had them


def forget() -> None:
    """Begin as a new process does."""
    _pause.end()
    _seen.clear()


def _look(after: int) -> AsOf | None:
    """How old the replica's data are; None when it is not to be used now."""
    if REPLICA not in settings.DATABASES or not _pause.is_over():
        return None
    head, now, system = _ask(DEFAULT_DB_ALIAS, _AT_PRIMARY)
    try:
        replayed, committed, its_system, follows = _ask(REPLICA, _AT_REPLICA)
    except (DatabaseError, InterfaceError) as error:
        _give_up(type(error.__cause__ or error).__name__)
        return None
    if not follows or system != its_system:
        _give_up("it is no replica of this primary")
        return None
    _pause.end()
    if not _seen or (now - _seen[-1][1]).total_seconds() >= 1:
        _seen.append((head, now))
    if replayed < after:
        return None
    if replayed >= head:
        return AsOf(now, 0.0)
    known = [at for position, at in _seen.copy() if position <= replayed]
    known += [committed] if committed else []
    if not known:
        return None
    return AsOf(max(known), max(0.0, (now - max(known)).total_seconds()))


def _ask(where: str, sql: str) -> tuple:
    # Asked before the transaction that reads: that one then sees at least this much.
    with connections[where].cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()


def _worth_telling(found: AsOf) -> AsOf | None:
    return found if found.seconds > settings.REPLICA_TELL_AFTER else None


def _note(reads: Reads, found: AsOf) -> None:
    told = _worth_telling(found)
    if told and (reads.as_of is None or told.moment < reads.as_of.moment):
        reads.as_of = told


def _judge(error: Exception) -> None:
    """Raise what the primary would do no better; begin a pause when the replica is gone. A read that was cancelled
    because it stood in the way of the log is repeated on the primary."""
    state = getattr(error.__cause__, "sqlstate", None)
    if state == TOO_SLOW:
        raise error
    if state is None or state.startswith(("08", "57", "58", "53")):
        _give_up(type(error.__cause__ or error).__name__)


def _give_up(why: str) -> None:
    logger.warning("the replica is not used for %s seconds: %s", settings.REPLICA_PAUSE, why)
    _pause.begin()
    with contextlib.suppress(DatabaseError, InterfaceError):
        connections[REPLICA].close()
