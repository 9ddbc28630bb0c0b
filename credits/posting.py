"""Platforms' records and what they bring to people's years (F-106): a whole batch in a few statements, or one event.

With credits/ledger.py the only module that writes LedgerEntry or Standing, and the only one that writes IntakeRecord.
Whatever comes in twice is entered once: (provider, event) is unique, and so are a record's grant and its reversal.

Locks: the tree is held still, then every practitioner concerned in the order of their ids, whatever their status: who
is just being approved is met there, before or after. Whoever appears in between, with a new row or another number, is
found by credits/intake/attaching.py once both transactions are over.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.queue import enqueue
from credits.certificates import hours_changed
from credits.hours_field import as_hours
from credits.intake.judging import NAME_FITS, Arriving, Problem, Verdict, judge
from credits.models import RulePack
from credits.required import is_met, rules_among
from orgs.tree import hold_still

LOOK_AGAIN = "credits.attach_records"
LONGEST = "10min"  # of one statement: a batch takes longer than a page may


class NotEntered(Exception):
    """Nothing was entered, because of these problems."""

    def __init__(self, problems: list[Problem]):
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


@dataclass
class Entered:
    """The new records' ids, how many of the rows were known, how many wait for their person to register."""

    ids: list[int] = field(default_factory=list)
    known: int = 0
    waiting: int = 0


@transaction.atomic
def enter(arriving: Arriving) -> Entered:
    """Enter all of these rows or none (NotEntered): records, ledger, standings, certificates that changed by it."""
    hold_still()
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{LONGEST}'; SET LOCAL work_mem = '64MB'")
        cursor.execute(_LOCK.format(arriving=arriving.sql), arriving.parameters)
    verdict = judge(arriving)
    if verdict.problems:
        raise NotEntered(verdict.problems)
    if not verdict.new:
        return Entered(known=verdict.counts["known"])
    ids = _insert(arriving)
    if len(ids) < verdict.new:
        # Somebody entered some of these events in this moment: were they the same?
        verdict = _judged_again(arriving, verdict)
    _post(ids)
    waiting = verdict.counts["waiting"]
    if ids and waiting:
        enqueue(LOOK_AGAIN, [{"first": min(ids), "last": max(ids)}])
    return Entered(ids, sum(verdict.counts.values()) - len(ids), waiting)


def attach(practitioner_ids: Iterable[int]) -> int:
    """What was reported of these people before they registered is entered for them; returns how many records.

    The caller holds their row locks, taken in the order of their ids. Nothing happens to who is not approved, to a
    record with another name, and to one of a bureau's platform whose bureau is not above them.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ATTACH, {"people": list(practitioner_ids)})
        ids = [row[0] for row in cursor.fetchall()]
    if ids:
        _post(ids)
    return len(ids)


def _insert(arriving: Arriving) -> list[int]:
    values = {
        **arriving.parameters,
        "of_batch": arriving.batch.pk if arriving.batch else None,
        "of_key": arriving.key.pk if arriving.key else None,
        "now": timezone.now(),
    }
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_INSERT.format(arriving=arriving.sql), values)
            return [row[0] for row in cursor.fetchall()]
    except IntegrityError as error:
        # Of two corrections of one waiting record that come at once the database lets the first one through.
        if "corrects" not in str(error):
            raise
        raise NotEntered(judge(arriving).problems) from error


def _judged_again(arriving: Arriving, before: Verdict) -> Verdict:
    problems = [one for one in judge(arriving).problems if one.code == "event_conflict"]
    if problems:
        raise NotEntered(problems)
    return before


def _post(ids: list[int]) -> None:
    """Ledger and standings for records that were just entered or attached."""
    with connection.cursor() as cursor:
        values = {"ids": ids, "now": timezone.now()}
        # A correction takes back what the corrected record granted, once, and grants what it says itself. A record
        # that is corrected already when its person registers grants nothing any more.
        cursor.execute(_CORRECTING, values)
        correcting = [row[0] for row in cursor.fetchall()]
        cursor.execute(_CORRECTED, values)
        corrected = {row[0] for row in cursor.fetchall()}
        entries = []
        if correcting:
            cursor.execute(_TAKE_BACK, values | {"ids": correcting})
            entries += [row[0] for row in cursor.fetchall()]
        cursor.execute(_GRANT, values | {"ids": [one for one in ids if one not in corrected]})
        entries += [row[0] for row in cursor.fetchall()]
        if not entries:
            return
        met = _who_meets(entries)
        cursor.execute(_STANDINGS, {"entries": entries, **met})
        if correcting:
            cursor.execute(_TAKEN_BACK, {"entries": entries})
        taken_back = cursor.fetchall() if correcting else []
    for year, people in taken_back:
        hours_changed(people, year)


def _who_meets(entries: list[int]) -> dict[str, list]:
    """Of all different years that come about, those that are complete, column by column.

    Most people of a batch stand alike: each combination of place, series, level and hours is measured once.
    """
    packs = list(RulePack.objects.published())
    bureaus = {one.bureau_id for one in packs}
    rules: dict[tuple, object] = {}
    met: list[tuple] = []
    with connection.cursor() as cursor:
        cursor.execute(_DIFFERENT, {"entries": entries})
        # jsonb comes and goes as its text.
        for path, series, level, year, *texts in cursor:
            above = [part for part in path.strip("/").split("/") if part]
            key = (tuple(part for part in above if int(part) in bureaus), series, year)
            if key not in rules:
                rules[key] = rules_among(packs, path, series, year)
            hours, imported, relief = map(json.loads, texts)
            if is_met(rules[key], as_hours(hours), as_hours(imported), relief, level):
                met.append((path, series or "", level, year, *texts))
    columns = zip(*met, strict=True) if met else [()] * 7
    names = ("paths", "series", "levels", "years", "hours", "imported", "reliefs")
    return {name: list(column) for name, column in zip(names, columns, strict=True)}


# --- statements -----------------------------------------------------------------------------------------

# In the order of their ids, as everybody who locks many people does.
_LOCK = """
WITH concerned AS MATERIALIZED (
    SELECT here.id FROM ({arriving}) one
      JOIN accounts_user u ON u.id_index = one.person_index JOIN orgs_practitioner here ON here.user_id = u.id
    UNION
    SELECT target.practitioner_id FROM ({arriving}) one
      JOIN credits_intakerecord target
        ON target.provider_id = %(provider)s AND target.event_id = one.corrects_event
     WHERE one.corrects_event <> ''
)
SELECT count(*) FROM (
    SELECT p.id FROM concerned JOIN orgs_practitioner p ON p.id = concerned.id ORDER BY p.id FOR NO KEY UPDATE OF p
) locked
"""

# A correction is of the person whose record it corrects, also when their number was corrected meanwhile.
_INSERT = """
INSERT INTO credits_intakerecord (provider_id, event_id, digest, person_index, person_hint, person_name, practitioner_id,
       year, subject, hours, title, started_on, completed_on, certificate_number, number_key, corrects_id, batch_id,
       key_id, received_at)
SELECT %(provider)s, one.event_id, one.digest, one.person_index, one.person_hint, one.person_name,
       coalesce(target.practitioner_id, p.id),
       one.year, one.subject, one.hours, one.title, one.started_on, one.completed_on, one.certificate_number,
       one.number_key, target.id, %(of_batch)s, %(of_key)s, %(now)s
  FROM ({arriving}) one
  LEFT JOIN accounts_user u ON u.id_index = one.person_index
  LEFT JOIN orgs_practitioner p ON p.user_id = u.id AND p.status = 'active'
  LEFT JOIN credits_intakerecord target
         ON target.provider_id = %(provider)s AND target.event_id = one.corrects_event AND one.corrects_event <> ''
 ORDER BY one.event_id
    ON CONFLICT (provider_id, event_id) DO NOTHING
RETURNING id
"""

_ATTACH = f"""
UPDATE credits_intakerecord r SET practitioner_id = p.id
  FROM orgs_practitioner p JOIN accounts_user u ON u.id = p.user_id, credits_provider v
  LEFT JOIN orgs_organization bureau ON bureau.id = v.bureau_id
 WHERE p.id = ANY(%(people)s) AND p.status = 'active' AND r.practitioner_id IS NULL AND r.person_index = u.id_index
   AND v.id = r.provider_id AND starts_with(p.path, coalesce(bureau.path, '')) AND {NAME_FITS}
RETURNING r.id
"""  # noqa: S608

# `= ANY` of a hundred thousand numbers is compared one by one where the planner takes a table to be small.
_CORRECTING = """
SELECT r.id FROM unnest(%(ids)s::bigint[]) AS one (id) JOIN credits_intakerecord r ON r.id = one.id
 WHERE r.corrects_id IS NOT NULL
"""
_CORRECTED = """
SELECT r.corrects_id FROM unnest(%(ids)s::bigint[]) AS one (id) JOIN credits_intakerecord r ON r.corrects_id = one.id
"""
_TAKE_BACK = """
INSERT INTO credits_ledgerentry (practitioner_id, year, subject, hours, verb, source, record_id, reason, at)
SELECT was.practitioner_id, was.year, was.subject, -was.hours, 'reversed', 'import', was.record_id,
       CASE WHEN r.hours > 0 THEN '学习平台更正' ELSE '学习平台撤回' END || '（事件 ' || r.event_id || '）', %(now)s
  FROM unnest(%(ids)s::bigint[]) AS one (id) JOIN credits_intakerecord r ON r.id = one.id
  JOIN credits_ledgerentry was ON was.record_id = r.corrects_id AND was.verb = 'granted'
 WHERE NOT EXISTS (SELECT FROM credits_ledgerentry back WHERE back.record_id = r.corrects_id AND back.verb = 'reversed')
RETURNING id
"""
_GRANT = """
INSERT INTO credits_ledgerentry (practitioner_id, year, subject, hours, verb, source, record_id, reason, at)
SELECT r.practitioner_id, r.year, r.subject, r.hours, 'granted', 'import', r.id, '', %(now)s
  FROM unnest(%(ids)s::bigint[]) AS one (id) JOIN credits_intakerecord r ON r.id = one.id
 WHERE r.practitioner_id IS NOT NULL AND r.hours > 0
RETURNING id
"""

# By subject, row by row: the function credits_hours_add costs thirty times as much where it is called for each person.
_AFTER = """
WITH entered AS MATERIALIZED (
    SELECT l.practitioner_id, l.year, l.subject, sum(l.hours) AS hours
      FROM unnest(%(entries)s::bigint[]) AS one (id) JOIN credits_ledgerentry l ON l.id = one.id GROUP BY 1, 2, 3
), touched AS MATERIALIZED (
    SELECT p.id AS practitioner_id, one.year, coalesce(s.hours, '{}') AS hours, coalesce(s.imported, '{}') AS imported,
           coalesce(s.relief, '[]') AS relief, p.path, coalesce(p.title_series_id, '') AS series, p.title_level AS level
      FROM (SELECT DISTINCT practitioner_id, year FROM entered) one
      JOIN orgs_practitioner p ON p.id = one.practitioner_id
      LEFT JOIN credits_standing s ON s.practitioner_id = one.practitioner_id AND s.year = one.year
), by_subject AS (
    SELECT practitioner_id, year, subject, sum(hours) AS hours, sum(imported) AS imported
      FROM (SELECT practitioner_id, year, subject, hours, hours AS imported FROM entered
            UNION ALL
            SELECT practitioner_id, year, key, value::numeric, 0 FROM touched, jsonb_each_text(hours)
            UNION ALL
            SELECT practitioner_id, year, key, 0, value::numeric FROM touched, jsonb_each_text(imported)) one
     GROUP BY 1, 2, 3
), sums AS (
    SELECT practitioner_id, year, sum(hours) AS total,
           coalesce(jsonb_object_agg(subject, hours::text) FILTER (WHERE hours <> 0), '{}') AS hours,
           coalesce(jsonb_object_agg(subject, imported::text) FILTER (WHERE imported <> 0), '{}') AS imported
      FROM by_subject GROUP BY 1, 2
), after AS MATERIALIZED (
    SELECT practitioner_id, year, relief, path, series, level, sums.total, sums.hours, sums.imported
      FROM touched JOIN sums USING (practitioner_id, year)
)
"""

_DIFFERENT = (
    _AFTER
    + """
SELECT DISTINCT path, nullif(series, ''), level, year, hours, imported, relief FROM after
"""
)

_STANDINGS = (
    _AFTER
    + """
INSERT INTO credits_standing (practitioner_id, year, hours, imported, total, complete, relief)
SELECT practitioner_id, year, hours, imported, total, met.path IS NOT NULL, relief
  FROM after LEFT JOIN unnest(%(paths)s::text[], %(series)s::text[], %(levels)s::text[], %(years)s::integer[],
                              %(hours)s::jsonb[], %(imported)s::jsonb[], %(reliefs)s::jsonb[])
                    AS met (path, series, level, year, hours, imported, relief)
       USING (path, series, level, year, hours, imported, relief)
 ORDER BY practitioner_id, year
    ON CONFLICT (practitioner_id, year) DO UPDATE
   SET hours = EXCLUDED.hours, imported = EXCLUDED.imported, total = EXCLUDED.total, complete = EXCLUDED.complete
"""
)

_TAKEN_BACK = """
SELECT l.year, array_agg(DISTINCT l.practitioner_id)
  FROM unnest(%(entries)s::bigint[]) AS one (id) JOIN credits_ledgerentry l ON l.id = one.id
 WHERE l.verb = 'reversed' GROUP BY l.year
"""
