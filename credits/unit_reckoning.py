"""What a unit's declaration comes to for each of many people: rules and caps as for anybody's own, in a few queries."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from credits.duplicates import already_imported
from credits.models import Declaration, UnitDeclaration
from credits.models.declaring import Activity
from credits.numbers import key_of
from credits.past import Counted, already, is_same_work, pasts_of
from credits.reckoning import facts_of
from credits.required import packs_at, rules_among
from credits.rules.facts import Already
from credits.rules.reckon import Reckoning, reckon
from credits.rules.shapes import Activity as Rule
from credits.rules.shapes import Pack
from orgs.models import Organization, Practitioner

FACTS = [one.name for one in Activity._meta.get_fields()]


@dataclass(frozen=True)
class Prospect:
    """One person's outcome: the hours, why there are none, what limited them, what looks like a repetition."""

    person: Practitioner
    hours: Decimal
    problem: str = ""
    cap: str = ""
    doubts: list[str] = field(default_factory=list)


def is_training(rule: Rule) -> bool:
    """Something attended on its days: its rule knows no authors and counts it while it takes place."""
    ranked = any(row.is_ranked for row in rule.rates)
    return rule.counts == "during" and rule.member == Rule.member and not ranked


def declaration_for(person: Practitioner, unit_declaration: UnitDeclaration) -> Declaration:
    """The person's own declaration with the unit's facts, not reckoned and not saved."""
    facts = {name: getattr(unit_declaration, name) for name in FACTS}
    return Declaration(
        practitioner=person, unit_declaration=unit_declaration, hours=unit_declaration.hours, **facts
    )


def worth(unit_declaration: UnitDeclaration, rules: Pack) -> Reckoning:
    """What it is worth before anybody's caps, by the rules of somebody without a title series."""
    return reckon(
        rules, facts_of(declaration_for(Practitioner(), unit_declaration), Practitioner()), Already()
    )


def prospects(unit_declaration: UnitDeclaration, people: Iterable[Practitioner]) -> list[Prospect]:
    """Each person's outcome as things stand now. Three queries, however many people. Their `path` is the unit's.

    It is settled again, under the person's lock, when that person confirms (credits/reckoning.py).
    """
    people = list(people)
    if not people:
        return []
    unit_declaration.number_key = key_of(unit_declaration.certificate_number)
    packs = list(packs_at(people[0].path))
    years = {unit_declaration.year, unit_declaration.started_on.year, unit_declaration.ended_on.year}
    pasts = pasts_of([one.pk for one in people], years)
    rules: dict[str | None, Pack] = {}
    found = []
    for person in people:
        series = person.title_series_id
        if series not in rules:
            rules[series] = rules_among(packs, person.path, series, unit_declaration.year)
        found.append(_prospect(unit_declaration, person, rules[series], pasts[person.pk]))
    return found


def prospects_of(person: Practitioner, unit_declarations: list[UnitDeclaration]) -> list[Prospect]:
    """One person's outcome of each of these, as if it were the only one. Three queries."""
    packs = list(packs_at(person.path))
    years = {year for one in unit_declarations for year in (one.year, one.started_on.year, one.ended_on.year)}
    past = pasts_of([person.pk], years)[person.pk]
    return [
        _prospect(one, person, rules_among(packs, person.path, person.title_series_id, one.year), past)
        for one in unit_declarations
    ]


def _prospect(unit_declaration: UnitDeclaration, person: Practitioner, rules: Pack, past: list) -> Prospect:
    declaration = declaration_for(person, unit_declaration)
    result = reckon(rules, facts_of(declaration, person), already(past, rules, declaration))
    problem = "".join(result.wants) or result.refusal or already_imported(declaration, past)
    if problem:
        return Prospect(person, Decimal(0), problem)
    doubts = [f"本人已申报过{one.words}" for one in past if _is_alike(one, declaration)]
    return Prospect(person, result.hours, cap=result.steps[-1].text if result.cap else "", doubts=doubts)


def _is_alike(one: Counted, declaration: Declaration) -> bool:
    first = one.started_on or one.ended_on
    meet = first <= declaration.ended_on and declaration.started_on <= one.ended_on
    return one.application_id is not None and meet and is_same_work(one, declaration)


def trainings_at(unit: Organization, years: Iterable[int]) -> dict[str, tuple[int, Rule]]:
    """The kinds that a unit may declare for its people: code → the newest year that knows it, and its rule there."""
    packs = list(packs_at(unit.path))
    found = {}
    for year in years:
        for code, rule in rules_among(packs, unit.path, None, year).activities.items():
            if is_training(rule):
                found.setdefault(code, (year, rule))
    return found
