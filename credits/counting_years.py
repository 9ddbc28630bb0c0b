"""Which years of continuing education count when somebody files for the next title (职称申报).

The day of the present title is what F-13 … F-17 make of it: announced or passed (评审), the last day of the
examination, approved (转正定职); registration/title_date.py asks for it, Practitioner.title_awarded_on holds it. From the year
of that day to the year of filing, and of these at most the last five: Zibo's evaluation system draws the last five
years [F5], Guangzhou looks back over the years in the present title, at most the last five [F14b] (hours.md 2.5).
Where a province decides otherwise, a later line of MOST says since which filing year and how many.
"""

from datetime import date

# (filing year from which it holds, at most so many years)
MOST = ((2015, 5),)


def counting_years(title_awarded_on: date | None, filing_year: int) -> list[int]:
    """The years that count, newest first; without a title, all that may count."""
    most = next((years for since, years in reversed(MOST) if since <= filing_year), MOST[0][1])
    first = filing_year - most + 1
    if title_awarded_on is not None:
        first = max(first, min(title_awarded_on.year, filing_year))
    return list(range(filing_year, first - 1, -1))
