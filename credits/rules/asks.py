"""What a rule needs to know: which facts, in the order to ask, and a sentence for each that is missing."""

from decimal import Decimal

from credits.rules.facts import Facts
from credits.rules.rates import MOST_QUANTITY
from credits.rules.shapes import Activity, Rate
from credits.rules.windows import days_in_year
from credits.rules.words import MEASURES, UNITS


def asks_of(activity: Activity) -> tuple[str, ...]:
    """Names of Facts. Dates and the year are asked of everybody and not named here."""
    rates = activity.rates
    wanted = {
        "subject": len(activity.subjects) > 1,
        "variant": bool(activity.variants),
        "level": bool(activity.levels),
        "people": any(row.alone is not None for row in rates),
        "rank": any(row.is_ranked for row in rates),
        "quantity": any(row.measure for row in rates),
        "surcharge_quantity": bool(activity.surcharges),
        "graduated_on": activity.counts in ("within", "spread"),
        "provider": bool(activity.providers),
        "filed_in_advance": "filed" in activity.preconditions,
        "in_plan": "planned" in activity.preconditions,
        "stated": activity.conversion is None,
    }
    return tuple(name for name, needed in wanted.items() if needed)


def missing_to_choose(activity: Activity, facts: Facts, subject: str) -> list[str]:
    """What is missing to find the row of the table, and what the conditions need."""
    choices = "、".join(activity.variants.values())
    wants = [
        ("请选择科目。", not subject),
        (f"请选择类别：{choices}。", activity.variants and not facts.variant),
        (f"请选择级别：{'、'.join(activity.levels.values())}。", activity.levels and not facts.level),
        ("请填写毕业或取得证书的日期。", _no_day(activity, facts)),
        ("请填写主办单位。", activity.providers and not facts.provider),
        (
            "请说明是否已事先备案，并附备案材料。",
            "filed" in activity.preconditions and facts.filed_in_advance is None,
        ),
        (
            "请说明是否已列入单位年度计划，并附计划。",
            "planned" in activity.preconditions and facts.in_plan is None,
        ),
    ]
    return [sentence for sentence, missing in wants if missing]


def _no_day(activity: Activity, facts: Facts) -> bool:
    if activity.counts == "spread" and facts.spread_index is not None:
        return False
    return activity.counts in ("within", "spread") and facts.graduated_on is None and facts.last_day is None


def missing_to_count(activity: Activity, rate: Rate | None, facts: Facts) -> list[str]:
    """What is missing to reckon by that row (None: no conversion is published)."""
    if rate is None:
        return [] if _countable(facts.stated) else ["请填写证明材料上的学时。"]
    return [*_people(rate, facts), *_rank(rate, facts, activity.member), *_quantity(rate, facts)]


def _countable(number: Decimal | None) -> bool:
    return number is not None and number.is_finite() and 0 < number <= MOST_QUANTITY


def _people(rate: Rate, facts: Facts) -> list[str]:
    if facts.people is not None and facts.people < 1:
        return ["总人数请填 1 或更大的整数，独立完成填 1。"]
    if rate.alone is None or facts.people is not None:
        return []
    decided = facts.rank is not None and (facts.rank > 1 or rate.alone == rate.first)
    return [] if decided else ["请填写总人数，独立完成填 1。"]


def _rank(rate: Rate, facts: Facts, member: str) -> list[str]:
    if not rate.is_ranked:
        return []
    if facts.rank is None:
        return [] if facts.people == 1 else [f"请填写本人是第几{member}。"]
    if facts.rank < 1 or (facts.people is not None and facts.rank > facts.people >= 1):
        return [f"请核对本人位次：第 {facts.rank} {member}，共 {facts.people or 1} 人。"]
    return []


def _quantity(rate: Rate, facts: Facts) -> list[str]:
    if not rate.measure:
        return []
    quantity, noun = facts.quantity, MEASURES[rate.measure]
    if not _countable(quantity):
        return [f"请填写数量（{noun}）。"]
    if rate.per and UNITS[rate.per].whole and quantity != quantity.to_integral_value():
        return [f"数量（{noun}）请填整数。"]
    days = days_in_year(facts)
    most = {"days": days, "half-days": days and days * 2}.get(rate.measure)
    if most is not None and quantity > most:
        return [f"{facts.year} 年度内的起止日期只有 {days} 天，请按这一年度的天数填写。"]
    return []
