"""What platforms reported: entered exactly once for who is registered, never before, taken back once by its correction."""

from accounts.consistency import invariant

_ENTERED = """
SELECT r.id AS record, r.practitioner_id AS practitioner, r.hours,
       count(l.id) FILTER (WHERE l.verb = 'granted') AS grants,
       count(l.id) FILTER (WHERE l.verb = 'reversed') AS reversals,
       later.id AS correction
  FROM credits_intakerecord r
  LEFT JOIN credits_ledgerentry l ON l.record_id = r.id
  LEFT JOIN credits_intakerecord later ON later.corrects_id = r.id
 GROUP BY r.id, later.id
"""

invariant(
    "I2",
    "平台记录：等待注册的没有计入，已对应到人的恰好计入一次",
    f"""
SELECT * FROM ({_ENTERED}) entered
 WHERE CASE WHEN practitioner IS NULL THEN grants + reversals > 0
            WHEN hours = 0 THEN grants > 0
            WHEN correction IS NULL THEN grants <> 1
            ELSE grants > 1 END
""",  # noqa: S608
)

invariant(
    "I2",
    "平台记录：被更正的已撤销一次，没有被更正的没有撤销",
    f"""
SELECT * FROM ({_ENTERED}) entered
 WHERE practitioner IS NOT NULL AND reversals <> CASE WHEN correction IS NULL THEN 0 ELSE grants END
""",  # noqa: S608
)

invariant(
    "I17",
    "平台记录：学时账中的年度、科目、人员、学时与记录相同",
    """
SELECT l.id AS entry, r.id AS record
  FROM credits_ledgerentry l JOIN credits_intakerecord r ON r.id = l.record_id
 WHERE (l.practitioner_id, l.year, l.subject, abs(l.hours))
       IS DISTINCT FROM (r.practitioner_id, r.year, r.subject, r.hours)
""",
)

invariant(
    "I17",
    "平台记录：完成日期不早于计入的年度，更正的是同一平台同一人的记录",
    """
SELECT r.id AS record, r.year, r.completed_on, was.id AS corrected
  FROM credits_intakerecord r LEFT JOIN credits_intakerecord was ON was.id = r.corrects_id
 WHERE extract(year FROM r.completed_on) < r.year
    OR (was.id IS NOT NULL AND (was.provider_id <> r.provider_id
        OR (was.practitioner_id IS NOT NULL AND was.practitioner_id IS DISTINCT FROM r.practitioner_id)))
""",
)
