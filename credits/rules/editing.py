"""Changing one part of a pack and leaving the rest as it is: what the forms of a draft do before it is written again.

Nothing is judged here: what is put together wrongly is refused when the text is read (pack.read).
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from credits.rules.shapes import Activity, Pack, Rate, Relief
from credits.rules.writing import usual_most

# The ways of counting that a form can ask for, one for the whole table of an activity.
NOT_PUBLISHED = "none"
SHAPES = {
    NOT_PUBLISHED: "没有公布折算标准：按证明材料上的学时，由审核、审验部门认定",
    "fixed": "每项固定学时",
    "per": "按数量：每天、每门、每千字等",
    "ranks": "按位次列出：第 1、第 2、第 3……各多少",
    "others": "独立完成、第一位、其他每位",
    "less": "从第一位起，每后一位少一些",
    "fills": "计满本年度该科目",
}
# What each way asks for in a row; all else must be empty.
COLUMNS = {
    "fixed": ("hours", "last"),
    "per": ("hours", "per", "only_full"),
    "ranks": ("ranks",),
    "others": ("alone", "first", "others", "last"),
    "less": ("alone", "first", "less", "last"),
    "fills": (),
}
_ALL = ("hours", "ranks", "alone", "first", "others", "less", "last", "fills", "per", "only_full")


def shape_of(rates: Iterable[Rate]) -> str:
    """Which of SHAPES a table is; "" where its rows count in ways that one form cannot show."""
    rates = list(rates)
    found = {_shape(row) for row in rates}
    lengths = {(row.least, row.measure if row.least is not None else "") for row in rates}
    if not rates:
        return NOT_PUBLISHED
    return found.pop() if len(found) == 1 and len(lengths) == 1 else ""


def _shape(row: Rate) -> str:
    for shape, columns in COLUMNS.items():
        needed = {"fills": "fills", "per": "per", "fixed": "hours"}.get(shape, shape)
        if getattr(row, needed) in (None, "", (), False) or (shape == "fixed" and row.per):
            continue
        allowed = {*columns, needed}
        if all(name in allowed or not getattr(row, name) for name in _ALL):
            return shape
    return ""


def with_rates(activity: Activity, rates: Iterable[Rate], variants: dict[str, str]) -> Activity:
    """Another table; the most of one declaration follows it, unless it was set apart."""
    rates = tuple(rates)
    most = activity.max_hours
    if most == usual_most(activity.rates, activity.surcharges):
        most = usual_most(rates, activity.surcharges)
    return replace(activity, conversion=rates or None, variants=variants, max_hours=most)


def with_most(activity: Activity, most: Decimal | None) -> Activity:
    """The most of one declaration; None: what follows from the table."""
    return replace(activity, max_hours=most or usual_most(activity.rates, activity.surcharges))


def most_set_apart(activity: Activity) -> Decimal | None:
    """The most of one declaration where it does not follow from the table."""
    return (
        None if activity.max_hours == usual_most(activity.rates, activity.surcharges) else activity.max_hours
    )


def with_activity(pack: Pack, activity: Activity) -> Pack:
    """With this activity, in its place or at the end; it is no longer dropped."""
    remove = tuple(code for code in pack.remove if code != activity.code)
    return replace(pack, activities={**pack.activities, activity.code: activity}, remove=remove)


def without_activity(pack: Pack, code: str, *, above: Iterable[str] = ()) -> Pack:
    """Without it, and without the one of that code that the packs `above` have."""
    kept = {one: activity for one, activity in pack.activities.items() if one != code}
    dropped = code in set(above) and code not in pack.remove
    return replace(pack, activities=kept, remove=(*pack.remove, code) if dropped else pack.remove)


def not_dropped(pack: Pack, code: str) -> Pack:
    """What the packs above say of it holds again."""
    return replace(pack, remove=tuple(one for one in pack.remove if one != code))


def with_relief(pack: Pack, relief: Relief) -> Pack:
    """With this kind of reduction, in its place or at the end."""
    remove = tuple(code for code in pack.remove if code != relief.code)
    return replace(pack, reliefs={**pack.reliefs, relief.code: relief}, remove=remove)


def without_relief(pack: Pack, code: str) -> Pack:
    return replace(pack, reliefs={one: relief for one, relief in pack.reliefs.items() if one != code})


def with_basis(pack: Pack, basis: str) -> Pack:
    """Another basis; what had the pack's own goes on having it."""
    old = pack.basis

    def moved(one):
        return replace(one, basis=basis) if one.basis == old else one

    return replace(
        pack,
        basis=basis,
        minimums=tuple(map(moved, pack.minimums)),
        activities={code: moved(one) for code, one in pack.activities.items()},
        reliefs={code: moved(one) for code, one in pack.reliefs.items()},
    )
