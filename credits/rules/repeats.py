"""Once only: one proof counts once, one event so many years, several of one work only the highest."""

from decimal import Decimal

from credits.rules.amounts import ZERO
from credits.rules.facts import Already, Facts
from credits.rules.refusal import Refusal
from credits.rules.shapes import Activity
from credits.rules.words import shown


def check_once(activity: Activity, facts: Facts, already: Already) -> None:
    """Refused when the same proof or event has been counted as often as the rule allows."""
    same = [item for item in already.items if item.same in ("evidence", "event")]
    # Days belong to their own year: a training over new year counts in both.
    by_day = any(row.measure in ("days", "half-days") for row in activity.rates)
    over_years = activity.counts in ("yearly", "spread") or (activity.counts == "during" and by_day)
    used = [item for item in same if item.year == facts.year or not over_years]
    if used:
        what = "这份证明材料" if used[0].same == "evidence" else "这项活动"
        title = f"（{used[0].title}）" if used[0].title else ""
        raise Refusal(f"{what}已计入 {used[0].year} 年度{title}，不重复计。")
    if over_years and activity.years is not None and len({item.year for item in same}) >= activity.years:
        raise Refusal(f"同一项活动最多计 {activity.years} 个年度，已经计满。")


def counted_for_the_work(activity: Activity, already: Already) -> Decimal:
    """Hours that the same work brought before, under any activity of the same exclusive group."""
    if not activity.exclusive:
        return ZERO
    return sum((item.hours for item in already.items if item.same == "exclusive"), ZERO)


def rest_of_the_highest(activity: Activity, hours: Decimal, counted: Decimal) -> Decimal:
    """What is left of the higher of the two: counted 20, now 30, brings 10."""
    if hours <= counted:
        raise Refusal(f"同一成果只按最高的一项计，已计 {shown(counted)} 学时，“{activity.name}”不再计。")
    return hours - counted
