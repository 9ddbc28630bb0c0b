"""封存: once a day the log is sealed, one line per day, and the line is kept outside this machine.

Which events belong to a day's seal is decided when it is sealed, and stands in it as a range of ids: those written
before the first event of a later day. Nothing that is committed afterwards can fall into such a range, because the
sealing first waits until every transaction that might still write into it has ended; it blocks none of them. What is
written later with the time of a sealed day (a clock that was behind, records taken over) belongs to the next seal.
"""

import datetime
import time
from collections.abc import Iterable, Iterator
from hashlib import sha256

from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from workflow.chain import START, Broken, streamed
from workflow.models import DaySeal, Event

LOCK = 722261  # one sealing at a time
LOOK_EVERY = 0.1  # seconds


class StillWriting(Exception):
    """A transaction that writes events did not end in time. Nothing was sealed; the next run does it."""


def line(seal: DaySeal) -> str:
    """What is printed, and kept elsewhere: day, number of events, id of the last one, digest."""
    return f"{seal.day} {seal.count} {seal.last} {bytes(seal.digest).hex()}"


def seal_days(patience: float = 60) -> list[DaySeal]:
    """Seal every day that is over and not sealed yet; returns the new seals, none when there is nothing to do.

    Raises StillWriting after `patience` seconds.
    """
    yesterday = timezone.localdate() - datetime.timedelta(days=1)
    ceiling = Event.objects.aggregate(highest=Max("id"))["highest"] or 0
    _wait_for_writers(patience)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        before = DaySeal.objects.order_by("-day").first()
        new = []
        for day, last in _cuts(before, yesterday, ceiling):
            seal = DaySeal(day=day, after=before.last if before else 0, last=last)
            seal.count, events = _sum_up(_events(seal.after, seal.last))
            seal.digest = _digest(seal, seal.count, events, _digest_of(before))
            new.append(seal)
            before = seal
        return DaySeal.objects.bulk_create(new)


def _wait_for_writers(patience: float) -> None:
    """Until all transactions that hold the lock of a writer now have ended: no id up to here can still appear.

    An INSERT takes the table's lock before it takes an id and keeps it until its transaction ends.
    """
    deadline, waiting = time.monotonic() + patience, None
    while waiting is None or waiting:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT virtualtransaction FROM pg_locks
                 WHERE relation = 'workflow_event'::regclass AND mode = 'RowExclusiveLock' AND granted
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                   AND pid IS DISTINCT FROM pg_backend_pid()
                """
            )
            writing = {row[0] for row in cursor.fetchall()}
        waiting = writing if waiting is None else waiting & writing
        if waiting and time.monotonic() > deadline:
            raise StillWriting
        if waiting:
            time.sleep(LOOK_EVERY)


def _cuts(before: DaySeal | None, until: datetime.date, ceiling: int) -> list[tuple[datetime.date, int]]:
    """For each day to be sealed the id of its last event: the one before the first event of a later day."""
    after = before.last if before else 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (at AT TIME ZONE %s)::date AS day, min(id) FROM workflow_event
             WHERE id > %s AND id <= %s GROUP BY day ORDER BY day
            """,
            [timezone.get_default_timezone_name(), after, ceiling],
        )
        firsts = cursor.fetchall()
    if not before and not firsts:
        return []
    if before:
        day = before.day + datetime.timedelta(days=1)
    else:
        day = min(firsts, key=lambda pair: pair[1])[0]
    cuts, later = [], []
    highest = max(ceiling, after)
    for other, first in reversed(firsts):
        later.append((other, min(first, later[-1][1]) if later else first))
    while day <= until:
        while later and later[-1][0] <= day:
            later.pop()
        cuts.append((day, later[-1][1] - 1 if later else highest))
        day += datetime.timedelta(days=1)
    return cuts


def _events(after: int, last: int) -> Iterator[bytes]:
    """The digests of the events with `after` < id <= `last`, in order of their ids."""
    sql = "SELECT digest FROM workflow_event WHERE id > %s AND id <= %s ORDER BY id"
    return (bytes(digest) for (digest,) in streamed(sql, [after, last]))


def _sum_up(digests: Iterator[bytes]) -> tuple[int, bytes]:
    """How many, and a hash over them in this order, each with its length."""
    count, whole = 0, sha256()
    for one in digests:
        count += 1
        whole.update(len(one).to_bytes(8) + one)
    return count, whole.digest()


def _digest_of(seal: DaySeal | None) -> bytes:
    return bytes(seal.digest) if seal else START


def _digest(seal: DaySeal, count: int, events: bytes, previous: bytes) -> bytes:
    text = f"seal 1\n{seal.day}\n{seal.after}\n{seal.last}\n{count}\n{events.hex()}\n{previous.hex()}"
    return sha256(text.encode()).digest()


# --- whether they still hold ----------------------------------------------------------------------------


def broken_seals(first: datetime.date | None = None, last: datetime.date | None = None) -> Iterator[Broken]:
    """The seals, of these days or all, that do not fit the log or the seal before them."""
    before, today = None, timezone.localdate()
    for seal in DaySeal.objects.order_by("day").iterator():
        if (not first or seal.day >= first) and (not last or seal.day <= last):
            sentence = _what_is_wrong(seal, before)
            if sentence:
                yield Broken(sentence)
        before = seal
    # The last complete day is sealed in the night after it; a day more is left to whoever has to repair something.
    if before and not last and before.day < today - datetime.timedelta(days=2):
        yield Broken(
            f"{before.day} 之后没有封存：请运行 seal_day；如果已经封存过，那些封存被删除了，请与另存的封存行核对。"
        )


def _what_is_wrong(seal: DaySeal, before: DaySeal | None) -> str:
    if before and seal.day != before.day + datetime.timedelta(days=1):
        return f"{before.day} 之后缺少 {before.day + datetime.timedelta(days=1)} 的封存，已被删除。"
    this = f"{seal.day} 的封存"
    if seal.after != (before.last if before else 0):
        return f"{this}不与前一天的封存相接：前一天的封存被删除，或其中一行被改动。"
    count, events = _sum_up(_events(seal.after, seal.last))
    if _digest(seal, count, events, _digest_of(before)) == bytes(seal.digest):
        return "" if count == seal.count else f"{this}中的条数被改动。"
    between = f"编号 {seal.after + 1} 至 {seal.last} 之间"
    if count < seal.count:
        return f"{this}缺 {seal.count - count} 条办理记录：{between}有记录被删除，或这行封存被改动。"
    if count > seal.count:
        return f"{this}多 {count - seal.count} 条办理记录：{between}有记录是后来插入的，或这行封存被改动。"
    return f"{this}与办理记录不符：{between}有记录的摘要被改写，或者这行封存、它的前一行被改动或删除。"


def differing_from(kept: Iterable[str]) -> Iterator[Broken]:
    """The lines kept elsewhere (`line`) that the database does not, or no longer, say so."""
    here = {str(seal.day): line(seal) for seal in DaySeal.objects.order_by("day").iterator()}
    for one in filter(None, map(str.strip, kept)):
        day = one.split(" ")[0]
        if day not in here:
            yield Broken(f"另存的 {day} 的封存在数据库里没有了，已被删除。")
        elif here[day] != one:
            yield Broken(f"{day} 的封存与另存的不同，数据库里的已被改写。")


def ids_of(first: datetime.date | None, last: datetime.date | None) -> tuple[int, int | None]:
    """The range of ids that the seals of these days hold: (after, last); the last is None up to the newest event."""
    start = DaySeal.objects.filter(day__gte=first).order_by("day").first() if first else None
    end = DaySeal.objects.filter(day__lte=last).order_by("-day").first() if last else None
    if first and start is None:  # those days are not sealed yet
        newest = DaySeal.objects.order_by("-day").first()
        start_after = newest.last if newest else 0
    else:
        start_after = start.after if start else 0
    return start_after, (end.last if end else 0) if last and last < timezone.localdate() else None
