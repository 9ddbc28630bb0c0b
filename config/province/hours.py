"""The hours: three platform records for each person, the sums of their years, the counters, and declarations that wait.

Written by the database itself from arithmetic on ids, so that four million people take minutes and the same scale
always gives the same province.
"""

from django.db import connection

PENDING, DECIDED = "0.015", "0.025"  # share of the people with a declaration that waits, that was granted

# A number from 0 to 999 that only depends on the person and a salt.
_CHANCE = "(abs(hashint8extended({person}::bigint, {salt})) %% 1000)::integer"


def chance(salt: str, person: str = "p.id") -> str:
    return _CHANCE.format(person=person, salt=salt)


def write_hours(provider: int, year: int) -> None:
    """Records, ledger and standings of this year (public and professional) and last year (professional)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM credits_intakerecord")
        last = cursor.fetchone()[0]
        cursor.execute(_RECORDS, {"provider": provider, "year": year})
        cursor.execute(_LEDGER, {"after": last})
        cursor.execute(_STANDINGS, {"year": year})


# Of this year's hours 64 % suffice in both subjects; what is entered peaks in the last months before today.
_RECORDS = f"""
INSERT INTO credits_intakerecord (provider_id, event_id, digest, person_index, person_hint, person_name, practitioner_id,
    year, subject, hours, title, started_on, completed_on, certificate_number, number_key, received_at)
SELECT %(provider)s, 'E' || p.id || '-' || k.n, md5(p.id || '-' || k.n), u.id_index, u.id_last4, u.name, p.id,
       %(year)s - (k.n = 3)::integer,
       CASE k.n WHEN 1 THEN 'public' ELSE 'professional' END,
       CASE k.n WHEN 1 THEN CASE WHEN {chance("1")} < 800 THEN 30 ELSE 12 END
                WHEN 2 THEN CASE WHEN {chance("2")} < 800 THEN 60 ELSE 20 + {chance("4")} %% 40 END
                ELSE 60 + {chance("3")} %% 30 END,
       CASE k.n WHEN 1 THEN '公需科目年度课程' ELSE '专业科目年度课程' END,
       NULL, d.day, '', '', d.day + interval '10 hours'
  FROM orgs_practitioner p JOIN accounts_user u ON u.id = p.user_id
 CROSS JOIN generate_series(1, 3) AS k (n)
 CROSS JOIN LATERAL (SELECT CASE WHEN k.n = 3 THEN make_date(%(year)s - 1, 12, 28) - ({chance("5")} %% 90)
     ELSE make_date(%(year)s, 1, 1)
          + floor(extract(doy FROM current_date - 1) * sqrt(({chance("6 + k.n")})::numeric / 1000))::integer
     END AS day) d
 WHERE NOT EXISTS (SELECT FROM credits_intakerecord r WHERE r.practitioner_id = p.id)
"""
_LEDGER = """
INSERT INTO credits_ledgerentry (practitioner_id, year, subject, hours, verb, source, record_id, reason, at)
SELECT practitioner_id, year, subject, hours, 'granted', 'import', id, '', received_at
  FROM credits_intakerecord WHERE id > %(after)s
"""
_STANDINGS = """
INSERT INTO credits_standing (practitioner_id, year, hours, imported, total, complete, relief)
SELECT practitioner_id, year, hours, hours, public + professional,
       public >= 30 AND professional >= 60, '[]'
  FROM (SELECT practitioner_id, year, public, professional,
               jsonb_strip_nulls(jsonb_build_object(
                   'public', CASE WHEN public > 0 THEN public::text END,
                   'professional', professional::text)) AS hours
          FROM (SELECT practitioner_id, year,
                       coalesce(sum(hours) FILTER (WHERE subject = 'public'), 0) AS public,
                       coalesce(sum(hours) FILTER (WHERE subject = 'professional'), 0) AS professional
                  FROM credits_ledgerentry GROUP BY practitioner_id, year) summed) built
ON CONFLICT (practitioner_id, year) DO NOTHING
"""


def write_tallies() -> None:
    """All counters anew from the people and their years: what the triggers would have left, rolled up."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE credits_tally, credits_tallydelta")
        cursor.execute(_TALLIES)


_TALLIES = """
WITH people AS (
    SELECT id, path, coalesce(title_series_id, '') AS series FROM orgs_practitioner WHERE status = 'active'
), placed AS (
    SELECT path, 0 AS year, series, count(*) AS people, 0 AS begun, 0 AS complete, 0::numeric AS public,
           0::numeric AS professional
      FROM people GROUP BY path, series
    UNION ALL
    SELECT p.path, s.year, p.series, 0, count(*) FILTER (WHERE s.total > 0), count(*) FILTER (WHERE s.complete),
           coalesce(sum((s.hours->>'public')::numeric), 0), coalesce(sum((s.hours->>'professional')::numeric), 0)
      FROM people p JOIN credits_standing s ON s.practitioner_id = p.id GROUP BY p.path, s.year, p.series
), above AS (
    SELECT place::bigint AS organization_id, year, series, people, begun, complete, public, professional
      FROM placed, unnest(string_to_array(trim(both '/' from path), '/')) AS place
), summed AS (
    SELECT organization_id, year, coalesce(series, '*') AS series, sum(people) AS people, sum(begun) AS begun,
           sum(complete) AS complete, sum(public) AS public, sum(professional) AS professional
      FROM above GROUP BY GROUPING SETS ((organization_id, year, series), (organization_id, year))
)
INSERT INTO credits_tally (organization_id, year, series, people, begun, complete, hours, posted)
SELECT organization_id, year, series, people, begun, complete,
       jsonb_strip_nulls(jsonb_build_object('public', CASE WHEN public > 0 THEN public::text END,
                                            'professional', CASE WHEN professional > 0 THEN professional::text END)),
       '{}'
  FROM summed
"""


def write_posted(year: int) -> None:
    """Hours by month of entry, of every place: the trend."""
    with connection.cursor() as cursor:
        cursor.execute(_POSTED, {"year": year})


_POSTED = """
WITH entered AS (
    SELECT p.path, coalesce(p.title_series_id, '') AS series, to_char(l.at AT TIME ZONE 'Asia/Shanghai', 'MM') AS month,
           sum(l.hours) AS hours
      FROM credits_ledgerentry l JOIN orgs_practitioner p ON p.id = l.practitioner_id
     WHERE l.at >= make_timestamptz(%(year)s, 1, 1, 0, 0, 0, 'Asia/Shanghai') AND p.status = 'active'
     GROUP BY p.path, p.title_series_id, month
), above AS (
    SELECT place::bigint AS organization_id, series, month, hours
      FROM entered, unnest(string_to_array(trim(both '/' from path), '/')) AS place
), summed AS (
    SELECT organization_id, coalesce(series, '*') AS series, month, sum(hours) AS hours
      FROM above GROUP BY GROUPING SETS ((organization_id, series, month), (organization_id, month))
), built AS (
    SELECT organization_id, series, jsonb_object_agg(month, hours::text) AS posted FROM summed GROUP BY 1, 2
)
UPDATE credits_tally t SET posted = b.posted
  FROM built b WHERE t.organization_id = b.organization_id AND t.series = b.series AND t.year = %(year)s
"""


def write_declarations(year: int) -> None:
    """Declarations that wait at the unit or at the bureau, and others that were granted; with their steps and log."""
    with connection.cursor() as cursor:
        cursor.execute(_CHOSEN, {"pending": PENDING, "decided": DECIDED})
        cursor.execute(_APPLICATIONS)
        cursor.execute(_DECLARATIONS, {"year": year})
        cursor.execute(_STEPS)
        cursor.execute(_GRANTED, {"year": year})
        cursor.execute(_ADDED, {"year": year})


# Decided ones first: their standings are written before the counters are taken.
_CHOSEN = f"""
CREATE TEMPORARY TABLE chosen AS
SELECT p.id AS person, p.user_id, p.employer_id, b.id AS bureau, eu.user_id AS unit_admin, bu.user_id AS bureau_admin,
       row_number() OVER (ORDER BY p.id) + coalesce((SELECT max(id) FROM workflow_application), 0) AS application,
       c.share < %(pending)s::numeric * 1000 AS waits,
       {chance("11")} < 600 AS at_unit,
       now() - interval '1 day' - interval '1 hour' * ({chance("12")} %% 700) AS filed,
       8 + {chance("13")} %% 24 AS hours
  FROM orgs_practitioner p
 CROSS JOIN LATERAL (SELECT {chance("10")} AS share) c
  JOIN LATERAL (SELECT o.id FROM orgs_organization o
                 WHERE o.id = ANY(string_to_array(trim(both '/' from p.path), '/')::bigint[]) AND o.kind = 'bureau'
                 ORDER BY length(o.path) DESC LIMIT 1) b ON true
  JOIN orgs_orgadmin eu ON eu.organization_id = p.employer_id AND eu.is_super
  JOIN orgs_orgadmin bu ON bu.organization_id = b.id AND bu.is_super
 WHERE c.share < (%(pending)s::numeric + %(decided)s::numeric) * 1000
   AND NOT EXISTS (SELECT FROM workflow_application a WHERE a.practitioner_id = p.id)
"""
_APPLICATIONS = """
INSERT INTO workflow_application (id, kind, duty, state, summary, exclusive_key, confidential, submitted_at, closed_at,
    person_id, practitioner_id, submitted_by_id)
SELECT application, 'hours-declaration', 'hours', CASE WHEN waits THEN 'pending' ELSE 'approved' END,
       '参加学术论坛：示例学术论坛（专业 ' || hours || ' 学时）', '', false, filed,
       CASE WHEN NOT waits THEN filed + interval '20 hours' END, user_id, person, user_id FROM chosen
"""
_DECLARATIONS = """
INSERT INTO credits_declaration (application_id, practitioner_id, year, subject, kind_id, title, organiser, started_on,
    ended_on, level, variant, certificate_number, number_key, note, hours, stated_hours, reckoning, pack_id)
SELECT application, person, %(year)s, 'professional', (SELECT id FROM credits_activitykind WHERE code = 'academic-forum'),
       '示例学术论坛', '示例学会', (filed - interval '5 days')::date, (filed - interval '4 days')::date, '', '', '', '', '',
       hours, hours, '{}', (SELECT id FROM credits_rulepack WHERE state = 'published' AND bureau_id IS NULL LIMIT 1)
  FROM chosen
"""
_STEPS = """
INSERT INTO workflow_step (application_id, "order", title, duty, approver_id, person_id, state, opened_at, decided_by_id,
    decided_at, comment)
SELECT application, 1, '用人单位审核', 'hours', employer_id, user_id,
       CASE WHEN waits AND at_unit THEN 'open' ELSE 'approved' END, filed,
       CASE WHEN NOT (waits AND at_unit) THEN unit_admin END,
       CASE WHEN NOT (waits AND at_unit) THEN filed + interval '5 hours' END, '' FROM chosen
UNION ALL
SELECT application, 2, '人社部门审验', 'hours', bureau, user_id,
       CASE WHEN waits THEN CASE WHEN at_unit THEN 'waiting' ELSE 'open' END ELSE 'approved' END,
       CASE WHEN NOT (waits AND at_unit) THEN filed + interval '5 hours' END,
       CASE WHEN NOT waits THEN bureau_admin END,
       CASE WHEN NOT waits THEN filed + interval '20 hours' END, '' FROM chosen
"""
_GRANTED = """
INSERT INTO credits_ledgerentry (practitioner_id, year, subject, hours, verb, source, declaration_id, step_id,
    decided_by_id, organization_id, reason, at)
SELECT c.person, %(year)s, 'professional', c.hours, 'granted', 'declaration', c.application, s.id, c.bureau_admin, c.bureau,
       '', s.decided_at
  FROM chosen c JOIN workflow_step s ON s.application_id = c.application AND s."order" = 2 WHERE NOT c.waits
"""
_ADDED = """
UPDATE credits_standing s
   SET hours = credits_hours_add(s.hours, jsonb_build_object('professional', c.hours::text || '.0')),
       total = s.total + c.hours,
       complete = coalesce((s.hours->>'public')::numeric, 0) >= 30
                  AND coalesce((s.hours->>'professional')::numeric, 0) + c.hours >= 60
  FROM chosen c WHERE s.practitioner_id = c.person AND s.year = %(year)s AND NOT c.waits
"""


def write_log() -> None:
    """The log of these declarations, in the order it would have been written; the database chains it."""
    with connection.cursor() as cursor:
        cursor.execute(_LOG)
        cursor.execute("DROP TABLE chosen")


_LOG = """
INSERT INTO workflow_event (application_id, step_id, verb, user_id, organization_id, comment, at)
SELECT application, NULL, 'submit', user_id, NULL::bigint, '', filed FROM chosen
UNION ALL
SELECT s.application_id, s.id, 'approve', s.decided_by_id, s.approver_id, '', s.decided_at
  FROM chosen c JOIN workflow_step s ON s.application_id = c.application AND s.state = 'approved'
 ORDER BY 1, 7
"""
