"""Certificates: complete by their own snapshot, numbered without gaps, signed, one in force per person and year."""

from accounts.consistency import counted, invariant
from credits.models import Certificate
from credits.paper.content import numbered
from credits.verifying import is_genuine

PIECE = 2_000
_LAST = """
SELECT DISTINCT ON (e.certificate_id) e.certificate_id, e.state FROM credits_certificateevent e
 ORDER BY e.certificate_id, e.id DESC
"""

invariant(
    "I11",
    "证书：签发时每一项要求都已达到",
    """
SELECT c.id AS certificate, line ->> 0 AS line, line ->> 1 AS hours, line ->> 2 AS required
  FROM credits_certificate c, jsonb_array_elements(c.content -> 'lines') AS line
 WHERE (line ->> 1)::numeric < (line ->> 2)::numeric
UNION ALL
SELECT c.id, '', '', '' FROM credits_certificate c WHERE jsonb_array_length(c.content -> 'lines') = 0
""",
)

invariant(
    "I11",
    "证书：所载合计等于核定依据中各科目之和",
    """
SELECT c.id AS certificate, c.content -> 'lines' -> -1 ->> 1 AS printed, credits_hours_total(c.measured -> 'hours') AS measured
  FROM credits_certificate c
 WHERE (c.content -> 'lines' -> -1 ->> 1)::numeric IS DISTINCT FROM credits_hours_total(c.measured -> 'hours')
""",
)

invariant(
    "I11",
    "证书：有效的每人每年最多一张，所载学时没有被收回",
    f"""
WITH last AS ({_LAST}), valid AS (
    SELECT c.*, count(*) OVER (PARTITION BY c.practitioner_id, c.year) AS at_once
      FROM credits_certificate c JOIN last ON last.certificate_id = c.id AND last.state = 'valid'
)
SELECT v.id AS certificate, v.practitioner_id AS practitioner, v.year, v.at_once
  FROM valid v LEFT JOIN credits_standing s ON s.practitioner_id = v.practitioner_id AND s.year = v.year
 WHERE v.at_once > 1 OR EXISTS (
       SELECT FROM jsonb_each_text(v.measured -> 'hours') one
        WHERE coalesce((s.hours ->> one.key)::numeric, 0) < one.value::numeric)
""",  # noqa: S608
)

invariant(
    "I11",
    "证书：每张都有记录，第一条是签发，撤销和换发以后没有别的",
    """
SELECT c.id AS certificate, count(e.id) AS events
  FROM credits_certificate c
  LEFT JOIN (SELECT *, row_number() OVER one AS place, lead(state) OVER one AS following
               FROM credits_certificateevent WINDOW one AS (PARTITION BY certificate_id ORDER BY id)) e
         ON e.certificate_id = c.id
 GROUP BY c.id
HAVING count(e.id) = 0 OR bool_or(e.place = 1 AND e.state <> 'valid')
    OR bool_or(e.state IN ('revoked', 'replaced') AND e.following IS NOT NULL)
""",
)

invariant(
    "I12",
    "证书：每个年度和区划的编号从 1 起连续",
    """
SELECT year, division, min(serial) AS first, max(serial) AS last, count(*) AS certificates FROM credits_certificate
 GROUP BY year, division HAVING min(serial) <> 1 OR count(*) <> max(serial) OR count(DISTINCT serial) <> count(*)
""",
)


@counted("I12", "证书：编号与年度、区划、流水号一致，所载内容与签名一致", option="signatures")
def genuine(sample: int | None):
    """Newest and oldest alike: so many by chance, or all of them."""
    rows = Certificate.objects.order_by("?")[:sample] if sample else Certificate.objects.order_by("pk")
    for one in rows.iterator(chunk_size=PIECE):
        if one.number != numbered(one.year, one.division, one.serial) or not is_genuine(one):
            yield f"certificate {one.pk}"
