"""Whether the replica is there, follows this primary, and how old its data are (used by accounts/replica.py alone).

The replica holds everything up to the log position it has replayed. When that is the primary's own position, the data
are of this moment; else of the commit replayed last, or of the moment when the primary was seen to be at that
position, whichever is later. (The time since the last commit alone would call every quiet night a lag.)
"""

import contextlib
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections
from django.utils import timezone

logger = logging.getLogger(__name__)

REPLICA = "replica"
TOO_SLOW = "57014"  # a statement ran into its time limit; on the primary it would do so again
# Numbers, since positions are compared: bytes from the beginning of the log.
_AT_PRIMARY = """SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint, clock_timestamp(),
                        (SELECT system_identifier FROM pg_control_system())"""
_AT_REPLICA = """SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint, pg_last_xact_replay_timestamp(),
                        (SELECT system_identifier FROM pg_control_system()), pg_is_in_recovery()"""


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


PAUSE = _Pause()
SEEN: deque[tuple[int, datetime]] = deque(maxlen=120)  # positions of the primary and when it had them


def forget() -> None:
    """Begin as a new process does."""
    PAUSE.end()
    SEEN.clear()


def look(after: int) -> AsOf | None:
    """How old the replica's data are; None when it is not to be used now."""
    if REPLICA not in settings.DATABASES or not PAUSE.is_over():
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
    PAUSE.end()
    if not SEEN or (now - SEEN[-1][1]).total_seconds() >= 1:
        SEEN.append((head, now))
    if replayed < after:
        return None
    if replayed >= head:
        return AsOf(now, 0.0)
    known = [at for position, at in SEEN.copy() if position <= replayed]
    known += [committed] if committed else []
    if not known:
        return None
    return AsOf(max(known), max(0.0, (now - max(known)).total_seconds()))


def _ask(where: str, sql: str) -> tuple:
    # Asked before the transaction that reads: that one then sees at least this much.
    with connections[where].cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()


def worth_telling(found: AsOf) -> AsOf | None:
    return found if found.seconds > settings.REPLICA_TELL_AFTER else None


def judge(error: Exception) -> None:
    """Raise what the primary would do no better; begin a pause when the replica is gone. A read that was cancelled
    because it stood in the way of the log is repeated on the primary."""
    state = getattr(error.__cause__, "sqlstate", None)
    if state == TOO_SLOW:
        raise error
    if state is None or state.startswith(("08", "57", "58", "53")):
        _give_up(type(error.__cause__ or error).__name__)


def _give_up(why: str) -> None:
    logger.warning("the replica is not used for %s seconds: %s", settings.REPLICA_PAUSE, why)
    PAUSE.begin()
    with contextlib.suppress(DatabaseError, InterfaceError):
        connections[REPLICA].close()
