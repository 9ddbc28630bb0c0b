"""Many ledger entries and the years they change in a few statements: bulk approvals and platforms' batches.

The same effect as credits/ledger.py has for one entry; the caller holds the row locks of all practitioners, taken in
the order of their ids.
"""

from collections.abc import Iterable

from django.db import connection
from psycopg.types.json import Jsonb

from credits.hours_field import ZERO, added, as_text
from credits.models import LedgerEntry, RulePack, Source, Standing
from credits.required import is_met, rules_once
from orgs.models import Practitioner

_ENTRY = [
    "practitioner_id",
    "year",
    "subject",
    "hours",
    "verb",
    "source",
    "declaration_id",
    "record_id",
    "step_id",
    "decided_by_id",
    "organization_id",
    "reason",
    "at",
]


def enter_many(entries: Iterable[LedgerEntry], people: dict[int, Practitioner]) -> None:
    """Enter these and write the sums of every year they touch. `people` are locked, by id. Four statements."""
    entries = list(entries)
    if not entries:
        return
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY credits_ledgerentry ({', '.join(_ENTRY)}) FROM STDIN") as copy:
            for one in entries:
                copy.write_row([getattr(one, name) for name in _ENTRY])
        standings = _after(entries, people)
        cursor.execute(
            _WRITE,
            {
                "practitioners": [one.practitioner_id for one in standings],
                "years": [one.year for one in standings],
                "hours": [Jsonb(as_text(one.hours)) for one in standings],
                "imported": [Jsonb(as_text(one.imported)) for one in standings],
                "totals": [one.total for one in standings],
                "complete": [one.complete for one in standings],
            },
        )


def _after(entries: list[LedgerEntry], people: dict[int, Practitioner]) -> list[Standing]:
    """The touched years with these entries in them, measured by the rules in force; not saved."""
    touched: dict[tuple[int, int], Standing] = {}
    years = {one.year for one in entries}
    for standing in Standing.objects.filter(practitioner__in=list(people), year__in=years):
        touched[standing.practitioner_id, standing.year] = standing
    changed: dict[tuple[int, int], Standing] = {}
    for one in entries:
        key = one.practitioner_id, one.year
        standing = changed.setdefault(
            key, touched.get(key) or Standing(practitioner_id=one.practitioner_id, year=one.year)
        )
        more = {one.subject: one.hours}
        standing.hours = added(standing.hours, more)
        if one.source == Source.IMPORT:
            standing.imported = added(standing.imported, more)
    rules_of = rules_once(RulePack.objects.published())
    for standing in changed.values():
        person = people[standing.practitioner_id]
        rules = rules_of(person.path, person.title_series_id, standing.year)
        standing.total = sum(standing.hours.values(), ZERO)
        standing.complete = is_met(
            rules, standing.hours, standing.imported, standing.relief, person.title_level
        )
    return list(changed.values())


_WRITE = """
INSERT INTO credits_standing (practitioner_id, year, hours, imported, total, complete, relief)
SELECT *, '[]'::jsonb FROM unnest(%(practitioners)s::bigint[], %(years)s::integer[], %(hours)s::jsonb[],
                                  %(imported)s::jsonb[], %(totals)s::numeric[], %(complete)s::boolean[])
ON CONFLICT (practitioner_id, year) DO UPDATE
   SET hours = EXCLUDED.hours, imported = EXCLUDED.imported, total = EXCLUDED.total, complete = EXCLUDED.complete
"""
