"""How many certificates a bureau issued today: read from the end of its own numbers, never counted through."""

import datetime

from django.db import connection
from django.utils import timezone

from credits.snapshot import PROVINCE
from credits.years import declarable_years, today
from orgs.models import Organization
from workflow.inbox import MOST


def issued_today(bureau: Organization) -> int:
    """At most MOST + 1. One query that looks at the last numbers of each year and no further."""
    begin = timezone.make_aware(datetime.datetime.combine(today(), datetime.time()))
    values = {
        "years": list(declarable_years()),
        "division": bureau.division_id or PROVINCE,
        "bureau": bureau.pk,
        "begin": begin,
        "most": MOST + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(_LATEST, values)
        return min(cursor.fetchone()[0], MOST + 1)


# Serials run without gaps per year and division, in the order of issue: credits.certificate_serial_once.
_LATEST = """
SELECT count(*)
  FROM unnest(%(years)s::smallint[]) AS asked (year)
 CROSS JOIN LATERAL (SELECT c.issued_at, c.organization_id FROM credits_certificate c
                      WHERE c.year = asked.year AND c.division = %(division)s
                      ORDER BY c.serial DESC LIMIT %(most)s) latest
 WHERE latest.organization_id = %(bureau)s AND latest.issued_at >= %(begin)s
"""
