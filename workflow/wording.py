"""How values read on a page: names, hours, waits, sizes and dates as people here write them.

Plain functions without a database, used by templates (through templatetags/face.py) and by Python that makes sentences.
"""

import datetime

from django.utils import timezone

from accounts.masked import masked_name as masked_name  # with the others, for those who write pages

NOTHING = "—"


def hours(value):
    """Learning hours with at most one decimal: 12.5, 20; nothing is a dash."""
    if value is None or value == "":
        return NOTHING
    text = f"{value:.1f}"
    return text.removesuffix(".0")


def days_waited(since, now=None):
    """Whole days between the calendar days of `since` and `now` (default: now), in the platform's time zone."""
    return max(0, (_day(now or timezone.now()) - _day(since)).days)


def shown_wait(days):
    """A wait in words: 今天提交, 已等 3 天; nothing stays empty."""
    if days is None:
        return ""
    return f"已等 {days} 天" if days else "今天到达"


def shown_took(since, until):
    """How long something took: 当天, 用时 3 天; nothing without a beginning."""
    if since is None:
        return ""
    days = days_waited(since, until)
    return f"用时 {days} 天" if days else "当天"


def short_wait(since, now=None):
    """A wait in a table's cell: 今天, 14 天."""
    days = days_waited(since, now)
    return f"{days} 天" if days else "今天"


def size(number_of_bytes):
    """A file's size: 800 字节, 312 KB, 1.2 MB."""
    if number_of_bytes is None or number_of_bytes == "":
        return NOTHING
    number_of_bytes = int(number_of_bytes)
    if number_of_bytes < 1000:
        return f"{number_of_bytes} 字节"
    if number_of_bytes < 1_000_000:
        return f"{round(number_of_bytes / 1024) or 1} KB"
    return f"{number_of_bytes / 1024 / 1024:.1f} MB"


def shown_date(value):
    """A day as 2026-11-12, in the platform's time zone; nothing is a dash."""
    return _day(value).isoformat() if value else NOTHING


def shown_time(value):
    """A moment as 2026-11-12 09:14, in the platform's time zone; nothing is a dash."""
    return f"{_local(value):%Y-%m-%d %H:%M}" if value else NOTHING


def letter_date(value):
    """A day as letters and receipts write it: 2026 年 11 月 12 日."""
    if not value:
        return NOTHING
    day = _day(value)
    return f"{day.year} 年 {day.month} 月 {day.day} 日"


def percent(fraction):
    """A share between 0 and 1 with one decimal: 61.4%; nothing is a dash."""
    return NOTHING if fraction is None or fraction == "" else f"{float(fraction) * 100:.1f}%"


def _local(moment):
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment


def _day(value):
    return _local(value).date() if isinstance(value, datetime.datetime) else value
