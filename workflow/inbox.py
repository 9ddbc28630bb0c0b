"""待办审核 as lists show it: what waits for this admin, how much of each duty, who has a person's own matters.

Rows are plain values made here, because the template is the limit of a list page (speed.md, "Pages").
"""

from typing import NamedTuple

from django.db import connection
from django.db.models import F, Prefetch, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from orgs.actor import Actor
from orgs.models import Duty
from workflow.flow import all_flows
from workflow.models import Application, State, Step, StepState
from workflow.slip import Line, contact_of, usual_for
from workflow.wording import NOTHING, days_waited, masked_name, short_wait, shown_date, shown_time

MOST = 99  # a count says "99+" beyond it: nobody needs the exact length of a long queue, and it costs a scan

DUTY_TABS = {
    Duty.REGISTRATIONS: "注册",
    Duty.HOURS: "学时",
    Duty.CHANGES: "信息变更",
    Duty.TRANSFERS: "调入调出",
}


class Row(NamedTuple):
    """One line of the inbox, ready to print."""

    url: str
    who: str
    id_masked: str
    unit: str
    summary: str
    submitted: str
    waited: str
    step: int
    checked: str


class DoneRow(NamedTuple):
    """One line of 已办, ready to print."""

    url: str
    who: str
    id_masked: str
    summary: str
    tag: str
    verdict: str
    by: str
    at: str
    step: int


def shown_count(count: int) -> str:
    """A capped count in words: "99+"."""
    return f"{MOST}+" if count > MOST else str(count)


def duties_of(actor: Actor) -> list[str]:
    """The duties that kinds of application exist for and that this admin holds, in the tabs' order."""
    known = {flow.duty for flow in all_flows()}
    return [duty for duty in DUTY_TABS if duty in known and actor.can(duty)]


def waiting_count(actor: Actor) -> int:
    """How many matters wait for this admin, at most MOST + 1. One query."""
    return min(sum(waiting_by_duty(actor).values()), MOST + 1)


def waiting_by_duty(actor: Actor) -> dict[str, int]:
    """The same for each duty of the actor, each at most MOST + 1. One query, whatever the length of the queue."""
    duties = duties_of(actor)
    if not duties:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            _WAITING,
            {"duties": duties, "approver": actor.organization.pk, "user": actor.user.pk, "most": MOST + 1},
        )
        return dict(cursor.fetchall())


# By hand: the frame of every page asks it, and building it from querysets costs more than running it. In the order of
# its index: without one, a planner that expects more open steps than there are reads the whole table for a hundred.
_WAITING = """
SELECT duty, (SELECT count(*)
                FROM (SELECT 1 FROM workflow_step s
                       WHERE s.approver_id = %(approver)s AND s.state = 'open' AND s.duty = asked.duty
                         AND s.person_id <> %(user)s
                       ORDER BY s.opened_at, s.id LIMIT %(most)s) found)
  FROM unnest(%(duties)s::text[]) WITH ORDINALITY AS asked (duty, place) ORDER BY place
"""


def awaiting_rows(actor: Actor, duty: str = "", name: str = "") -> QuerySet:
    """The open steps as dicts for `keyset.page`, oldest first by ORDER."""
    steps = Step.objects.awaiting(actor)
    return narrowed(steps, duty, name).values("pk", "opened_at", **_SUBJECT)


def notices_for(actor: Actor, duty: str) -> list[str]:
    """What the kinds of a duty have to say above its list; nothing above the list of all duties."""
    flows = [flow for flow in all_flows() if flow.duty == duty and actor.can(duty)]
    return list(dict.fromkeys(sentence for flow in flows for sentence in flow.notices(actor)))


ORDER = ("opened_at", "pk")
DONE_ORDER = ("-decided_at", "-pk")


def decided_rows(actor: Actor, duty: str = "", name: str = "", removed: bool = False) -> QuerySet:
    """已办: steps that the actor's organisation decided, whoever of its admins did, newest first by DONE_ORDER.

    `removed`: those that it took out of the list instead (F-88).
    """
    steps = Step.objects.decided_for(actor).filter(removed__isnull=not removed)
    return narrowed(steps, duty, name).values(
        "pk", "decided_at", "state", by=F("decided_by__name"), **_SUBJECT
    )


_SUBJECT = {
    "application_pk": F("application_id"),
    "summary": F("application__summary"),
    "submitted_at": F("application__submitted_at"),
    "person_name": F("application__practitioner__user__name"),
    "id_masked": F("application__practitioner__user__id_masked"),
    "unit": F("application__practitioner__employer__name"),
    "organization_name": F("application__organization__name"),
}


def narrowed(steps: QuerySet, duty: str, name: str) -> QuerySet:
    """Only those of one duty, and of people or organisations of this name."""
    if duty:
        steps = steps.filter(duty=duty)
    if name:
        steps = steps.filter(
            Q(application__practitioner__user__name__startswith=name)
            | Q(application__organization__name__contains=name)
        )
    return steps


def shown_rows(rows: list[dict], checked: bool = False) -> list[Row]:
    """Inbox rows ready to print: names and ID numbers masked; `checked` ticks the box of each."""
    now = timezone.now()
    return [
        Row(
            detail_url(row["application_pk"]),
            _who(row),
            row["id_masked"] or NOTHING,
            row["unit"] or NOTHING,
            row["summary"],
            shown_date(row["submitted_at"]),
            short_wait(row["opened_at"], now),
            row["pk"],
            " checked" if checked else "",
        )
        for row in rows
    ]


def shown_done(rows: list[dict]) -> list[DoneRow]:
    """Rows of 已办 ready to print."""
    return [
        DoneRow(
            detail_url(row["application_pk"]),
            _who(row),
            row["id_masked"] or NOTHING,
            row["summary"],
            "back" if row["state"] == StepState.REJECTED else "ok",
            "驳回" if row["state"] == StepState.REJECTED else "通过",
            masked_name(row["by"]),
            shown_time(row["decided_at"]),
            row["pk"],
        )
        for row in rows
    ]


def _who(row: dict) -> str:
    return masked_name(row["person_name"]) if row["person_name"] else row["organization_name"]


def detail_url(application_id: int) -> str:
    return reverse("workflow:detail", args=[application_id])


def next_after(step: Step, actor: Actor) -> int | None:
    """The application to look at after this step: the next older one of the same duty, else the oldest of all."""
    waiting = Step.objects.awaiting(actor).oldest_first().values_list("application_id", flat=True)
    same = waiting.filter(duty=step.duty)
    following = same.filter(
        Q(opened_at__gte=step.opened_at) & (Q(opened_at__gt=step.opened_at) | Q(pk__gt=step.pk))
    )
    return following.first() or waiting.exclude(application=step.application_id).first()


# --- my own matters: where are they? ---------------------------------------------------------------


def matters(applications: QuerySet, most: int = 20) -> list[dict]:
    """To-do rows of one's own matters: title, tag, and who has it with phone, days waited and usual time;
    the application itself beside them.

    Three queries, whatever the number of rows (goal G10: every matter says where it is).
    """
    steps = Step.objects.exclude(state__in=[StepState.WAITING, StepState.CLOSED]).select_related("approver")
    found = list(applications.prefetch_related(Prefetch("steps", steps, to_attr="reached"))[:most])
    pairs = {
        (step.approver_id, one.kind) for one in found for step in one.reached if step.state == StepState.OPEN
    }
    usual = usual_for(pairs)
    return [_matter(application, usual) for application in found]


def _matter(application: Application, usual: dict) -> dict:
    row = {
        "application": application,
        "url": detail_url(application.pk),
        "title": application.summary,
        "tag": None,
        "line": None,
    }
    step = next((one for one in application.reached if one.state == StepState.OPEN), None)
    if step is not None:
        row["tag"] = ("wait", f"待{step.title}")
        row["line"] = Line(
            "now",
            step.title,
            organization=step.approver.name,
            waited_days=days_waited(step.opened_at),
            usual=usual.get((step.approver_id, application.kind), ""),
            phone=step.approver.phone,
            contact=contact_of(step.approver),
        )
    elif application.state == State.REJECTED:
        refused = next((one for one in application.reached if one.state == StepState.REJECTED), None)
        row["tag"] = ("back", "已驳回")
        if refused is not None:
            row["line"] = Line("back", refused.title, refused.approver.name, comment=refused.comment)
    else:
        row["tag"] = ("ok", "已通过") if application.state == State.APPROVED else ("draft", "已撤回")
        row["note"] = f"{shown_date(application.closed_at)} 办结"
    return row
