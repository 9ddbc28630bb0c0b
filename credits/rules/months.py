"""How many months of a year an absence takes: whole ones from its first day, and one more for fifteen days left over."""

import datetime

MOST = 12
HALF = 15  # days
_DAY = datetime.timedelta(days=1)


def months_in_year(first: datetime.date, last: datetime.date, year: int) -> int:
    """Of an absence from `first` to `last`, both included, what lies within the year; 0 for less than half a month."""
    first = max(first, datetime.date(year, 1, 1))
    end = min(last, datetime.date(year, 12, 31)) + _DAY
    if first >= end:
        return 0
    whole = 0
    while whole < MOST and _later(first, whole + 1) <= end:
        whole += 1
    rest = (end - _later(first, whole)).days
    return min(whole + (rest >= HALF), MOST)


def _later(day: datetime.date, months: int) -> datetime.date:
    """The same day so many months later; the month's last where it has no such day."""
    count = day.month - 1 + months
    year, month = day.year + count // 12, count % 12 + 1
    following = datetime.date(year + month // 12, month % 12 + 1, 1)
    return min(datetime.date(year, month, 1) + (day.day - 1) * _DAY, following - _DAY)
