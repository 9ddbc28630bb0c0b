"""The rows of a conversion table: read strictly, and found again by level and variant."""

from decimal import Decimal

from credits.rules.amounts import ZERO
from credits.rules.refusal import Refusal
from credits.rules.shapes import Activity, Rate, Surcharge
from credits.rules.tables import Table
from credits.rules.words import LEVELS, MEASURES, UNITS

MOST_QUANTITY = Decimal(10_000_000)
MOST_DECLARED = Decimal(200)
WAYS = ("hours", "ranks", "first", "fills")


def rate_for(activity: Activity, level: str, variant: str) -> Rate:
    """The row that holds; Refused where the table has none (a county paper where only national ones count)."""
    for row in activity.rates:
        if row.level in ("", level) and row.variant in ("", variant):
            return row
    named = "、".join(
        label for label in (LEVELS.get(level, level), activity.variants.get(variant, variant)) if label
    )
    raise Refusal(f"“{activity.name}”的折算标准里没有“{named}”，不能折算学时。")


def rates_of(table: Table, variants: dict[str, str]) -> tuple[Rate, ...]:
    rates = tuple(_rate(row, variants) for row in table.tables("rates"))
    keys = [(row.level, row.variant) for row in rates]
    if len(keys) != len(set(keys)):
        table.wrong("rates", "同一级别、类别写了两行，请只留一行。")
    for what, all_named in (
        ("level", {bool(level) for level, _ in keys}),
        ("variant", {bool(v) for _, v in keys}),
    ):
        if len(all_named) > 1:
            table.wrong("rates", f"{what} 要么每行都写，要么都不写。")
    if set(variants) - {row.variant for row in rates}:
        table.wrong("variants", "有的类别在 rates 里没有用到，请补一行或删去。")
    return rates


def _rate(table: Table, variants: dict[str, str]) -> Rate:
    ways = [way for way in WAYS if way in table]
    if len(ways) != 1:
        table.wrong("", "每行写一种算法：hours、ranks、first 或 fills = true 四者之一。")
    per = table.word("per", UNITS)
    least, measure = _least(table.table("least"))
    row = Rate(
        level=table.word("level", LEVELS),
        variant=table.word("variant", variants),
        hours=table.number("hours"),
        ranks=table.numbers("ranks"),
        alone=table.number("alone"),
        first=table.number("first"),
        others=table.number("others"),
        less=table.number("less"),
        last=table.whole("last", 1, 100),
        fills=table.flag("fills"),
        per=per,
        only_full=table.flag("only_full"),
        least=least,
        measure=measure or (UNITS[per].measure if per else ""),
    )
    table.close()
    if ways == ["fills"] and not row.fills:
        table.wrong("fills", "只能写 fills = true，否则请删去。")
    if (row.first is None) != (row.others is None and row.less is None) or (row.others and row.less):
        table.wrong("first", "请写 first，并写 others（其他人各多少）或 less（每后一位少多少）之一。")
    if row.alone is not None and row.first is None:
        table.wrong("alone", "alone（独立完成）要和 first 一起写。")
    if row.last is not None and (row.ranks or row.fills):
        table.wrong("last", "ranks 的长度已说明计到第几位，fills 不分位次，请删去 last。")
    if row.fills and row.per:
        table.wrong("per", "“计满科目”（fills）不按数量计，请删去 per。")
    if row.only_full and not row.per:
        table.wrong("only_full", "只在写了 per 时有用，请删去。")
    if per and measure and measure != UNITS[per].measure:
        table.wrong("least", f"和 per 不是同一种数量，请写 {UNITS[per].measure}。")
    return row


def _least(table: Table | None) -> tuple[Decimal | None, str]:
    """least = { characters = 2000 }"""
    if table is None:
        return None, ""
    measures = [name for name in table.names if name in MEASURES]
    if len(table.names) != 1 or not measures:
        table.wrong("", f"请写一种数量，例如 {{ characters = 2000 }}；可用：{'、'.join(MEASURES)}。")
        return None, ""
    return table.number(measures[0], most=MOST_QUANTITY), measures[0]


def surcharges_of(table: Table) -> tuple[Surcharge, ...]:
    found = []
    for row in table.tables("surcharges"):
        found.append(
            Surcharge(
                hours=row.number("hours", required=True) or ZERO,
                level=row.word("level", LEVELS),
                above=row.number("above", most=MOST_QUANTITY),
                up_to=row.number("up_to", most=MOST_QUANTITY),
            )
        )
        row.close()
    if len({bool(one.level) for one in found}) > 1:
        table.wrong("surcharges", "level 要么每行都写，要么都不写。")
    for one in found:
        if one.above is not None and one.up_to is not None and one.above >= one.up_to:
            table.wrong("surcharges", "above 要小于 up_to。")
    return tuple(found)


def most_of(rates: tuple[Rate, ...], surcharges: tuple[Surcharge, ...]) -> Decimal:
    """The most that one declaration can bring by these rows."""
    if any(row.per or row.fills for row in rates):
        return MOST_DECLARED
    base = [hours for row in rates for hours in (row.hours, row.alone, row.first, *row.ranks) if hours]
    others = [row.others for row in rates if row.others]
    more = max((one.hours for one in surcharges), default=ZERO)
    return min(max([*base, *others], default=ZERO) + more, MOST_DECLARED)
