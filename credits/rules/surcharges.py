"""Hours on top: a paper read at a conference, by its length."""

from credits.rules.facts import Facts
from credits.rules.shapes import Activity, Surcharge


def surcharge_for(activity: Activity, facts: Facts) -> Surcharge | None:
    """The row for this level and length; None where no paper was read, or none so short counts."""
    length = facts.surcharge_quantity
    if length is None or not length.is_finite() or length <= 0:
        return None
    for row in activity.surcharges:
        if row.level not in ("", facts.level):
            continue
        if (row.above is None or length > row.above) and (row.up_to is None or length <= row.up_to):
            return row
    return None
