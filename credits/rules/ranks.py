"""Hours by one's place among authors or members: alone, first and others, a list, less per rank, a cut-off."""

from decimal import Decimal

from credits.rules.facts import Facts
from credits.rules.refusal import Refusal
from credits.rules.shapes import Activity, Rate


def hours_of_rank(activity: Activity, rate: Rate, facts: Facts) -> tuple[Decimal, str]:
    """Hours before any quantity, and the place in words ("" where the row does not ask for it)."""
    if not rate.is_ranked:
        return rate.hours, ""
    if facts.people == 1 and rate.alone is not None:
        return rate.alone, "独立完成"
    rank = facts.rank or 1
    place = activity.leader if rank == 1 and activity.leader else f"第 {rank} {activity.member}"
    last = len(rate.ranks) or rate.last
    if last is not None and rank > last:
        raise Refusal(
            f"“{activity.name}”只计前 {last} 位{activity.member}，本人是第 {rank} 位，不能折算学时。"
        )
    if rate.ranks:
        return rate.ranks[rank - 1], place
    if rate.first is None:
        return rate.hours, place
    if rate.less is None:
        return (rate.first if rank == 1 else rate.others), place
    hours = rate.first - rate.less * (rank - 1)
    if hours <= 0:
        raise Refusal(f"“{activity.name}”每后一位少计，到第 {rank} {activity.member}已无学时。")
    return hours, place
