"""Until when a year's hours may be declared or decided: for a person's own page, and for who reviews."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils import timezone

from credits.models import Window, WindowKind
from credits.window_words import MIDNIGHT, closing, last_day
from credits.windows import windows_at
from credits.years import current_year
from orgs.actor import Actor
from orgs.models import Kind
from workflow.wording import shown_time


@dataclass(frozen=True)
class Deadline:
    """When something ends: `last_day` is the last calendar day on which it can be done.

    `state`: "open", "coming" (it has not begun; `opens_at` says when) or "closed".
    """

    state: str
    closes_at: datetime.datetime
    opens_at: datetime.datetime | None = None

    @property
    def last_day(self) -> datetime.date:
        return last_day(self.closes_at)

    @property
    def days_left(self) -> int:
        """Whole days after today; 0 on the last one and afterwards."""
        return max((self.last_day - timezone.localdate()).days, 0)

    @property
    def sentence(self) -> str:
        """For the person who declares: 申报 2026-12-31 24:00 截止，还有 37 天."""
        if self.state == "closed":
            return f"申报已于 {self.words} 截止"
        if self.state == "coming":
            return f"申报从 {shown_time(self.opens_at)} 开始，{self.words} 截止"
        left = f"还有 {self.days_left} 天" if self.days_left else "今天是最后一天"
        return f"申报 {self.words} 截止，{left}"

    @property
    def words(self) -> str:
        """2026-12-31 24:00."""
        return closing(self.closes_at)


def declaring_until(path: str, year: int) -> Deadline:
    """The deadline for declaring a year's hours at a place: of the window that is open, else of the next one, else
    of the last; without any window the end of the year itself. One query."""
    return deadline_in(windows_at(path, [year]).get((year, WindowKind.DECLARE), []), year)


def deadline_in(windows: Iterable[Window], year: int) -> Deadline:
    """The same out of windows already loaded."""
    windows = sorted(windows, key=lambda one: one.opens_at)
    now = timezone.now()
    if not windows:
        end = timezone.make_aware(datetime.datetime.combine(datetime.date(year + 1, 1, 1), MIDNIGHT))
        return Deadline("open", end)
    for one in windows:
        if one.opens_at <= now < one.closes_at:
            return Deadline("open", one.closes_at, one.opens_at)
    coming = next((one for one in windows if one.opens_at > now), None)
    if coming:
        return Deadline("coming", coming.closes_at, coming.opens_at)
    return Deadline("closed", max(one.closes_at for one in windows))


def review_closed(actor: Actor) -> list[str]:
    """For who reviews hours: a sentence for each of the last two years whose review is closed where they are. One query."""
    unit = actor.organization
    if unit is None or unit.kind == Kind.OPERATOR:
        return []
    years = [current_year(), current_year() - 1]
    found = windows_at(unit.path, years)
    sentences = []
    for year in years:
        windows = found.get((year, WindowKind.REVIEW), [])
        end = deadline_in(windows, year) if windows else None
        if end and end.state == "closed":
            sentences.append(f"{year} 年度的审核审验已于 {end.words} 截止，现在不能通过或驳回。")
        elif end and end.state == "coming":
            sentences.append(f"{year} 年度的审核审验从 {shown_time(end.opens_at)} 开始，{end.words} 截止。")
    return sentences
