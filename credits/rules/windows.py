"""For which years an activity counts: while it took place, when it finished, yearly, within years, spread over years."""

import datetime
from decimal import Decimal

from credits.rules.amounts import TENTH
from credits.rules.facts import Facts
from credits.rules.refusal import Refusal
from credits.rules.shapes import Activity


def check_year(activity: Activity, facts: Facts) -> None:
    """Refused when the activity does not count for the year of the facts. Without dates nothing is known against it."""
    first, last, year = facts.started_on, facts.last_day, facts.year
    got = facts.graduated_on or last
    if activity.counts in ("during", "yearly") and first and not first.year <= year <= last.year:
        raise Refusal(f"活动在 {_years(first.year, last.year)}，不能计入 {year} 年度。")
    if activity.counts == "finished" and last and year != last.year:
        raise Refusal(f"“{activity.name}”只在完成或取得的当年有效，请计入 {last.year} 年度。")
    if activity.counts == "within" and got and not got.year <= year <= got.year + activity.years:
        raise Refusal(f"自 {got} 起 {activity.years} 年内有效，不能计入 {year} 年度。")
    if activity.counts == "spread" and not 1 <= spread_index(facts) <= activity.years:
        raise Refusal(f"“{activity.name}”分 {activity.years} 年计入，{year} 年度不在其中。")


def _years(first: int, last: int) -> str:
    return f"{first} 年" if first == last else f"{first} 到 {last} 年"


def spread_index(facts: Facts) -> int:
    """Which of the years it is spread over this one is, from 1."""
    if facts.spread_index is not None:
        return facts.spread_index
    return facts.year - (facts.graduated_on or facts.last_day).year + 1


def part_of_year(hours: Decimal, years: int, index: int) -> Decimal:
    """Equal parts of one decimal; the last year takes what rounding left over."""
    part = (hours / Decimal(years)).quantize(TENTH, rounding="ROUND_DOWN")
    return hours - part * (years - 1) if index == years else part


def days_in_year(facts: Facts) -> int | None:
    """Calendar days of the activity inside the year it is counted for; None without dates."""
    if facts.started_on is None:
        return None
    first = max(facts.started_on, datetime.date(facts.year, 1, 1))
    last = min(facts.last_day, datetime.date(facts.year, 12, 31))
    return max((last - first).days + 1, 0)
