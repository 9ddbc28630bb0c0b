"""What one activity is worth: the facts go through the rules in one order, each step leaves a readable line."""

from dataclasses import dataclass
from decimal import Decimal

from credits.rules.amounts import ZERO, one_decimal, units_of
from credits.rules.asks import missing_to_choose, missing_to_count
from credits.rules.caps import label_of, tightest
from credits.rules.conditions import check_conditions
from credits.rules.facts import Already, Facts, Item
from credits.rules.fills import rest_of_subject
from credits.rules.ranks import hours_of_rank
from credits.rules.rates import rate_for
from credits.rules.refusal import Refusal
from credits.rules.repeats import check_once, counted_for_the_work, rest_of_the_highest
from credits.rules.shapes import Activity, Cap, Pack, Rate
from credits.rules.surcharges import surcharge_for
from credits.rules.windows import check_year, part_of_year, spread_index
from credits.rules.words import LEVELS, MEASURES, UNITS, shown

__all__ = ["Already", "Facts", "Item", "Reckoning", "Step", "reckon"]

MOST_RECORDED = Decimal("999.9")


@dataclass(frozen=True)
class Step:
    """One line of the account; `hours` is what it leads to."""

    text: str
    hours: Decimal | None = None


@dataclass(frozen=True)
class Reckoning:
    """`hours` to be credited: more than 0 exactly where there are neither `wants` nor a `refusal`.

    `raw` is before exclusivity and caps, `cap` the one that bit.
    """

    hours: Decimal
    raw: Decimal | None
    subject: str
    steps: tuple[Step, ...] = ()
    cap: Cap | None = None
    wants: tuple[str, ...] = ()
    refusal: str = ""


def reckon(pack: Pack, facts: Facts, already: Already = Already()) -> Reckoning:  # noqa: B008  frozen
    activity = pack.activities.get(facts.kind) if facts.kind else _platform_record(pack)
    if activity is None:
        return Reckoning(ZERO, None, facts.subject, refusal="这种申报形式在本年度的政策里没有，请重新选择。")
    subject = facts.subject or (activity.subjects[0] if len(activity.subjects) == 1 else "")
    steps: list[Step] = []
    raw = None
    try:
        wants = missing_to_choose(activity, facts, subject)
        if not wants:
            _check(pack, activity, facts, subject, already)
        rate = (
            None if wants or activity.conversion is None else rate_for(activity, facts.level, facts.variant)
        )
        wants = wants or missing_to_count(activity, rate, facts)
        if wants:
            return Reckoning(ZERO, None, subject, wants=tuple(wants))
        raw = _raw(pack, activity, rate, facts, subject, already, steps)
        hours = _not_twice(activity, raw, already, steps)
        hours, cap = _capped(pack, activity, facts, subject, already, hours, steps)
    except Refusal as refusal:
        return Reckoning(ZERO, raw, subject, tuple(steps), refusal.cap, refusal=str(refusal))
    return Reckoning(one_decimal(hours), raw, subject, tuple(steps), cap)


def _platform_record(pack: Pack) -> Activity:
    return Activity("", "学习平台学时", tuple(pack.subjects), None, (), MOST_RECORDED)


def _check(pack: Pack, activity: Activity, facts: Facts, subject: str, already: Already) -> None:
    if subject not in activity.subjects:
        named = "、".join(pack.subjects.get(one, one) for one in activity.subjects)
        raise Refusal(f"“{activity.name}”只能计入{named}，请改选科目。")
    check_conditions(activity, facts)
    check_year(activity, facts)
    check_once(activity, facts, already)


def _raw(
    pack: Pack,
    activity: Activity,
    rate: Rate | None,
    facts: Facts,
    subject: str,
    already: Already,
    steps: list[Step],
) -> Decimal:
    """Hours by the conversion alone."""
    if rate is None:
        hours = one_decimal(facts.stated)
        steps.append(Step(f"按证明材料上的学时：{shown(hours)} 学时", hours))
    elif rate.fills:
        hours = rest_of_subject(pack, subject, facts.title_level, already)
        steps.append(Step(f"计满本年度“{pack.subjects[subject]}”：还差 {shown(hours)} 学时", hours))
    else:
        hours = _by_rate(activity, rate, facts, steps)
    row = surcharge_for(activity, facts)
    if row:
        length = f"{shown(facts.surcharge_quantity)} 字"
        steps.append(
            Step(f"{activity.surcharge_name} {length}：另加 {shown(row.hours)} 学时", hours + row.hours)
        )
        hours += row.hours
    if activity.counts == "spread":
        index = spread_index(facts)
        hours = part_of_year(hours, activity.years, index)
        text = f"分 {activity.years} 年计入，本年度是第 {index} 年：{shown(hours)} 学时"
        steps.append(Step(text, hours))
    if hours <= 0:
        raise Refusal("按规则折算后不足 0.1 学时，不能计入。")
    return hours


def _by_rate(activity: Activity, rate: Rate, facts: Facts, steps: list[Step]) -> Decimal:
    """By rank, times the quantity: "国家级主课题，第 2 参加人：56 学时"."""
    if rate.least is not None and facts.quantity < rate.least:
        noun = MEASURES[rate.measure]
        raise Refusal(
            f"“{activity.name}”{shown(rate.least)} {noun}以上才计学时，本次是 {shown(facts.quantity)} {noun}。"
        )
    hours, place = hours_of_rank(activity, rate, facts)
    which = LEVELS.get(rate.level, "") + activity.variants.get(rate.variant, "")
    words = "，".join(word for word in (which, place) if word)
    if not rate.per:
        steps.append(Step(f"{words or activity.name}：{shown(hours)} 学时", hours))
        return hours
    units = units_of(facts.quantity, rate.per, only_full=rate.only_full)
    total = one_decimal(hours * units)
    each = f"{UNITS[rate.per].label} {shown(hours)} 学时"
    text = f"{each}，{shown(facts.quantity)} {MEASURES[rate.measure]}：{shown(total)} 学时"
    steps.append(Step(f"{words}：{text}" if words else text, total))
    return total


def _not_twice(activity: Activity, hours: Decimal, already: Already, steps: list[Step]) -> Decimal:
    counted = counted_for_the_work(activity, already)
    if not counted:
        return hours
    rest = rest_of_the_highest(activity, hours, counted)
    steps.append(Step(f"同一成果只按最高的一项计：已计 {shown(counted)} 学时，只补 {shown(rest)} 学时", rest))
    return rest


def _capped(
    pack: Pack,
    activity: Activity,
    facts: Facts,
    subject: str,
    already: Already,
    hours: Decimal,
    steps: list[Step],
) -> tuple[Decimal, Cap | None]:
    """The most of one declaration, then the tightest cap of the year."""
    if hours > activity.max_hours:
        hours = activity.max_hours
        steps.append(Step(f"一次最多计 {shown(hours)} 学时，只计 {shown(hours)} 学时", hours))
    cap, counted = tightest(pack, activity, facts, subject, already)
    if cap is None or counted + hours <= cap.hours:
        return hours, None
    label = label_of(cap, pack, activity, facts)
    limit = f"本年度“{label}”最多计 {shown(cap.hours)} 学时，已计 {shown(counted)} 学时"
    if counted >= cap.hours:
        raise Refusal(f"{limit}，不能再计。", cap)
    room = cap.hours - counted
    steps.append(Step(f"{limit}，只计 {shown(room)} 学时", room))
    return room, cap
