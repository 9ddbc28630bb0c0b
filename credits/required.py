"""Which rules hold for a person (F-95, F-96): the published packs above them, the nearest bureau first."""

from collections.abc import Callable, Iterable
from functools import lru_cache

from django.db.models import QuerySet

from credits.hours_field import subtracted
from credits.models import RulePack, Source
from credits.rules.inheritance import merged
from credits.rules.pack import read
from credits.rules.required import Line, measure
from credits.rules.shapes import Pack
from orgs.models import Practitioner
from workflow.wording import hours as shown


def rules_of(
    practitioner: Practitioner, years: Iterable[int], packs: Iterable[RulePack] | None = None
) -> dict[int, Pack]:
    """The rules of each year for this person, from their place in the tree and their title series. One query, none with
    `packs` (packs_at).

    A year before the first dated pack asks for nothing and knows no activity.
    """
    found = list(packs_at(practitioner.path) if packs is None else packs)
    return {year: rules_among(found, practitioner.path, practitioner.title_series_id, year) for year in years}


def packs_at(path: str) -> QuerySet:
    """The published packs that may hold at a place in the tree; what `rules_among` chooses from."""
    return RulePack.objects.published().above(path)


def rules_among(found: Iterable[RulePack], path: str, series: str | None, year: int) -> Pack:
    """The rules of one year for people of this title series at this place, out of packs already loaded: no query."""
    above = [int(part) for part in path.strip("/").split("/") if part]
    begun: dict[str, RulePack] = {}  # of each code the version that holds: the latest that has begun
    for pack in sorted(found, key=lambda one: one.year_from):
        if pack.year_from <= year and (pack.bureau_id is None or pack.bureau_id in above):
            begun[pack.code] = pack
    holding = [(pack, parsed(pack.text)) for pack in begun.values()]
    # Of two packs of one bureau, the one for a title series (accounting, health) goes before the general one.
    nearest_first = sorted(
        (pair for pair in holding if not pair[1].series or series in pair[1].series),
        key=lambda pair: (_depth(pair[0], above), bool(pair[1].series), pair[0].pk or 0),
        reverse=True,
    )
    return _merged(tuple(pack.text for pack, _ in nearest_first), year)


def rules_once(found: Iterable[RulePack]) -> Callable[[str, str | None, int], Pack]:
    """`rules_among` for many people, merged once for all who are alike: from (path, series, year) to their rules."""
    found = list(found)
    bureaus, known = {str(pack.bureau_id) for pack in found}, {}

    def rules(path: str, series: str | None, year: int) -> Pack:
        key = frozenset(bureaus.intersection(path.split("/"))), series, year
        if key not in known:
            known[key] = rules_among(found, path, series, year)
        return known[key]

    return rules


def lines_of(rules: Pack, hours: dict, imported: dict, relief: list[dict], level: str = "") -> list[Line]:
    """A year measured against its rules: one line for each minimum (credits.rules.required.Line).

    `hours` and `imported` by subject; `relief` as Standing holds it; `level` the person's title level.
    """
    by_source = {Source.IMPORT: imported, Source.DECLARATION: subtracted(hours, imported)}
    return measure(rules, hours, by_source, reliefs_in(rules, relief), level)


def asked_in_words(rules: Pack) -> str:
    """What a year asks for: 累计不少于 90 学时，其中公需科目不少于 30 学时，专业科目不少于 60 学时."""
    over_all = [one for one in rules.minimums if not one.subjects and not one.levels and not one.source]
    each = [one for one in rules.minimums if one not in over_all and not one.levels]
    parts = [f"累计不少于 {shown(one.hours)} 学时" for one in over_all]
    named = [
        f"{'、'.join(rules.subjects[code] for code in one.subjects) or '学习平台'}不少于 {shown(one.hours)} 学时"
        for one in each
    ]
    if named:
        parts.append(("其中" if parts else "") + "，".join(named))
    return "，".join(parts)


def is_met(rules: Pack, hours: dict, imported: dict, relief: list[dict], level: str = "") -> bool:
    """Whether the year is complete. Where nothing is required nobody is complete: there was nothing to meet."""
    return bool(rules.minimums) and all(line.done for line in lines_of(rules, hours, imported, relief, level))


def reliefs_in(rules: Pack, relief: list[dict]) -> list[tuple]:
    """The approved reductions with their rule; one whose rule is gone counts no more."""
    return [(rules.reliefs[one["code"]], one["months"]) for one in relief if one["code"] in rules.reliefs]


@lru_cache(maxsize=512)
def parsed(text: str) -> Pack:
    """The pack that a text says. A published text never changes, so each process reads it once."""
    return read(text)


@lru_cache(maxsize=512)
def _merged(nearest_first: tuple[str, ...], year: int) -> Pack:
    """The rules of one year that these texts make together. Of the texts alone, so that it too is made once: which of
    them hold is asked of the database each time."""
    return merged([parsed(text) for text in nearest_first], year)


def _depth(pack: RulePack, above: list[int]) -> int:
    return above.index(pack.bureau_id) if pack.bureau_id else -1
