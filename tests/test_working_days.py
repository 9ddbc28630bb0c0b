"""1–3 working days after receipt (F-85): Chinese holidays, worked weekends, and the years not announced yet."""

from datetime import date, timedelta

import chinese_calendar
import pytest

from registration.working_days import due

LAST_KNOWN = max(day.year for day in chinese_calendar.holidays)


@pytest.mark.parametrize(
    ("received", "days", "last"),
    [
        (date(2025, 3, 3), 3, date(2025, 3, 6)),  # Monday: Tuesday to Thursday
        (date(2025, 3, 6), 3, date(2025, 3, 11)),  # over a weekend
        (date(2025, 3, 8), 3, date(2025, 3, 12)),  # received on a Saturday
        (
            date(2025, 1, 24),
            3,
            date(2025, 2, 5),
        ),  # 春节: Sunday 26 January is worked, 28 January to 4 February not
        (date(2025, 9, 27), 3, date(2025, 9, 30)),  # 国庆: Sunday 28 September is worked
        (date(2025, 9, 30), 1, date(2025, 10, 9)),
        (date(2025, 10, 10), 1, date(2025, 10, 11)),  # a worked Saturday
        (date(2025, 3, 3), 1, date(2025, 3, 4)),
    ],
)
def test_the_last_day(received, days, last):
    found = due(received, days)
    assert (found.day, found.certain) == (last, True)


def test_beyond_the_announced_years_every_weekday_counts_and_the_page_can_say_so():
    new_year = date(LAST_KNOWN + 1, 1, 1)
    found = due(new_year)
    assert not found.certain
    assert found.day.weekday() < 5
    assert (
        sum((new_year + timedelta(days=n)).weekday() < 5 for n in range(1, (found.day - new_year).days + 1))
        == 3
    )


def test_a_promise_is_kept_on_its_last_day_and_broken_on_the_next():
    found = due(date(2025, 3, 3))
    assert not found.is_over(date(2025, 3, 6))
    assert found.is_over(date(2025, 3, 7))
