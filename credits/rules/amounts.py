"""How much: hours are rounded to one decimal, half up; a quantity is turned into units."""

from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

from credits.rules.words import UNITS

ZERO = Decimal(0)
TENTH = Decimal("0.1")


def one_decimal(hours: Decimal) -> Decimal:
    return hours.quantize(TENTH, rounding=ROUND_HALF_UP)


def units_of(quantity: Decimal, per: str, *, only_full: bool = False) -> Decimal:
    """How many times the hours are given: 3500 characters per 1,000 are 3.5, or 3 where only full units count."""
    units = quantity / UNITS[per].size
    return units.to_integral_value(ROUND_FLOOR) if only_full else units
