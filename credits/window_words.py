"""Time windows in words.

Moments are of Asia/Shanghai (time zone of the settings). A window ends before its `closes_at`: one that ends with a
day closes at the next day's midnight, and is said to close at 24:00 of that day.
"""

import datetime

from django.utils import timezone

from credits.models import Window, WindowKind
from orgs.models import Organization
from workflow.wording import shown_time

MIDNIGHT = datetime.time(0)
WORDS = {WindowKind.DECLARE: "申报", WindowKind.REVIEW: "审核审验"}


def closing(moment: datetime.datetime) -> str:
    """The end of a window: 2026-12-31 24:00 for the midnight after it, 2026-12-31 17:30 otherwise."""
    local = timezone.localtime(moment)
    if local.time() == MIDNIGHT:
        return f"{local.date() - datetime.timedelta(days=1)} 24:00"
    return shown_time(moment)


def last_day(moment: datetime.datetime) -> datetime.date:
    """The last calendar day before a window's end."""
    return timezone.localtime(moment - datetime.timedelta(microseconds=1)).date()


def in_words(window: Window) -> str:
    """2026 年度申报：2026-01-01 00:00 开始，2026-12-31 24:00 截止."""
    return (
        f"{window.year} 年度{WORDS[WindowKind(window.kind)]}："
        f"{shown_time(window.opens_at)} 开始，{closing(window.closes_at)} 截止"
    )


def whose(window: Window, bureau: Organization | None) -> str:
    """Who set it, seen from a bureau (None: the platform)."""
    if window.bureau_id is None:
        return "全省规定"
    return "本局规定" if bureau and window.bureau_id == bureau.pk else f"{window.bureau.name}规定"
