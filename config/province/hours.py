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


# Hours of record n of a person: public and professional of this year, professional of last year. Of this year's hours
# 64 % suffice in both subjects.
_PUBLIC = f"CASE WHEN {chance('1')} < 800 THEN 30 ELSE 12 END"
_PROFESSIONAL = f"CASE WHEN {chance('2')} < 800 THEN 60 ELSE 20 + {chance('4')} %% 40 END"
_LAST_YEAR = f"60 + {chance('3')} %% 30"
_HOURS = f"CASE k.n WHEN 1 THEN {_PUBLIC} WHEN 2 THEN {_PROFESSIONAL} ELSE {_LAST_YEAR} END"
_SUBJECT = "CASE k.n WHEN 1 THEN 'public' ELSE 'professional' END"
# What is entered peaks in the last months before today.
_DAY = f"""CASE WHEN k.n = 3 THEN make_date(%(year)s - 1, 12, 28) - ({chance("5")} %% 90)
     ELSE make_date(%(year)s, 1, 1)
          + floor(extract(doy FROM current_date - 1) * sqrt(({chance("6 + k.n")})::numeric / 1000))::integer END"""
# The records' numbers follow from the person's: so records and ledger are written at the same time.
_RECORD = "(p.id - (SELECT min(id) FROM orgs_practitioner)) * 3 + k.n"


def write_records(cursor, provider: int, year: int) -> None:
    """What the platform reported: public and professional of this year, professional of last year."""
    cursor.execute(_RECORDS, {"provider": provider, "year": year})


def write_ledger(cursor, year: int) -> None:
    """The entry of each record, and the sums of both years."""
    cursor.execute(_LEDGER, {"year": year})
    cursor.execute(_STANDINGS, {"year": year})


_RECORDS = f"""
INSERT INTO credits_intakerecord (id, provider_id, event_id, digest, person_index, person_hint, person_name,
    practitioner_id, year, subject, hours, title, started_on, completed_on, certificate_number, number_key, received_at)
SELECT {_RECORD}, %(provider)s, 'E' || p.id || '-' || k.n, md5(p.id || '-' || k.n), u.id_index, u.id_last4, u.name, p.id,
       %(year)s - (k.n = 3)::integer, {_SUBJECT}, {_HOURS},
       CASE k.n WHEN 1 THEN '公需科目年度课程' ELSE '专业科目年度课程' END,
       NULL, d.day, '', '', d.day + interval '10 hours'
  FROM orgs_practitioner p JOIN accounts_user u ON u.id = p.user_id
 CROSS JOIN generate_series(1, 3) AS k (n)
 CROSS JOIN LATERAL (SELECT {_DAY} AS day) d
"""
_LEDGER = f"""
INSERT INTO credits_ledgerentry (practitioner_id, year, subject, hours, verb, source, record_id, reason, at)
SELECT p.id, %(year)s - (k.n = 3)::integer, {_SUBJECT}, {_HOURS}, 'granted', 'import', {_RECORD}, '',
       {_DAY} + interval '10 hours'
  FROM orgs_practitioner p CROSS JOIN generate_series(1, 3) AS k (n)
"""
_STANDINGS = f"""
INSERT INTO credits_standing (practitioner_id, year, hours, imported, total, complete, relief)
SELECT id, one.year, one.hours, one.hours, one.total, one.complete, '[]'
  FROM (SELECT p.id, {_PUBLIC} AS public, {_PROFESSIONAL} AS professional, {_LAST_YEAR} AS before
          FROM orgs_practitioner p) p
 CROSS JOIN LATERAL (VALUES
     (%(year)s, jsonb_build_object('public', public || '.0', 'professional', professional || '.0'),
      public + professional, public >= 30 AND professional >= 60),
     (%(year)s - 1, jsonb_build_object('professional', before || '.0'), before, false)
 ) AS one (year, hours, total, complete)
"""


def write_tallies() -> None:
    """All counters anew from the people and their years: what the triggers would have left, rolled up."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE credits_tally, credits_tallydelta")
        cursor.execute(_TALLIES)


# First by employer, then upward: what a unit has is added to each place above it. Hours of a person are whole numbers here.
_TALLIES = """
CREATE TEMPORARY TABLE above AS
    SELECT o.id AS place, above::bigint AS organization_id
      FROM orgs_organization o, unnest(string_to_array(trim(both '/' from o.path), '/')) AS above;
CREATE TEMPORARY TABLE placed AS
    SELECT employer_id AS place, 0 AS year, coalesce(title_series_id, '') AS series, count(*) AS people, 0::bigint AS begun,
           0::bigint AS complete, 0::bigint AS public, 0::bigint AS professional
      FROM orgs_practitioner WHERE status = 'active' GROUP BY 1, 3
    UNION ALL
    SELECT p.employer_id, s.year, coalesce(p.title_series_id, ''), 0, count(*) FILTER (WHERE s.total > 0),
           count(*) FILTER (WHERE s.complete), coalesce(sum((s.hours->>'public')::numeric::integer), 0),
           coalesce(sum((s.hours->>'professional')::numeric::integer), 0)
      FROM orgs_practitioner p JOIN credits_standing s ON s.practitioner_id = p.id
     WHERE p.status = 'active' GROUP BY p.employer_id, s.year, p.title_series_id;
ANALYZE above; ANALYZE placed;
CREATE TEMPORARY TABLE summed AS
    SELECT a.organization_id, year, series, sum(people)::bigint AS people, sum(begun)::bigint AS begun,
           sum(complete)::bigint AS complete, sum(public)::bigint AS public, sum(professional)::bigint AS professional
      FROM placed JOIN above a USING (place) GROUP BY 1, 2, 3;
INSERT INTO summed
    SELECT organization_id, year, '*', sum(people), sum(begun), sum(complete), sum(public), sum(professional)
      FROM summed GROUP BY 1, 2;
INSERT INTO credits_tally (organization_id, year, series, people, begun, complete, hours, posted)
    SELECT organization_id, year, series, people, begun, complete,
           jsonb_strip_nulls(jsonb_build_object('public', CASE WHEN public > 0 THEN public || '.0' END,
                                                'professional', CASE WHEN professional > 0 THEN professional || '.0' END)),
           '{}'
      FROM summed ORDER BY organization_id, year, series;
DROP TABLE above, placed, summed
"""


def write_posted(year: int) -> None:
    """Hours by month of entry, of every place: the trend."""
    with connection.cursor() as cursor:
        cursor.execute(_POSTED, {"year": year})


_POSTED = """
WITH entered AS (
    SELECT p.employer_id AS place, coalesce(p.title_series_id, '') AS series,
           to_char(l.at AT TIME ZONE 'Asia/Shanghai', 'MM') AS month, sum(l.hours) AS hours
      FROM credits_ledgerentry l JOIN orgs_practitioner p ON p.id = l.practitioner_id
     WHERE l.at >= make_timestamptz(%(year)s, 1, 1, 0, 0, 0, 'Asia/Shanghai') AND p.status = 'active'
     GROUP BY 1, 2, 3
), summed AS (
    SELECT above::bigint AS organization_id, series, month, sum(hours) AS hours
      FROM entered e JOIN orgs_organization o ON o.id = e.place,
           unnest(string_to_array(trim(both '/' from o.path), '/')) AS above GROUP BY 1, 2, 3
), built AS (
    SELECT organization_id, series, jsonb_object_agg(month, hours::text) AS posted
      FROM (SELECT * FROM summed
            UNION ALL
            SELECT organization_id, '*', month, sum(hours) FROM summed GROUP BY 1, 3) every
     GROUP BY 1, 2
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
