"""Budgets against guessing (trust.md §3.1). Counters in PostgreSQL, exact however many tries come at once.

A try is counted before it is judged: fifty that come together find the counter, not each other's past. What is
counted (an ID number, a network) enters the table as a blind index. Unknown ID numbers are counted as known ones
are, so that no budget tells them apart.
"""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import OperationalError, ProgrammingError, connection
from django.utils import timezone

from accounts import crypto
from accounts.models import Tally

MINUTE = datetime.timedelta(minutes=1)
HOUR = 60 * MINUTE
DAY = 24 * HOUR

FREE_FAILURES = 5  # per account and network; then 1, 2, 4 … 15 minutes
LONGEST_WAIT = 15 * MINUTE
ACCOUNT_PER_HOUR = 20
UNKNOWN_BUDGETS = ((5, 10 * MINUTE), (30, DAY))  # distinct unknown ID numbers per network
UNKNOWN_EVERYWHERE = (200, MINUTE)  # the breaker against many networks at once
RESETS_PER_NETWORK = 10  # per hour
RESETS_PER_ACCOUNT = 3  # per hour and network
RESETS_PER_DAY = 10  # per account
OFFICE_LOGINS = 20  # a network with that many logins (one per person and day) in OFFICE_DAYS is an office …
OFFICE_DAYS = 7
OFFICE_FACTOR = 10  # … and gets that much more


@dataclass
class TooMany(Exception):
    """A budget is spent. `wait` says until when, `everywhere` that it is the account's own budget of the hour."""

    wait: datetime.timedelta
    everywhere: bool = False

    @property
    def words(self) -> str:
        """How long to wait: 45 秒, 3 分 20 秒, 1 小时 5 分."""
        return wait_in_words(self.wait)


@contextmanager
def _counters() -> Iterator[None]:
    """Where the counters cannot be had (table or privilege is gone) nobody is let through uncounted: that passes, and its
    page says so (config/errors.py). Pages that count nothing go on."""
    try:
        yield
    except ProgrammingError as error:
        raise OperationalError("the counters of budgets are out of reach") from error


def wait_in_words(wait: datetime.timedelta) -> str:
    """A wait rounded up to full seconds (full minutes from an hour on)."""
    seconds = max(1, -int(-wait.total_seconds() // 1))
    if seconds >= 3600:
        hours, minutes = divmod(-(-seconds // 60), 60)
        return f"{hours} 小时 {minutes} 分" if minutes else f"{hours} 小时"
    minutes, seconds = divmod(seconds, 60)
    if not minutes:
        return f"{seconds} 秒"
    return f"{minutes} 分 {seconds} 秒" if seconds else f"{minutes} 分钟"


def spend(name: str, *whom: object, limit: int, per: datetime.timedelta) -> None:
    """Count one use of the budget `name` of `whom`. Raises TooMany when it was spent before.

    The window starts with its first use and lasts `per`.
    """
    count, until = _count(_key(name, *whom), per)
    if count > limit:
        raise TooMany(until - timezone.now())


def spend_once(name: str, who: object, what: object, *, limit: int, per: datetime.timedelta) -> int:
    """Count `what` against the budget `name` of `who`, once within `per`; returns how many different ones so far.

    Raises TooMany when the budget was spent before; what was counted before is let through all the same.
    """
    counted = _key(name, who, what)
    if not _first_time(counted, per):
        return 0
    count, until = _count(_key(name, who), per)
    if count > limit:
        Tally.objects.filter(key=counted).delete()
        raise TooMany(until - timezone.now())
    return count


def admit(account: str, place: str, known_device: bool = False) -> None:
    """Count one try of a password, before it is checked. Raises TooMany when it may not be checked now.

    `account` is the ID number's blind index, `place` the network. A browser that this person has logged in with
    has budgets of its own: strangers, near or far, cannot lock the owner out.
    """
    pair = "device" if known_device else place
    _admit_pair(_key("pair", account, pair))
    if not known_device:
        count, until = _count(_key("account", account), HOUR)
        if count > ACCOUNT_PER_HOUR:
            raise TooMany(until - timezone.now(), everywhere=True)


@_counters()
def was_right(account: str, place: str, known_device: bool = False) -> None:
    """The password was right: the account's counters start anew."""
    pair = "device" if known_device else place
    Tally.objects.filter(key__in=[_key("pair", account, pair), _key("account", account)]).delete()


def spend_reset(account: str, place: str) -> None:
    """Count one request for a new password, known ID number or not. Raises TooMany."""
    spend("reset", place, limit=RESETS_PER_NETWORK * _factor(place), per=HOUR)
    spend("reset", place, account, limit=RESETS_PER_ACCOUNT, per=HOUR)
    spend("reset-account", account, limit=RESETS_PER_DAY, per=DAY)


def logged_in(account: str, place: str) -> None:
    """Count a login for the network: many different people make it an office."""
    today = timezone.localdate()
    if _first_time(_key("login", place, account, today), DAY):
        _count(_key("logins", place, today), OFFICE_DAYS * DAY)


def may_know_unknown(account: str, place: str) -> bool:
    """Count an unknown ID number. False: the budget is spent, say nothing about what exists."""
    if _first_time(_key("unknown", place, account), DAY):
        factor = _factor(place)
        counts = [
            _count(_key("unknowns", place, per), per)[0] <= limit * factor for limit, per in UNKNOWN_BUDGETS
        ]
        limit, per = UNKNOWN_EVERYWHERE
        return all([*counts, _count(_key("unknowns-everywhere"), per)[0] <= limit])
    return not is_spent(place)


@_counters()
def is_spent(place: str) -> bool:
    """Whether the next unknown ID number from here would get no answer. Then known ones get none either."""
    factor = _factor(place)
    limits = {_key("unknowns", place, per): limit * factor for limit, per in UNKNOWN_BUDGETS}
    limits[_key("unknowns-everywhere")] = UNKNOWN_EVERYWHERE[0]
    found = Tally.objects.filter(key__in=limits, until__gt=timezone.now())
    return any(tally.count >= limits[tally.key] for tally in found)


@_counters()
def _factor(place: str) -> int:
    today = timezone.localdate()
    days = [today - datetime.timedelta(days=back) for back in range(OFFICE_DAYS)]
    keys = [_key("logins", place, day) for day in days]
    logins = sum(Tally.objects.filter(key__in=keys).values_list("count", flat=True))
    return OFFICE_FACTOR if logins >= OFFICE_LOGINS else 1


def _key(name: str, *whom: object) -> str:
    # No rotation of keys starts a budget anew.
    return crypto.base_index("|".join([name, *map(str, whom)]), "throttle")


@_counters()
def _count(key: str, per: datetime.timedelta) -> tuple[int, datetime.datetime]:
    """Add one, atomically; the count after it and the end of its window."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            """insert into accounts_tally as tally (key, count, until) values (%(key)s, 1, %(until)s)
               on conflict (key) do update set
                   count = case when tally.until <= %(now)s then 1 else tally.count + 1 end,
                   until = case when tally.until <= %(now)s then excluded.until else tally.until end
               returning count, until""",
            {"key": key, "now": now, "until": now + per},
        )
        count, until = cursor.fetchone()
    if count == 1 and key.endswith("00"):  # one new counter in 256 takes the dead ones along
        Tally.objects.filter(until__lt=now - DAY).delete()
    return count, until


def _first_time(key: str, per: datetime.timedelta) -> bool:
    return _count(key, per)[0] == 1


@_counters()
def _admit_pair(key: str) -> None:
    """Count a try unless the counter is blocked; from the fifth on the try itself blocks the next one."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            """insert into accounts_tally as tally (key, count, until) values (%(key)s, 1, %(until)s)
               on conflict (key) do update set
                   count = case when tally.until <= %(now)s then 1 else tally.count + 1 end,
                   blocked_until = case
                       when tally.until > %(now)s and tally.count + 1 >= %(free)s then
                           %(now)s + least(interval '1 minute' * power(2, least(tally.count + 1 - %(free)s, 10)),
                                           %(longest)s)
                       end,
                   until = excluded.until
               where tally.blocked_until is null or tally.blocked_until <= %(now)s
               returning count""",
            {"key": key, "now": now, "until": now + DAY, "free": FREE_FAILURES, "longest": LONGEST_WAIT},
        )
        if cursor.fetchone():
            return
    blocked = Tally.objects.filter(key=key).values_list("blocked_until", flat=True).first()
    raise TooMany(max(blocked - now, datetime.timedelta(seconds=1)) if blocked else MINUTE)
