"""催办: the applicant's nudge to those who have the application, by message and mail, at most once a day.

Not one of the four verbs: it changes nothing about the application, so it is a Reminder and no Event.
"""

import datetime
from collections.abc import Iterator

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Message
from accounts.outbox import message, notify_all
from orgs.actor import Actor
from orgs.models import OrgAdmin
from workflow.flow import Refused, flow_of
from workflow.inbox import detail_url
from workflow.models import Application, Reminder, State, Step, StepState
from workflow.slip import Slip
from workflow.wording import days_waited, masked_name

# Beyond so many reminders a day to one organisation its admins find the rest on the page alone, not in the mailbox.
MAILS_A_DAY = 20


def may_remind(application: Application, by: Actor) -> bool:
    """Whether this person may ask for a decision: who filed it, the practitioner concerned, an admin with the duty."""
    if not by.speaks_for(application.subject):
        return False
    return by.practitioner is not None or by.user == application.submitted_by or by.can(application.duty)


def is_due(slip: Slip) -> bool:
    """Whether somebody has the application and was not reminded of it today."""
    return slip.now is not None and slip.now.reminded != timezone.localdate().isoformat()


@transaction.atomic
def remind(application: Application, *, by: Actor) -> None:
    """Remind the admins of whoever has the application now.

    Raises PermissionDenied when it is none of this person's business, Refused with the sentence to show when it is
    closed, was reminded of today, or waits for the person's own organisation or for one without an admin.
    """
    if not may_remind(application, by):
        raise PermissionDenied
    steps = application.steps.filter(state=StepState.OPEN).select_related("approver")
    steps = [step for step in steps if step.approver != by.organization]
    if application.state != State.PENDING or not steps:
        raise Refused("这件申请现在没有等待别人审核的环节，不用催办。")
    admins = _admins(application, steps)
    if not admins:
        numbers = "、".join(f"{step.approver.name}（{step.approver.phone}）" for step in steps)
        raise Refused(f"审核单位现在没有可以处理的管理员，请直接致电 {numbers}。")
    today = timezone.localdate()
    _enter(application, by, today)
    notify_all(_messages(application, steps, admins, by, today))


def _enter(application: Application, by: Actor, today: datetime.date) -> None:
    # Look and mark are one statement: of two clicks at once the second waits for the first and is refused.
    try:
        with transaction.atomic():
            Reminder.objects.create(application=application, user=by.user, day=today)
    except IntegrityError as error:
        if "reminder_once_a_day" not in str(error):
            raise
        raise Refused("今天已经催办过，请明天再催；着急时请直接打流转单上的电话。") from error


def _admins(application: Application, steps: list[Step]) -> list[OrgAdmin]:
    return list(
        OrgAdmin.objects.active()
        .holding(application.duty)
        .filter(organization__in=[step.approver_id for step in steps])
        .exclude(user=application.person_id)
        .select_related("user", "account")
    )


def _messages(
    application: Application, steps: list[Step], admins: list[OrgAdmin], by: Actor, today: datetime.date
) -> Iterator[Message]:
    opened = {step.approver_id: step.opened_at for step in steps}
    often = {
        approver
        for approver in opened
        if Reminder.objects.filter(
            day=today, application__steps__approver=approver, application__steps__state=StepState.OPEN
        ).count()
        > MAILS_A_DAY
    }
    who = by.organization.name if by.organization else masked_name(by.user.name)
    label = flow_of(application).label
    for admin in admins:
        days = days_waited(opened[admin.organization_id])
        waited = f"已等 {days} 天" if days else "今天送达"
        yield message(
            admin.user,
            f"催办：{label}",
            f"{who}请您尽快审核“{application.summary}”（受理号 {application.receipt}），{waited}。",
            key=f"reminder:{application.pk}:{today}",
            url=detail_url(application.pk),
            account=admin.account,
            by_mail=admin.organization_id not in often,
        )
