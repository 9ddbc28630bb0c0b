"""Reading a policy pack: TOML text in, a Pack out, or Malformed with every mistake and its place.

The keys are explained, with examples, in packs/README.md.
"""

from dataclasses import replace
from decimal import Decimal

from credits.rules.asks import asks_of
from credits.rules.inheritance import merged as merged
from credits.rules.lines import line_of, relief_line
from credits.rules.rates import most_of, rates_of, surcharges_of
from credits.rules.shapes import (
    Activity,
    Cap,
    Minimum,
    Pack,
    Relief,
    Transition,
)
from credits.rules.tables import Malformed, Table, parse
from credits.rules.words import MARKS, PRECONDITIONS, SOURCES, TITLE_LEVELS

__all__ = ["Activity", "Cap", "Malformed", "Minimum", "Pack", "Relief", "Transition", "merged", "read"]

FIRST_YEAR, LAST_YEAR = 1980, 2200
MOST_MINIMUMS = 12
MOST_STATED = Decimal(90)
COUNTS = ("during", "finished", "yearly", "within", "spread")


def read(text: str) -> Pack:
    """The pack that the text describes."""
    errors: list[tuple[str, str]] = []
    top = Table(parse(text), "", errors)
    basis = top.text("basis", required=True)
    subjects, groups = top.labels("subjects", most=20, code_most=20), top.labels("groups")
    pack = Pack(
        code=top.code("code", required=True),
        name=top.text("name", required=True, most=80),
        basis=basis,
        year_from=top.whole("year_from", FIRST_YEAR, LAST_YEAR, required=True) or FIRST_YEAR,
        year_to=top.whole("year_to", FIRST_YEAR, LAST_YEAR),
        note=top.text("note"),
        origin=top.text("origin", required=True),
        mark=top.word("mark", MARKS, required=True),
        series=top.texts("series", most=8),
        inherits=top.flag("inherits", default=True),
        remove=top.codes("remove"),
        subjects=subjects,
        groups=groups,
        minimums=_minimums(top, subjects, basis),
        caps=tuple(_cap(table, subjects, groups) for table in top.tables("cap")),
        activities={
            code: _activity(code, table, subjects, groups, basis)
            for code, table in top.by_code("activity").items()
        },
        reliefs={code: _relief(code, table, basis) for code, table in top.by_code("relief").items()},
        transition=_transition(top.table("transition")),
    )
    if pack.year_to is not None and pack.year_to < pack.year_from:
        top.wrong("year_to", f"不能早于 year_from（{pack.year_from}）。")
    for cap in {cap.per + cap.name: cap for cap in pack.caps}.values():
        if sum((one.per, one.name) == (cap.per, cap.name) for one in pack.caps) > 1:
            top.wrong("cap", f"“{cap.per} {cap.name}”有不止一个上限，请只留一个。")
    top.close()
    if errors:
        raise Malformed(errors)
    activities = {
        code: replace(one, asks=asks_of(one), line=line_of(one, pack.groups, pack.caps))
        for code, one in pack.activities.items()
    }
    empty = bool(activities) and all(one.conversion is None for one in activities.values())
    return replace(pack, activities=activities, empty_conversions=empty)


def _minimums(top: Table, subjects: dict[str, str], basis: str) -> tuple[Minimum, ...]:
    found = []
    for table in top.tables("minimum"):
        found.append(
            Minimum(
                subjects=table.words("subjects", subjects),
                hours=table.number("hours", required=True) or Decimal(0),
                source=table.word("source", SOURCES),
                levels=table.words("levels", TITLE_LEVELS),
                basis=table.text("basis") or basis,
            )
        )
        table.close()
    if len(found) > MOST_MINIMUMS:
        top.wrong("minimum", f"最多写 {MOST_MINIMUMS} 项年度要求，请合并。")
    sets = [set(one.subjects or subjects) for one in found]
    # What is missing from a year is found by adding up gaps (required.py); that is exact for such sets only.
    if any(one & other and not (one <= other or other <= one) for one in sets for other in sets):
        top.wrong("minimum", "两项要求的科目只能互不相交，或一项完全包含另一项，请改写 subjects。")
    keys = [(frozenset(one.subjects), one.source, level) for one in found for level in one.levels or ("",)]
    if len(keys) != len(set(keys)):
        top.wrong("minimum", "同样的科目、来源和层级写了两项要求，请只留一项。")
    return tuple(found)


def _cap(table: Table, subjects: dict[str, str], groups: dict[str, str]) -> Cap:
    known = {"group": groups, "source": SOURCES, "subject": subjects}
    per = table.word("per", (*known, "provider"), required=True)
    if per == "provider":
        name = table.text("name", most=120)
    else:
        name = table.word("name", known.get(per, ()), required=True)
    cap = Cap(table.number("hours", required=True) or Decimal(0), per, name)
    table.close()
    return cap


def _activity(
    code: str, table: Table, subjects: dict[str, str], groups: dict[str, str], basis: str
) -> Activity:
    variants = table.labels("variants")
    rates = rates_of(table, variants)
    surcharges = surcharges_of(table)
    if surcharges and not rates:
        table.wrong("surcharges", "有附加学时的形式，请先写 rates。")
    default = most_of(rates, surcharges) if rates else MOST_STATED
    cap = table.number("cap")
    activity = Activity(
        code=code,
        name=table.text("name", required=True, most=40),
        subjects=table.words("subjects", subjects, required=True),
        conversion=rates or None,
        evidence=table.texts("evidence"),
        max_hours=table.number("max_hours", most=Decimal(200)) or default,
        caps=(Cap(cap, "kind", code),) if cap else (),
        preconditions=table.words("preconditions", PRECONDITIONS),
        providers=table.texts("providers", most=120),
        group=table.word("group", groups),
        exclusive=table.code("exclusive"),
        counts=table.word("counts", COUNTS, default="during"),
        years=table.whole("years", 1, 20),
        variants=variants,
        member=table.text("member", most=10) or "完成人",
        leader=table.text("leader", most=10),
        surcharges=surcharges,
        surcharge_name=table.text("surcharge_name", most=20, required=bool(surcharges)),
        basis=table.text("basis") or basis,
        note=table.text("note"),
    )
    if activity.counts in ("within", "spread") and activity.years is None:
        table.wrong("years", f"counts = “{activity.counts}”时，请写明几年。")
    if activity.counts in ("during", "finished") and activity.years is not None:
        table.wrong("years", "只在 counts 为 yearly、within 或 spread 时填写，请删去。")
    if any(row.fills for row in rates) and activity.counts == "spread":
        table.wrong("rates", "“计满科目”（fills）不能分几年计入，请改 counts。")
    table.close()
    return activity


def _relief(code: str, table: Table, basis: str) -> Relief:
    name = table.text("name", required=True, most=40)
    effect = table.word("effect", ("exempt", "months", "fraction"), required=True)
    value = table.number("value", required=effect == "fraction", most=Decimal(1), places=3)
    if effect != "fraction" and value is not None:
        table.wrong("value", "只在 effect 为 fraction 时填写，请删去。")
    relief = Relief(code, name, effect, value, table.texts("evidence"), "", table.text("basis") or basis)
    table.close()
    return replace(relief, line=relief_line(relief))


def _transition(table: Table | None) -> Transition | None:
    if table is None:
        return None
    found = Transition(
        newcomers_from=table.whole("newcomers_from", FIRST_YEAR, LAST_YEAR, required=True) or FIRST_YEAR,
        until=table.whole("until", FIRST_YEAR, LAST_YEAR, required=True) or FIRST_YEAR,
        keeps=table.code("keeps", required=True),
    )
    table.close()
    return found
