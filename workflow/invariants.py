"""What must always be true of applications, their steps, their log and their files (trust.md 4.2). Floor 2."""

from collections.abc import Iterator

from accounts.consistency import counted, invariant
from workflow.chain import DECISION_WITHOUT_EVENT, STATE_IS_NOT_THE_LAST_EVENT, broken_links
from workflow.flow import all_flows, kinds_alone
from workflow.sealing import broken_seals

# --- I3, I4: what is said twice is said alike; the log is whole -------------------------------------------

invariant("I3", "申请的状态与最后一条办理记录相符", STATE_IS_NOT_THE_LAST_EVENT)
invariant("I3", "每个决定都有相符的办理记录", DECISION_WITHOUT_EVENT)
invariant(
    "I3",
    "每条审核记录都有相符的环节，一个环节只决定一次",
    """
    SELECT event.application_id AS 申请, min(event.id) AS 办理记录
      FROM workflow_event event LEFT JOIN workflow_step step ON step.id = event.step_id
     WHERE event.verb IN ('approve', 'reject')
     GROUP BY event.application_id, event.step_id, step.id
    HAVING count(*) > 1 OR step.id IS NULL OR step.application_id <> event.application_id
        OR step.state <> CASE min(event.verb) WHEN 'approve' THEN 'approved' ELSE 'rejected' END
    """,
)
invariant(
    "I3",
    "环节的状态与申请的状态相符",
    """
    SELECT application.id AS 申请, application.state AS 状态, string_agg(step.state, ', ' ORDER BY step."order") AS 环节
      FROM workflow_application application LEFT JOIN workflow_step step ON step.application_id = application.id
     GROUP BY application.id
    HAVING NOT CASE application.state
           WHEN 'pending' THEN bool_or(coalesce(step.state, '') = 'open')
                AND bool_and(step.state IN ('open', 'waiting', 'approved'))
           WHEN 'approved' THEN bool_and(coalesce(step.state, '') = 'approved')
           WHEN 'rejected' THEN count(*) FILTER (WHERE step.state = 'rejected') = 1
                AND bool_and(step.state IN ('approved', 'rejected', 'closed'))
           ELSE bool_and(coalesce(step.state, 'closed') IN ('approved', 'closed')) END
    """,
)
invariant(
    "I3",
    "打开的环节都在最前的次序上",
    """
    SELECT step.application_id AS 申请, step.id AS 环节 FROM workflow_step step
     WHERE step.state = 'open'
       AND EXISTS (SELECT FROM workflow_step earlier WHERE earlier.application_id = step.application_id
                      AND earlier."order" < step."order" AND earlier.state <> 'approved')
    """,
)


@counted("I4", "办理记录的链没有断，每天的封存与记录相符")
def broken_chain() -> Iterator[str]:
    for broken in (*broken_links(), *broken_seals()):
        yield str(broken)


# --- I7, I8, I22: one at a time ----------------------------------------------------------------------------

_SUBJECT = "coalesce('人员 ' || practitioner_id, '机构 ' || organization_id)"
invariant(
    "I7",
    "同一对象的同类申请同时最多一件（单位调转等）",
    f"SELECT {_SUBJECT} AS 对象, kind AS 类型, string_agg(id::text, ', ' ORDER BY id) AS 申请"  # noqa: S608
    " FROM workflow_application WHERE state = 'pending' AND kind = ANY(%s)"
    f" GROUP BY {_SUBJECT}, kind HAVING count(*) > 1",
    lambda: [[flow.kind for flow in all_flows() if flow.exclusive]],
)
invariant(
    "I8",
    "调转审核期间没有其他待审核的申请",
    f"SELECT {_SUBJECT} AS 对象, string_agg(id::text, ', ' ORDER BY id) AS 申请"  # noqa: S608
    f" FROM workflow_application WHERE state = 'pending' GROUP BY {_SUBJECT}"
    " HAVING count(*) > 1 AND bool_or(kind = ANY(%s))",
    lambda: [kinds_alone()],
)
invariant(
    "I22",
    "排他的标记只属于一件待审核的申请",
    "SELECT string_agg(id::text, ', ' ORDER BY id) AS 申请 FROM workflow_application"
    " WHERE state = 'pending' AND exclusive_key <> '' GROUP BY exclusive_key HAVING count(*) > 1",
)

# --- I9, I10, I18: who signs --------------------------------------------------------------------------------

invariant(
    "I9",
    "没有人审核自己的申请",
    """
    SELECT step.application_id AS 申请, step.id AS 环节, step.decided_by_id AS 审核人
      FROM workflow_step step JOIN workflow_application application ON application.id = step.application_id
      LEFT JOIN orgs_practitioner person ON person.id = application.practitioner_id
     WHERE step.decided_by_id IN (step.person_id, application.person_id, person.user_id)
        OR step.person_id <> application.person_id
    UNION ALL
    SELECT event.application_id, event.step_id, event.user_id
      FROM workflow_event event JOIN workflow_application application ON application.id = event.application_id
     WHERE event.verb IN ('approve', 'reject') AND event.user_id = application.person_id
    """,
)
# The history of who was admin of what begins with the platform; the log names for whom somebody acted. What was
# granted by submitting is in the log as the submission.
invariant(
    "I10",
    "办理人当时是办理单位的管理员，审核时持有该项权限",
    """
    SELECT event.application_id AS 申请, event.id AS 办理记录, event.user_id AS 办理人
      FROM workflow_event event
      JOIN workflow_application application ON application.id = event.application_id
      LEFT JOIN workflow_step step ON step.id = event.step_id
      LEFT JOIN LATERAL (
           SELECT history_type, is_super, duties FROM orgs_historicalorgadmin
            WHERE organization_id = event.organization_id AND user_id = event.user_id AND history_date <= event.at
            ORDER BY history_date DESC, history_id DESC LIMIT 1
      ) was ON true
     WHERE event.organization_id IS NOT NULL
       AND (coalesce(was.history_type, '-') = '-'
            OR event.verb IN ('approve', 'reject')
               AND NOT (event.organization_id = step.approver_id
                        AND (was.is_super OR application.duty = ANY(was.duties))))
    """,
)
invariant(
    "I10",
    "审核都是以审核单位的名义",
    "SELECT application_id AS 申请, id AS 办理记录 FROM workflow_event"
    " WHERE verb IN ('approve', 'reject') AND organization_id IS NULL",
)
invariant(
    "I18",
    "待审核的环节所在单位都正常",
    "SELECT step.application_id AS 申请, step.id AS 环节, unit.id AS 审核单位, unit.status AS 状态"
    " FROM workflow_step step JOIN orgs_organization unit ON unit.id = step.approver_id"
    " WHERE step.state IN ('open', 'waiting') AND unit.status <> 'active'",
)

# --- I15: files -----------------------------------------------------------------------------------------------

invariant(
    "I15",
    "每个附件属于一件申请或一份草稿",
    "SELECT id AS 附件 FROM workflow_attachment WHERE (application_id IS NULL) = (draft = '')",
)
