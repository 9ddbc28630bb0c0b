"""The ledger, the sums it feeds, and whether a year is complete."""

import json

from django.db import connection

from accounts.consistency import counted, invariant
from credits.hours_field import as_hours
from credits.models import RulePack
from credits.required import is_met, rules_among

PIECE = 5_000

invariant(
    "I1",
    "年度学时等于学时账各科目之和",
    """
SELECT practitioner_id AS practitioner, year, subject, sum(ledger) AS ledger, sum(standing) AS standing
  FROM (SELECT practitioner_id, year, subject, hours AS ledger, 0 AS standing FROM credits_ledgerentry
        UNION ALL
        SELECT s.practitioner_id, s.year, one.key, 0, one.value::numeric
          FROM credits_standing s, jsonb_each_text(s.hours) one) both_
 GROUP BY practitioner_id, year, subject HAVING sum(ledger) <> sum(standing)
""",
)

invariant(
    "I1",
    "年度学时中平台对接的部分等于学时账中平台对接的之和",
    """
SELECT practitioner_id AS practitioner, year, subject, sum(ledger) AS ledger, sum(standing) AS standing
  FROM (SELECT practitioner_id, year, subject, hours AS ledger, 0 AS standing FROM credits_ledgerentry
         WHERE source = 'import'
        UNION ALL
        SELECT s.practitioner_id, s.year, one.key, 0, one.value::numeric
          FROM credits_standing s, jsonb_each_text(s.imported) one) both_
 GROUP BY practitioner_id, year, subject HAVING sum(ledger) <> sum(standing)
""",
)

invariant(
    "I1",
    "年度学时的合计等于各科目之和",
    "SELECT practitioner_id AS practitioner, year, total, credits_hours_total(hours) AS hours FROM credits_standing"
    " WHERE total <> credits_hours_total(hours)",
)

invariant(
    "I1",
    "撤销的学时不超过计入的，年度、科目、人员相同",
    """
SELECT back.id AS reversal, back.hours, was.id AS granted, was.hours AS granted_hours
  FROM credits_ledgerentry back
  LEFT JOIN credits_ledgerentry was ON was.verb = 'granted' AND was.source = back.source
        AND (was.declaration_id = back.declaration_id OR was.record_id = back.record_id)
 WHERE back.verb = 'reversed'
   AND (was.id IS NULL OR -back.hours > was.hours
        OR (back.practitioner_id, back.year, back.subject) <> (was.practitioner_id, was.year, was.subject))
""",
)

invariant(
    "I16",
    "学时在范围内，最多一位小数",
    """
SELECT 'ledger' AS what, id, hours FROM credits_ledgerentry
 WHERE hours = 0 OR abs(hours) > 200 OR hours <> round(hours, 1)
UNION ALL
SELECT 'declaration', application_id, hours FROM credits_declaration
 WHERE hours <= 0 OR hours > 200 OR hours <> round(hours, 1) OR lowered_to <> round(lowered_to, 1)
UNION ALL
SELECT 'record', id, hours FROM credits_intakerecord WHERE hours < 0 OR hours > 200 OR hours <> round(hours, 1)
UNION ALL
SELECT 'unit declaration', id, hours FROM credits_unitdeclaration
 WHERE hours <= 0 OR hours > 200 OR hours <> round(hours, 1)
UNION ALL
SELECT 'standing', s.id, one.value::numeric
  FROM credits_standing s, jsonb_each_text(s.hours || s.imported) one
 WHERE one.value::numeric < 0 OR one.value::numeric <> round(one.value::numeric, 1)
""",
)


@counted("I1", "是否达标与按现行规则重新计算的结果一致（等待重算的除外）")
def complete_as_measured():
    """Most people stand alike: each combination of rules, level and hours that occurs is measured once, as it comes by."""
    packs = list(RulePack.objects.published())
    bureaus = sorted({str(one.bureau_id) for one in packs if one.bureau_id})
    rules = {}
    with connection.chunked_cursor() as cursor:
        cursor.execute(_STANDING_ALIKE, {"bureaus": bureaus})
        while rows := cursor.fetchmany(PIECE):
            for above, series, level, year, hours, imported, relief, complete, people, first in rows:
                key = (f"/{above}/" if above else "/", series, year)
                if key not in rules:
                    rules[key] = rules_among(packs, *key)
                hours, imported, relief = (json.loads(one) for one in (hours, imported, relief))
                measured = is_met(rules[key], as_hours(hours), as_hours(imported), relief, level)
                if measured != complete:
                    more = f"等 {people} 人" if people > 1 else ""
                    yield f"practitioner {first}{more}，year {year}，complete {complete}，measured {measured}"


_STANDING_ALIKE = """
WITH place AS (
    SELECT o.id, (SELECT string_agg(part, '/' ORDER BY depth)
                    FROM unnest(string_to_array(trim(both '/' from o.path), '/')) WITH ORDINALITY AS one (part, depth)
                   WHERE part = ANY(%(bureaus)s)) AS above
      FROM orgs_organization o
)
SELECT place.above, p.title_series_id, p.title_level, s.year, s.hours::text, s.imported::text, s.relief::text, s.complete,
       count(*), min(p.id)
  FROM credits_standing s
  JOIN orgs_practitioner p ON p.id = s.practitioner_id
  JOIN place ON place.id = p.employer_id
 WHERE NOT EXISTS (SELECT FROM credits_recheck r WHERE r.practitioner_id = p.id)
 GROUP BY place.above, p.title_series_id, p.title_level, s.year, s.hours, s.imported, s.relief, s.complete
"""
