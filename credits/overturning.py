"""How often bureaus change what units and authorities approved: 谁审核谁负责, measured (F-102).

Of everything that a reviewer approved and the bureau then looked at: rejected there, lowered there, or granted and
later taken back. What a draw let through unseen (抽查) was looked at by nobody and is no part of it, unless somebody
took it back. By month of the bureau's decision, reckoned anew every night: this month and the two before, and every
month that a revocation of these months reaches back to.
"""

import datetime

from django.db import connection, transaction
from procrastinate.contrib.django import app

from credits.years import today

MONTHS = 3


@app.periodic(cron="23 2 * * *", periodic_id="overturning")
@app.task(name="credits.overturning", queueing_lock="overturning")
def reckon_rates(timestamp: int = 0) -> None:
    """Replace the rates of the months that may have changed. Safe to run twice."""
    months = {today().replace(day=1)}
    for _ in range(MONTHS - 1):
        months.add((min(months) - datetime.timedelta(days=1)).replace(day=1))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_REACHED, {"first": min(months)})
        months |= {month for (month,) in cursor.fetchall()}
        for month in sorted(months):
            until = (month + datetime.timedelta(days=31)).replace(day=1)
            cursor.execute("DELETE FROM credits_overturnrate WHERE month = %s", [month])
            cursor.execute(_RATES, {"month": month, "until": until})


# The months of the decisions that revocations since `first` took back.
_REACHED = """
SELECT DISTINCT date_trunc('month', s.decided_at AT TIME ZONE 'Asia/Shanghai')::date
  FROM credits_ledgerentry r
  JOIN workflow_step s ON s.application_id = r.declaration_id AND s.decided_at IS NOT NULL
  JOIN orgs_organization o ON o.id = s.approver_id AND o.kind = 'bureau'
 WHERE r.verb = 'reversed' AND r.declaration_id IS NOT NULL
   AND r.at >= (%(first)s::timestamp AT TIME ZONE 'Asia/Shanghai')
"""

_RATES = """
INSERT INTO credits_overturnrate (bureau_id, organization_id, user_id, month, decided, rejected, lowered, revoked)
SELECT last.approver_id, earlier.approver_id, earlier.decided_by_id, %(month)s,
       count(*), count(*) FILTER (WHERE last.state = 'rejected'), count(l.step_id), count(r.id)
  FROM workflow_step last
  JOIN workflow_application a ON a.id = last.application_id AND a.kind = 'hours-declaration'
  JOIN orgs_organization o ON o.id = last.approver_id AND o.kind = 'bureau'
  JOIN workflow_step earlier ON earlier.application_id = last.application_id AND earlier."order" < last."order"
       AND earlier.state = 'approved'
  LEFT JOIN credits_lowering l ON l.step_id = last.id
  LEFT JOIN credits_ledgerentry r ON r.declaration_id = a.id AND r.verb = 'reversed'
 WHERE last.decided_at >= (%(month)s::timestamp AT TIME ZONE 'Asia/Shanghai')
   AND last.decided_at < (%(until)s::timestamp AT TIME ZONE 'Asia/Shanghai')
   AND (last.state <> 'approved' OR l.step_id IS NOT NULL OR r.id IS NOT NULL
        OR NOT EXISTS (SELECT FROM credits_sampleitem i WHERE i.step_id = last.id AND NOT i.sampled)
        OR EXISTS (SELECT FROM credits_sampleitem i WHERE i.step_id = last.id AND i.sampled))
 GROUP BY 1, 2, 3
"""
