"""One pack over another: province, city, unit, and the sector's before them. The nearest word counts."""

from dataclasses import replace

from credits.rules.lines import line_of
from credits.rules.shapes import Pack


def merged(nearest_first: list[Pack], year: int, newcomer_since: int | None = None) -> Pack:
    """The rules of one year, as one pack; one that asks for nothing where no pack holds.

    Minimums come from the nearest pack that has any, all or none; activities, reliefs and caps one by one, the
    nearest first; `remove` drops what packs farther away have. A pack with `inherits = false` ends the line.
    `newcomer_since` is the year in which the person came under such rules, for packs with a transition.
    """
    held = in_force(nearest_first, year, newcomer_since)
    if not held:
        return Pack(code="", name="", basis="", year_from=year, year_to=year)
    minimums = next((pack.minimums for pack in held if pack.minimums), ())
    groups = _first_of(pack.groups for pack in held)
    caps = tuple(_first_of({(cap.per, cap.name): cap for cap in pack.caps} for pack in held).values())
    activities = {
        code: replace(activity, line=line_of(activity, groups, caps))
        for code, activity in _kept(held, "activities").items()
    }
    return replace(
        held[0],
        basis="；".join(dict.fromkeys(pack.basis for pack in held)),
        subjects=_first_of(pack.subjects for pack in held),
        groups=groups,
        minimums=minimums,
        caps=caps,
        activities=activities,
        reliefs=_kept(held, "reliefs"),
        empty_conversions=bool(activities) and all(one.conversion is None for one in activities.values()),
    )


def in_force(nearest_first: list[Pack], year: int, newcomer_since: int | None = None) -> list[Pack]:
    """The packs that hold in the year, nearest first, up to the first that inherits nothing."""
    sparing = [pack for pack in nearest_first if _spares(pack, year, newcomer_since)]
    kept = {pack.transition.keeps for pack in sparing}
    held = []
    for pack in nearest_first:
        begun = pack.year_from <= year
        over = pack.year_to is not None and pack.year_to < year
        if begun and (pack.code in kept or not (over or pack in sparing)):
            held.append(pack)
            if not pack.inherits:
                break
    return held


def _spares(pack: Pack, year: int, newcomer_since: int | None) -> bool:
    """Whether 老人老办法 keeps this person out of the pack, for now."""
    old = pack.transition
    return bool(
        old
        and newcomer_since is not None
        and newcomer_since < old.newcomers_from
        and pack.year_from <= year <= old.until
    )


def _first_of(dicts) -> dict:
    found = {}
    for one in dicts:
        for key, value in one.items():
            found.setdefault(key, value)
    return found


def _kept(held: list[Pack], what: str) -> dict:
    found, removed = {}, set()
    for pack in held:
        for code, value in getattr(pack, what).items():
            if code not in removed:
                found.setdefault(code, value)
        removed.update(pack.remove)
    return found
