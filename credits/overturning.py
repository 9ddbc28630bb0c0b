"""How often bureaus change what units and authorities approved: 谁审核谁负责, measured (F-102).

Of everything that a reviewer approved and the bureau decided afterwards: rejected there, lowered there, or granted and
later taken back. By month of the bureau's decision, reckoned anew every night for this month and the two before.
"""

import datetime

from django.db import connection, transaction
from procrastinate.contrib.django import app

from credits.years import today

MONTHS = 3


@app.periodic(cron="23 2 * * *", periodic_id="overturning")
@app.task(name="credits.overturning", queueing_lock="overturning")
def reckon_rates(timestamp: int = 0) -> None:
    """Replace the rates of the latest months. Safe to run twice."""
    first = today().replace(day=1)
    for _ in range(MONTHS - 1):
        first = (first - datetime.timedelta(days=1)).replace(day=1)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM credits_overturnrate WHERE month >= %s", [first])
        cursor.execute(_RATES, {"first": first})


_RATES = """
INSERT INTO credits_overturnrate (bureau_id, organization_id, user_id, month, decided, rejected, lowered, revoked)
SELECT last.approver_id, earlier.approver_id, earlier.decided_by_id,
       date_trunc('month', last.decided_at AT TIME ZONE 'Asia/Shanghai')::date,
       count(*), count(*) FILTER (WHERE last.state = 'rejected'), count(l.step_id), count(r.id)
  FROM workflow_step last
  JOIN workflow_application a ON a.id = last.application_id AND a.kind = 'hours-declaration'
  JOIN orgs_organization o ON o.id = last.approver_id AND o.kind = 'bureau'
  JOIN workflow_step earlier ON earlier.application_id = last.application_id AND earlier."order" < last."order"
       AND earlier.state = 'approved'
  LEFT JOIN credits_lowering l ON l.step_id = last.id
  LEFT JOIN credits_ledgerentry r ON r.declaration_id = a.id AND r.verb = 'reversed'
 WHERE last.decided_at >= (%(first)s::timestamp AT TIME ZONE 'Asia/Shanghai')
 GROUP BY 1, 2, 3, 4
"""
