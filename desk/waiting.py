"""What waits below an organisation, and where nobody looks after it (screens.md §2.1): counted anew every minute.

A home page would otherwise aggregate all open steps of its branch at each click. The worker counts them all in one
statement: half a second for a province of four million people, whatever moved or changed meanwhile. Beside the own
queue, which every page counts itself, the figures of a branch are therefore at most a minute old.
"""

import datetime
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from procrastinate.contrib.django import app

from credits.years import today
from desk.addresses import for_each
from desk.models import Waiting
from orgs.actor import Actor
from orgs.models import Organization
from workflow.flow import all_flows
from workflow.models import Application, Step, StepState
from workflow.wording import NOTHING, days_waited, short_wait, shown_date

LOCK = 722262
ONLY = {"late": "超过承诺时限的", "unattended": "无人审核的"}


@app.periodic(cron="* * * * *", periodic_id="waiting")
@app.task(name="desk.count_waiting", queueing_lock="waiting")
def count_waiting(timestamp: int = 0) -> None:
    refresh()


def begin_of(days_ago: int) -> datetime.datetime:
    """What was opened before this moment has waited for more than so many days, as pages count them (days_waited)."""
    return timezone.make_aware(
        datetime.datetime.combine(today() - datetime.timedelta(days=days_ago), datetime.time())
    )


@transaction.atomic
def refresh() -> None:
    """Count everything again; only what changed is written. Safe to run twice, one at a time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if cursor.fetchone()[0]:
            cursor.execute(
                _COUNT,
                {"late": begin_of(settings.PROMISED_DAYS), "unattended": begin_of(settings.UNATTENDED_DAYS)},
            )


_COUNT = """
WITH own AS (
    SELECT approver_id AS id, count(*) AS waiting, count(*) FILTER (WHERE opened_at < %(late)s) AS late,
           min(opened_at) AS oldest
      FROM workflow_step WHERE state = 'open' GROUP BY approver_id
), below AS (
    SELECT part::bigint AS id, sum(own.waiting) AS waiting, sum(own.late) AS late
      FROM own JOIN orgs_organization o ON o.id = own.id,
           unnest(string_to_array(trim(both '/' from o.path), '/')) AS part
     GROUP BY 1
), headless AS (
    SELECT o.id FROM orgs_organization o
     WHERE o.status = 'active' AND NOT EXISTS (
        SELECT FROM orgs_orgadmin a JOIN accounts_roleaccount r ON r.id = a.account_id
         WHERE a.organization_id = o.id AND r.status = 'active')
), counted AS (
    SELECT o.id, o.path, coalesce(own.waiting, 0) AS waiting, coalesce(own.late, 0) AS late, own.oldest,
           coalesce(below.waiting, 0) AS waiting_below, coalesce(below.late, 0) AS late_below,
           headless.id IS NOT NULL AS headless,
           headless.id IS NOT NULL OR coalesce(own.oldest < %(unattended)s, false) AS unattended
      FROM below FULL JOIN headless ON headless.id = below.id
      JOIN orgs_organization o ON o.id = coalesce(below.id, headless.id)
      LEFT JOIN own ON own.id = o.id
), gone AS (
    DELETE FROM desk_waiting w WHERE NOT EXISTS (SELECT FROM counted WHERE counted.id = w.organization_id)
)
INSERT INTO desk_waiting AS w (organization_id, path, waiting, late, oldest, waiting_below, late_below, headless, unattended)
SELECT * FROM counted
    ON CONFLICT (organization_id) DO UPDATE
   SET path = EXCLUDED.path, waiting = EXCLUDED.waiting, late = EXCLUDED.late, oldest = EXCLUDED.oldest,
       waiting_below = EXCLUDED.waiting_below, late_below = EXCLUDED.late_below, headless = EXCLUDED.headless,
       unattended = EXCLUDED.unattended
 WHERE (w.path, w.waiting, w.late, w.oldest, w.waiting_below, w.late_below, w.headless, w.unattended)
       IS DISTINCT FROM (EXCLUDED.path, EXCLUDED.waiting, EXCLUDED.late, EXCLUDED.oldest, EXCLUDED.waiting_below,
                         EXCLUDED.late_below, EXCLUDED.headless, EXCLUDED.unattended)
"""


class Late(NamedTuple):
    """How much waits longer than promised: in an organisation itself, and in its branch with it."""

    own: int = 0
    below: int = 0


def late_in(organizations: list[int]) -> dict[int, Late]:
    """The same of each of these organisations. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_LATE, [organizations])
        return {pk: Late(own or 0, below or 0) for pk, own, below in cursor.fetchall()}


# LIMIT keeps each a look-up of its own: no plan reads the whole table for a few rows.
_LATE = """
SELECT one.id, w.late, w.late_below
  FROM unnest(%s::bigint[]) AS one (id)
  LEFT JOIN LATERAL (SELECT late, late_below FROM desk_waiting WHERE organization_id = one.id LIMIT 1) w ON true
"""


def below(top: Organization, only: str = "") -> QuerySet:
    """Organisations below `top` where something waits, as dicts for `reach.page`; `only`: one of ONLY."""
    rows = Waiting.objects.filter(path__startswith=top.path).exclude(pk=top.pk)
    rows = rows.filter(
        **{"late": {"late__gt": 0}, "unattended": {"unattended": True}}.get(only, {"waiting__gt": 0})
    )
    return rows.values(
        "pk",
        "waiting",
        "late",
        "oldest",
        "headless",
        place=F("path"),
        person=F("pk"),
        name=F("organization__name"),
        phone=F("organization__phone"),
    )


def shown(rows: list[dict]) -> list[dict]:
    """Rows for a page; `days` None and `wait` a dash where nothing waits."""
    address, matters = for_each("desk:organization"), for_each("desk:waiting_at")
    return [
        {
            **row,
            "url": address(row["pk"]),
            "matters_url": matters(row["pk"]),
            "days": days_waited(row["oldest"]) if row["oldest"] else None,
            "wait": short_wait(row["oldest"]) if row["oldest"] else NOTHING,
        }
        for row in rows
    ]


def longest_first(rows: list[dict]) -> list[dict]:
    return sorted(rows, key=lambda row: (row["oldest"] is None, row["oldest"]))


# --- the matters behind the numbers -------------------------------------------------------------------

ORDER = ("opened_at", "pk")


def matters_at(organization: Organization, late: bool = False) -> QuerySet:
    """What waits at one organisation, as dicts for `keyset.page` by ORDER; `late`: longer than promised."""
    steps = Step.objects.filter(approver=organization, state=StepState.OPEN)
    if late:
        steps = steps.filter(opened_at__lt=begin_of(settings.PROMISED_DAYS))
    return steps.values(
        "pk",
        "opened_at",
        "title",
        "application_id",
        kind=F("application__kind"),
        submitted_at=F("application__submitted_at"),
        confidential=F("application__confidential"),
    )


def shown_matters(rows: list[dict], actor: Actor) -> list[dict]:
    """What each is and since when it waits, and nothing of whom it concerns; `url` is "" where this actor may not open it.
    One query."""
    kinds = {flow.kind: flow.label for flow in all_flows()}
    ids = [row["application_id"] for row in rows]
    may_open = set(Application.objects.visible_to(actor).filter(pk__in=ids).values_list("pk", flat=True))
    address = for_each("workflow:detail")
    return [
        {
            "url": address(row["application_id"]) if row["application_id"] in may_open else "",
            "label": "不公开的事项" if row["confidential"] else kinds.get(row["kind"], row["kind"]),
            "title": row["title"],
            "submitted": shown_date(row["submitted_at"]),
            "wait": short_wait(row["opened_at"]),
        }
        for row in rows
    ]
