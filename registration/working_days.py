"""Working days in China: weekdays without public holidays, and the weekends that are worked instead (F-85).

The calendar is chinesecalendar's, which knows the years that the State Council has announced. Beyond the last of
them every weekday counts, and `Due.certain` is False: the page then says so.
"""

import datetime
from dataclasses import dataclass

import chinese_calendar

PROMISED = 3  # F-85: 1 to 3 working days after receipt


@dataclass(frozen=True)
class Due:
    """The last day of a promise. `certain` is False when the year's holidays are not announced yet."""

    day: datetime.date
    certain: bool

    def is_over(self, today: datetime.date) -> bool:
        return today > self.day


def due(received: datetime.date, days: int = PROMISED) -> Due:
    """The last of `days` working days after the day of receipt, which does not count itself."""
    day, certain = received, True
    while days > 0:
        day += datetime.timedelta(days=1)
        works, known = _works(day)
        certain = certain and known
        days -= works
    return Due(day, certain)


def _works(day: datetime.date) -> tuple[bool, bool]:
    """Whether people work on this day, and whether that is known."""
    try:
        return chinese_calendar.is_workday(day), True
    except NotImplementedError:
        return day.weekday() < 5, False
