"""Reading from a streaming replica (DATABASE_REPLICA_URL): dashboards, statistics and exports, never what decides.

`read(function, …)` runs one function on the replica, `@reads_from_replica` a whole view, `reading()` a long read that
the caller repeats itself. Inside, the ORM reads the replica in one transaction that sees one moment; raw SQL asks
`connection()`. Nothing may be written there, with a replica or without one: WrittenWhileReading. Who acts was read
from the primary before, and rows of `accounts` are read from it always; `primary()` steps back to it for a while.

Without a replica, with one that does not answer or cannot say how old its data are, everything reads the primary, and
the replica is asked again half a minute later. A browser that has just written reads the primary until the replica has
replayed that write: its position in the log travels in a cookie (ReplicaMiddleware).
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import wraps

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from accounts import replica_age
from accounts.replica_age import REPLICA, AsOf

COOKIE = "wrote"
COOKIE_SECONDS = 60 * 60
READS = re.compile(
    r"[\s(]*(SELECT|WITH|VALUES|TABLE|SHOW|EXPLAIN|DECLARE|FETCH|CLOSE|SAVEPOINT|RELEASE|ROLLBACK|SET LOCAL)\b",
    re.IGNORECASE,
)


class WrittenWhileReading(Exception):
    """Something was to be written inside a read: a fault of the program, found with and without a replica."""


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
    found = replica_age.look(reads.after)
    if found:
        shown_before = reads.as_of
        _note(reads, found)
        try:
            with _reading(REPLICA), transaction.atomic(using=REPLICA):
                return function(*args, **kwargs)
        except (DatabaseError, InterfaceError) as error:
            replica_age.judge(error)
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
    found = replica_age.look(after) if use else None
    alias = REPLICA if found else DEFAULT_DB_ALIAS
    try:
        with _reading(alias), transaction.atomic(using=alias):
            yield replica_age.worth_telling(found) if found else None
    except (DatabaseError, InterfaceError) as error:
        if found:
            replica_age.judge(error)
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


def _note(reads: Reads, found: AsOf) -> None:
    told = replica_age.worth_telling(found)
    if told and (reads.as_of is None or told.moment < reads.as_of.moment):
        reads.as_of = told


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
