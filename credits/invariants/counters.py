"""Counters of every organisation, year and title series: what is rolled up and what waits, against the people."""

from accounts.consistency import invariant

# Where people's paths are wrong (I5 names them) every place above them would differ: then this says nothing.
# One row per measure, so that a single sum tells the difference of each, whatever subjects there are.
_PLACED = """
    SELECT p.path, 0 AS year, coalesce(p.title_series_id, '') AS series, 'people' AS what, count(*)::numeric AS value
      FROM orgs_practitioner p WHERE p.status = 'active' GROUP BY p.path, p.title_series_id
    UNION ALL
    SELECT p.path, s.year, coalesce(p.title_series_id, ''), measure.what,
           sum(CASE measure.what WHEN 'begun' THEN (s.total > 0)::integer ELSE s.complete::integer END)
      FROM credits_standing s JOIN orgs_practitioner p ON p.id = s.practitioner_id
     CROSS JOIN (VALUES ('begun'), ('complete')) AS measure (what)
     WHERE p.status = 'active' GROUP BY p.path, s.year, p.title_series_id, measure.what
    UNION ALL
    SELECT p.path, s.year, coalesce(p.title_series_id, ''), 'hours ' || one.key, sum(one.value::numeric)
      FROM credits_standing s JOIN orgs_practitioner p ON p.id = s.practitioner_id, jsonb_each_text(s.hours) one
     WHERE p.status = 'active' GROUP BY p.path, s.year, p.title_series_id, one.key
"""
_MEASURES = """
    CROSS JOIN LATERAL (
        SELECT what, value FROM (VALUES ('people', t.people::numeric), ('begun', t.begun), ('complete', t.complete))
               AS measure (what, value)
        UNION ALL SELECT 'hours ' || key, value::numeric FROM jsonb_each_text(t.hours)
    ) AS one
"""
_ABOVE = "unnest(string_to_array(trim(both '/' from path), '/')) AS place"

invariant(
    "I1",
    "各机构的汇总计数等于其人员和年度学时",
    f"""
WITH placed AS ({_PLACED}), kept AS (
    SELECT t.organization_id, t.year, t.series, one.what, one.value FROM credits_tally t {_MEASURES}
    UNION ALL
    SELECT place::bigint, t.year, unnest(ARRAY[t.series, '*']), one.what, one.value
      FROM credits_tallydelta t {_MEASURES} CROSS JOIN LATERAL {_ABOVE}
), expected AS (
    SELECT place::bigint AS organization_id, year, unnest(ARRAY[series, '*']) AS series, what, value
      FROM placed, {_ABOVE}
)
SELECT organization_id AS organization, year, series, what, sum(counted) AS counted, sum(expected) AS expected
  FROM (SELECT organization_id, year, series, what, value AS counted, 0 AS expected FROM kept
        UNION ALL
        SELECT organization_id, year, series, what, 0, value FROM expected) both_
 WHERE NOT EXISTS (SELECT FROM orgs_practitioner p JOIN orgs_organization o ON o.id = p.employer_id WHERE p.path <> o.path)
 GROUP BY organization_id, year, series, what HAVING sum(counted) <> sum(expected)
""",  # noqa: S608
)

# By month of entry the ledger's own times prove nothing: a moment that was taken over from elsewhere is earlier than its
# counting. What is older than the first year that was counted may be in no counter, nor what was entered or taken back
# while somebody was not on the register. So the sum over all months is held against the ledger, up to those hours.
invariant(
    "I1",
    "根机构逐月计入的学时合计等于学时账（开始计数以前的和曾经离册的人员除外）",
    """
WITH doubtful AS (
    SELECT p.id FROM orgs_practitioner p WHERE p.status <> 'active'
    UNION
    SELECT h.id FROM orgs_historicalpractitioner h WHERE h.status IN ('closed', 'void')
), root AS (
    SELECT id FROM orgs_organization WHERE superior_id IS NULL
), counter AS (
    SELECT t.year, t.posted FROM credits_tally t JOIN root ON root.id = t.organization_id WHERE t.series = '*'
    UNION ALL
    SELECT year, posted FROM credits_tallydelta
), posted AS (
    SELECT coalesce(sum(one.value::numeric), 0) AS hours, min(counter.year) AS since
      FROM counter, jsonb_each_text(counter.posted) one
), entered AS (
    SELECT coalesce(sum(l.hours), 0) AS hours,
           coalesce(sum(abs(l.hours)) FILTER (
               WHERE doubtful.id IS NOT NULL
                  OR l.at < make_timestamptz(posted.since, 1, 1, 0, 0, 0, 'Asia/Shanghai')), 0) AS unclear
      FROM posted CROSS JOIN credits_ledgerentry l LEFT JOIN doubtful ON doubtful.id = l.practitioner_id
)
SELECT root.id AS organization, posted.hours AS posted, entered.hours AS ledger, entered.unclear
  FROM root, posted, entered WHERE abs(posted.hours - entered.hours) > entered.unclear
""",
)
