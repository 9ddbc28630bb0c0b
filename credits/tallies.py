"""Counters of a place: read exactly at any moment, folded together now and then (speed.md, "Writing").

What the database's triggers left since the last folding waits in TallyDelta; a reader adds it to what is rolled up,
in one statement and so in one snapshot. `fold` is run every minute by the worker, and by `manage.py fold_tallies`.
"""

import json
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import connection, transaction

from accounts import replica
from credits.hours_field import ZERO, as_hours
from credits.models.tallies import ALL_SERIES, NOW
from orgs.models import Organization

FOLD_LOCK = 722261
AT_ONCE = 50_000


@dataclass(frozen=True)
class Count:
    """What is counted of one place, year and title series; hours are Decimals by subject."""

    people: int = 0
    begun: int = 0
    complete: int = 0
    hours: dict = field(default_factory=dict)
    posted: dict = field(default_factory=dict)

    @property
    def total(self) -> Decimal:
        return sum(self.hours.values(), ZERO)


NONE = Count()


def count_of(place: Organization, year: int) -> Count:
    """The people of a place and everybody below it, and where their year stands. One query."""
    return counts_of([place], [year])[place.pk, year]


def counts_of(places: list[Organization], years: list[int]) -> dict[tuple[int, int], Count]:
    """The same for several places (children of one, say) and years. One query.

    `people` is how many there are today, whatever the year.
    """
    rows = _rows(places, [NOW, *years], series=False)
    found = {(row[0], row[1]): row for row in rows}
    return {
        (place.pk, year): _count(found.get((place.pk, year)), found.get((place.pk, NOW)))
        for place in places
        for year in years
    }


def counts_by_series(place: Organization, year: int) -> dict[str, Count]:
    """One place's year for each title series ("" is 无). One query."""
    rows = _rows([place], [NOW, year], series=True)
    found = {(row[1], row[2]): row for row in rows}
    names = sorted({row[2] for row in rows})
    return {name: _count(found.get((year, name)), found.get((NOW, name))) for name in names}


def _count(row: tuple | None, today: tuple | None) -> Count:
    people = today[3] if today else 0
    if row is None:
        return Count(people)
    return Count(people, row[4], row[5], as_hours(json.loads(row[6])), as_hours(json.loads(row[7])))


def _rows(places: list[Organization], years: list[int], series: bool) -> list[tuple]:
    with replica.connection().cursor() as cursor:
        cursor.execute(
            _READ.format(
                rolled=f"t.series <> '{ALL_SERIES}'" if series else f"t.series = '{ALL_SERIES}'",
                series="series" if series else f"'{ALL_SERIES}'",
            ),
            {"ids": [one.pk for one in places], "years": years},
        )
        return cursor.fetchall()


# By the ids in the path, not by its beginning: a branch that just moved has changes under its old path, too.
_READ = """
WITH place AS (
    SELECT unnest(%(ids)s::bigint[]) AS id
), counted AS (
    SELECT t.organization_id AS id, t.year, t.series, t.people, t.begun, t.complete, t.hours, t.posted
      FROM credits_tally t
     WHERE t.organization_id = ANY(%(ids)s) AND t.year = ANY(%(years)s) AND {rolled}
    UNION ALL
    SELECT place.id, d.year, {series}, d.people, d.begun, d.complete, d.hours, d.posted
      FROM credits_tallydelta d, unnest(string_to_array(trim(both '/' from d.path), '/')) AS part
      JOIN place ON place.id = part::bigint
     WHERE d.year = ANY(%(years)s)
)
SELECT id, year, series, sum(people)::integer, sum(begun)::integer, sum(complete)::integer,
       credits_hours_sum(hours), credits_hours_sum(posted)
  FROM counted GROUP BY id, year, series
"""


@transaction.atomic
def fold(at_once: int = AT_ONCE) -> int:
    """Fold waiting changes into the counters of every organisation above them; returns how many changes.

    One folder at a time; a second one returns 0. Changes still under way when this reads are left for the next time.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [FOLD_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(_FOLD, {"at_once": at_once, "all": ALL_SERIES})
        return cursor.fetchone()[0]


_FOLD = """
WITH waiting AS (
    DELETE FROM credits_tallydelta
     WHERE id IN (SELECT id FROM credits_tallydelta ORDER BY id LIMIT %(at_once)s)
 RETURNING path, year, series, people, begun, complete, hours, posted
), placed AS (
    SELECT path, year, series, sum(people) AS people, sum(begun) AS begun, sum(complete) AS complete,
           credits_hours_sum(hours) AS hours, credits_hours_sum(posted) AS posted
      FROM waiting GROUP BY path, year, series
), above AS (
    SELECT place::bigint AS organization_id, year, unnest(ARRAY[series, %(all)s]) AS series,
           people, begun, complete, hours, posted
      FROM placed, unnest(string_to_array(trim(both '/' from path), '/')) AS place
), changed AS (
    INSERT INTO credits_tally (organization_id, year, series, people, begun, complete, hours, posted)
    SELECT organization_id, year, series, sum(people), sum(begun), sum(complete),
           credits_hours_sum(hours), credits_hours_sum(posted)
      FROM above GROUP BY organization_id, year, series ORDER BY organization_id, year, series
    ON CONFLICT (organization_id, year, series) DO UPDATE
       SET people = credits_tally.people + EXCLUDED.people,
           begun = credits_tally.begun + EXCLUDED.begun,
           complete = credits_tally.complete + EXCLUDED.complete,
           hours = credits_hours_add(credits_tally.hours, EXCLUDED.hours),
           posted = credits_hours_add(credits_tally.posted, EXCLUDED.posted)
)
SELECT count(*) FROM waiting
"""
