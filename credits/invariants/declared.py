"""Declarations: what was granted for them, lowered, counted in which year, and what a unit declared for its people."""

from django.db.models import Count, F, Min
from django.db.models.functions import ExtractYear

from accounts.consistency import counted, invariant
from credits.models import Declaration, RulePack
from credits.required import parsed

LATER = ("within", "spread")  # what may count in a year after it was over

invariant(
    "I2",
    "每件通过的申报恰好计入一次，没有通过的没有计入",
    """
SELECT d.application_id AS declaration, a.state, count(l.id) AS grants
  FROM credits_declaration d
  JOIN workflow_application a ON a.id = d.application_id
  LEFT JOIN credits_ledgerentry l ON l.declaration_id = d.application_id AND l.verb = 'granted'
 GROUP BY d.application_id, a.state HAVING count(l.id) <> (a.state = 'approved')::integer
""",
)

invariant(
    "I2",
    "计入的学时、年度、科目、人员与申报和最后的签字一致",
    """
SELECT l.id AS entry, d.application_id AS declaration
  FROM credits_ledgerentry l
  JOIN credits_declaration d ON d.application_id = l.declaration_id
  LEFT JOIN workflow_step s ON s.id = l.step_id
 WHERE l.verb = 'granted'
   AND ((l.hours, l.year, l.subject, l.practitioner_id)
        <> (coalesce(d.lowered_to, d.hours), d.year, d.subject, d.practitioner_id)
        OR (s.application_id, s.state, s.decided_by_id, s.approver_id)
           IS DISTINCT FROM (d.application_id, 'approved', l.decided_by_id, l.organization_id))
""",
)

invariant(
    "I2",
    "申报人就是申请所关于的人",
    "SELECT d.application_id AS declaration FROM credits_declaration d JOIN workflow_application a ON a.id = d.application_id"
    " WHERE a.kind <> 'hours-declaration' OR d.practitioner_id IS DISTINCT FROM a.practitioner_id",
)

invariant(
    "I16",
    "认定学时与调低的记录一致，一次比一次低",
    """
WITH lowered AS (
    SELECT l.*, lag(after) OVER one_declaration AS previous, lead(after) OVER one_declaration IS NULL AS is_last
      FROM credits_lowering l WINDOW one_declaration AS (PARTITION BY declaration_id ORDER BY at, step_id)
)
SELECT d.application_id AS declaration, d.hours, d.lowered_to, l.step_id AS step, l.before, l.after
  FROM credits_declaration d
  LEFT JOIN lowered l ON l.declaration_id = d.application_id
  LEFT JOIN workflow_step s ON s.id = l.step_id
 WHERE (l.step_id IS NULL AND d.lowered_to IS NOT NULL)
    OR (l.step_id IS NOT NULL
        AND (l.before <> coalesce(l.previous, d.hours)
             OR (l.is_last AND d.lowered_to IS DISTINCT FROM l.after)
             OR (s.application_id, s.state, s.decided_by_id) IS DISTINCT FROM (d.application_id, 'approved', l.by_id)))
""",
)

invariant(
    "I17",
    "申报和单位申报计入的年度不早于活动开始",
    """
SELECT 'declaration' AS what, application_id AS id, year, started_on, ended_on FROM credits_declaration
 WHERE year < extract(year FROM started_on) OR ended_on < started_on
UNION ALL
SELECT 'unit declaration', id, year, started_on, ended_on FROM credits_unitdeclaration
 WHERE year NOT BETWEEN extract(year FROM started_on) AND extract(year FROM ended_on)
""",
)


@counted("I17", "活动结束以后的年度只计可以延后计入的形式")
def counted_after_the_activity():
    """By the rule of the pack that each was reckoned under; packs of one text are read once."""
    late = (
        Declaration.objects.filter(year__gt=ExtractYear("ended_on"))
        .values("pack", code=F("kind__code"))
        .annotate(first=Min("application"), count=Count("pk"))
        .order_by("pack", "code")
    )
    for one in late.iterator():
        pack = RulePack.objects.filter(pk=one["pack"]).values_list("text", flat=True).first()
        rule = parsed(pack).activities.get(one["code"]) if pack else None
        if rule is None or rule.counts not in LATER:
            yield f"declaration {one['first']}，共 {one['count']} 件，kind {one['code']}"


invariant(
    "I2",
    "单位申报：已确认的恰好对应本人的一件申报，内容相同",
    """
SELECT u.id AS unit_declaration, r.id AS row, d.application_id AS declaration
  FROM credits_unitdeclarationperson r
  JOIN credits_unitdeclaration u ON u.id = r.unit_declaration_id
  FULL JOIN credits_declaration d ON d.application_id = r.declaration_id
 WHERE (r.id IS NOT NULL OR d.unit_declaration_id IS NOT NULL)
   AND (r.declaration_id IS NOT NULL OR r.id IS NULL)
   AND (d.unit_declaration_id, d.practitioner_id, d.year, d.subject, d.kind_id, d.title, d.started_on, d.ended_on)
       IS DISTINCT FROM (u.id, r.practitioner_id, u.year, u.subject, u.kind_id, u.title, u.started_on, u.ended_on)
""",
)

invariant(
    "I2",
    "单位申报：答复完整，撤销以后没有人再答复",
    """
SELECT u.id AS unit_declaration, r.id AS row, r.answer
  FROM credits_unitdeclarationperson r JOIN credits_unitdeclaration u ON u.id = r.unit_declaration_id
 WHERE (r.answer = 'waiting') <> (r.answered_at IS NULL)
    OR (r.answer = 'confirmed') <> (r.declaration_id IS NOT NULL)
    OR (r.answer = 'objected' AND r.objection = '')
    OR r.answered_at < u.at OR r.answered_at > u.cancelled_at
""",
)

invariant(
    "I2",
    "单位申报：单位的签字由提交人给出，不是本人",
    """
SELECT d.application_id AS declaration, s.id AS step
  FROM credits_declaration d
  JOIN credits_unitdeclaration u ON u.id = d.unit_declaration_id
  JOIN workflow_application a ON a.id = d.application_id
  LEFT JOIN workflow_step s ON s.application_id = d.application_id AND s."order" = 1
 WHERE s.id IS NULL OR s.decided_by_id = a.person_id
    OR (u.by_id <> a.person_id
        AND (s.state, s.decided_by_id, s.approver_id) IS DISTINCT FROM ('approved', u.by_id, u.organization_id))
""",
)

invariant(
    "I2",
    "单位申报的证明材料都在，已确认的申报都附有同样的文件",
    """
SELECT u.id AS unit_declaration, r.declaration_id AS declaration
  FROM credits_unitdeclaration u
  LEFT JOIN credits_unitdeclarationperson r ON r.unit_declaration_id = u.id AND r.declaration_id IS NOT NULL
 WHERE u.draft <> ''
   AND (NOT EXISTS (SELECT FROM workflow_attachment kept WHERE kept.draft = u.draft)
        OR (r.id IS NOT NULL AND EXISTS (
            SELECT FROM workflow_attachment kept WHERE kept.draft = u.draft AND NOT EXISTS (
                SELECT FROM workflow_attachment own
                 WHERE own.application_id = r.declaration_id AND own.sha256 = kept.sha256))))
""",
)
