"""流转单: who has an application, since when, how long that usually takes, and which number to call.

The product's signature (screens.md, conclusion 1): on every application, list row, refused login and query page.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from django.db import connection
from django.db.models import Max
from django.utils import timezone

from orgs.models import Organization
from workflow.flow import flow_of
from workflow.models import Application, Event, Reminder, State, Step, StepState
from workflow.wording import days_waited, masked_name, shown_time, shown_took


@dataclass
class Line:
    """One line of the slip. `state` is done, now, next, back or closed."""

    state: str
    title: str
    organization: str = ""
    person: str = ""
    at: str = ""
    took: str = ""
    waited_days: int | None = None
    usual: str = ""
    phone: str = ""
    contact: str = ""
    comment: str = ""
    note: str = ""
    reminded: str = ""


@dataclass
class Slip:
    """`steps` are the rows that the lines were made from, with approver, on_behalf_of and decided_by as far as shown."""

    lines: list[Line] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @property
    def now(self) -> Line | None:
        """The first line that waits for somebody, None when the application is closed."""
        return next((line for line in self.lines if line.state == "now"), None)


def slip_of(application: Application) -> Slip:
    """The whole slip of one application: few queries, whatever its length."""
    return slips_of([application])[application.pk]


def slips_of(applications: list[Application]) -> dict[int, Slip]:
    """The slips of several applications by id: the same few queries, whatever their number."""
    ids = [application.pk for application in applications]
    steps = {pk: [] for pk in ids}
    rows = Step.objects.filter(application__in=ids)
    rows = rows.select_related("approver", "on_behalf_of", "decided_by").only(*_SHOWN)
    for step in rows:
        steps[step.application_id].append(step)
    kinds = {application.pk: application.kind for application in applications}
    usual = usual_for(
        {(step.approver_id, kinds[step.application_id]) for step in rows if step.state == StepState.OPEN}
    )
    withdrawn = [one.pk for one in applications if one.state == State.WITHDRAWN]
    events = Event.objects.filter(application__in=withdrawn, verb=Event.Verb.WITHDRAW).select_related("user")
    ends = {event.application_id: event for event in events} if withdrawn else {}
    pending = [one.pk for one in applications if one.state == State.PENDING]
    days = Reminder.objects.filter(application__in=pending).values_list("application").annotate(Max("day"))
    reminded = dict(days.order_by()) if pending else {}
    return {
        one.pk: _slip(one, steps[one.pk], usual, ends.get(one.pk), reminded.get(one.pk))
        for one in applications
    }


# Of the step itself all; of who signs and signed what a line says, no ID number and no password.
_SHOWN = (
    *(field.name for field in Step._meta.concrete_fields),
    *("approver__name", "approver__phone", "approver__contact_name", "approver__office_hours"),
    *("on_behalf_of__name", "decided_by__name"),
)


def _slip(application: Application, steps: list[Step], usual: dict, end: Event | None, reminded) -> Slip:
    first = Line(
        "done",
        "提交申请",
        person=masked_name(application.submitted_by.name),
        at=shown_time(application.submitted_at),
    )
    lines = [first]
    for step in steps:
        lines.append(_line(step, application.kind, usual))
        # A reminder of the step before says nothing about this one.
        if lines[-1].state == "now" and reminded and reminded >= timezone.localdate(step.opened_at):
            lines[-1].reminded = reminded.isoformat()
    if application.state == State.WITHDRAWN:
        lines = [line for line in lines if line.state not in ("closed",)]
        if end:
            lines.append(Line("back", "已撤回", person=masked_name(end.user.name), at=shown_time(end.at)))
    return Slip(lines, steps)


def _line(step: Step, kind: str, usual: dict) -> Line:
    line = Line(_STATE[step.state], step.title, organization=step.approver.name)
    if step.on_behalf_of:
        line.note = f"{step.on_behalf_of.name}没有其他管理员可以审核，由上级代为审核"
    if step.decided_at:
        line.person = masked_name(step.decided_by.name)
        line.at, line.comment = shown_time(step.decided_at), step.comment
        line.took = shown_took(step.opened_at, step.decided_at)
    elif step.state == StepState.OPEN:
        promise = flow_of(kind).promise(step.opened_at)
        line.note = "；".join(filter(None, [line.note, promise]))
        line.waited_days = days_waited(step.opened_at)
        line.usual = usual.get((step.approver_id, kind), "")
        line.phone, line.contact = step.approver.phone, contact_of(step.approver)
    return line


_STATE = {
    StepState.WAITING: "next",
    StepState.OPEN: "now",
    StepState.APPROVED: "done",
    StepState.REJECTED: "back",
    StepState.CLOSED: "closed",
}


def contact_of(organization: Organization) -> str:
    """The public contact of an organisation: name and office hours, as far as they are known."""
    return "，".join(part for part in (organization.contact_name, organization.office_hours) if part)


LATEST = 100  # decisions of one organisation that say how long it takes


def usual_for(pairs: set[tuple[int, str]]) -> dict[tuple[int, str], str]:
    """How long each (organisation id, kind) takes: the middle half of the last 90 days ("2–5 天"), in one query.

    Of an organisation its last 100 decisions of all kinds count, so that a large bureau's page reads no more than a
    small one's. Left out with fewer than five decisions: a mean of two says nothing.
    """
    if not pairs:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT latest.approver_id, application.kind,
                   percentile_cont(ARRAY[0.25, 0.75]) WITHIN GROUP (
                       ORDER BY extract(epoch FROM latest.decided_at - latest.opened_at) / 86400)
              FROM unnest(%s::bigint[]) AS approver (id)
             CROSS JOIN LATERAL (
                   SELECT approver_id, application_id, opened_at, decided_at FROM workflow_step
                    WHERE approver_id = approver.id AND decided_at > %s
                    ORDER BY decided_at DESC LIMIT %s) latest
              JOIN workflow_application application ON application.id = latest.application_id
             WHERE application.kind = ANY(%s) AND latest.opened_at < latest.decided_at
             GROUP BY 1, 2 HAVING count(*) >= 5
            """,
            [
                list({approver for approver, _ in pairs}),
                timezone.now() - timedelta(days=90),
                LATEST,
                list({kind for _, kind in pairs}),
            ],
        )
        return {(approver, kind): _middle_half(*middle) for approver, kind, middle in cursor.fetchall()}


def _middle_half(low: float, high: float) -> str:
    low, high = max(1, round(low)), max(1, round(high))
    return f"{low} 天内" if low == high else f"{low}–{high} 天"
