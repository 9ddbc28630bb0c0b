"""截止日期 on the first screen of who reviews: until when the years that are open may be declared and decided."""

from typing import NamedTuple

from credits.deadlines import Deadline, deadline_in
from credits.models import WindowKind
from credits.window_words import WORDS
from credits.windows import windows_at
from credits.years import current_year
from orgs.models import Organization
from workflow.wording import shown_time


class Due(NamedTuple):
    """One line of the card: 2026 年度申报, until when, and how long that is (a tag's kind and words)."""

    label: str
    until: str
    tag: tuple[str, str]


def dates_at(place: Organization) -> list[Due]:
    """This year's declaring and deciding, and last year's while one of its windows is open. One query.

    Without a window of its own the year is declared until its end, and decided at any time.
    """
    year = current_year()
    found = windows_at(place.path, [year, year - 1])
    lines = []
    for one in (year, year - 1):
        for kind in (WindowKind.DECLARE, WindowKind.REVIEW):
            windows = found.get((one, kind), [])
            if not windows and (one != year or kind == WindowKind.REVIEW):
                continue
            end = deadline_in(windows, one)
            if one == year or end.state != "closed":
                lines.append(Due(f"{one} 年度{WORDS[kind]}", _until(end), _tag(end)))
    return lines


def _until(end: Deadline) -> str:
    if end.state == "coming":
        return f"{shown_time(end.opens_at)} 开始，{end.words} 截止"
    return f"{end.words} 截止"


def _tag(end: Deadline) -> tuple[str, str]:
    if end.state == "closed":
        return ("draft", "已截止")
    if end.state == "coming":
        return ("draft", "还没有开始")
    return ("wait", f"还有 {end.days_left} 天" if end.days_left else "今天截止")
