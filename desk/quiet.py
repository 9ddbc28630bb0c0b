"""Units right below an authority where nobody has logged in for a month (screens.md §2.1)."""

import datetime
from typing import NamedTuple

from django.db import connection
from django.urls import reverse
from django.utils import timezone

from orgs.models import Organization
from workflow.inbox import MOST
from workflow.wording import shown_date

DAYS = 30
LOOKED_AT = 1_000  # units right below; an authority has a few hundred


class Quiet(NamedTuple):
    """One unit, ready to print. `since` says when any of its admins logged in last, or 从未登录."""

    url: str
    name: str
    phone: str
    since: str


def quiet_below(top: Organization) -> list[Quiet]:
    """At most MOST + 1 of them, in the order they came. One query that looks at LOOKED_AT units and no further.

    Who never logged in counts from the day the unit was entered. Units without an admin are another matter: they stand under
    没有管理员.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _QUIET,
            {
                "top": top.pk,
                "before": timezone.now() - datetime.timedelta(days=DAYS),
                "looked_at": LOOKED_AT,
                "most": MOST + 1,
            },
        )
        return [
            Quiet(
                reverse("desk:organization", args=[pk]),
                name,
                phone,
                f"最近登录 {shown_date(last)}" if last else "从未登录",
            )
            for pk, name, phone, last in cursor.fetchall()
        ]


_QUIET = """
SELECT one.id, one.name, one.phone, admins.last
  FROM (SELECT o.id, o.name, o.phone, o.created_at FROM orgs_organization o
         WHERE o.superior_id = %(top)s AND o.status = 'active' ORDER BY o.id LIMIT %(looked_at)s) one
 CROSS JOIN LATERAL (SELECT count(*), max(u.last_login) AS last
                       FROM orgs_orgadmin a JOIN accounts_roleaccount r ON r.id = a.account_id AND r.status = 'active'
                       JOIN accounts_user u ON u.id = a.user_id
                      WHERE a.organization_id = one.id) admins
 WHERE admins.count > 0 AND coalesce(admins.last, one.created_at) < %(before)s
 ORDER BY one.id LIMIT %(most)s
"""
