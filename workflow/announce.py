"""Who hears what when an application moves on (goal G17): the applicant, of everything somebody else did to it.

A trigger queues one announcement with each Event, in its transaction; the worker writes the messages. The applicant
is who filed it and the practitioner concerned. Nobody is told of their own act. The approvers of a step that opened
hear nothing each time: their inbox counts, and 催办 (reminders.py) is for what waits too long.
"""

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone
from procrastinate.contrib.django import app

from accounts.models import AccountStatus, RoleAccount, User
from accounts.outbox import message, notify_all
from accounts.queue import PATIENT
from orgs.models import OrgAdmin
from workflow.flow import Flow, flow_of, payload_of
from workflow.inbox import detail_url
from workflow.models import Application, Event, State, Step, StepState
from workflow.wording import letter_date, masked_name

Verb = Event.Verb
# What happened longer ago is put on the page as read, without a mail: records taken over from elsewhere.
NEWS_FOR = timedelta(days=7)


@dataclass
class News:
    """`again` is where who filed it starts anew after a rejection."""

    subject: str
    text: str
    again: str = ""


@app.task(name="workflow.announce", retry=PATIENT)
def announce(event_id: int) -> None:
    """Write the messages about one event. Run twice it adds nothing. Named by the trigger on workflow_event."""
    event = (
        Event.objects.select_related(
            "step__approver",
            "user",
            "organization",
            "application__practitioner__user",
            "application__practitioner__account",
            "application__organization",
            "application__submitted_by",
        )
        .filter(pk=event_id)
        .first()
    )
    if event is None:
        return
    application = event.application
    people = {application.submitted_by_id: application.submitted_by}
    if application.practitioner:
        people[application.practitioner.user_id] = application.practitioner.user
    people.pop(event.user_id, None)
    if not people:
        return
    news = _news(event)
    notify_all(
        message(
            person,
            news.subject,
            news.text,
            key=f"event:{event.pk}",
            url=(news.again if person.pk == application.submitted_by_id else "")
            or detail_url(application.pk),
            account=_account(application, person),
            at=event.at,
            is_news=event.at > timezone.now() - NEWS_FOR,
        )
        for person in people.values()
    )


def _account(application: Application, person: User) -> RoleAccount | None:
    """The role in which this person finds the application; None for who has no such role now, or not yet."""
    practitioner = application.practitioner
    if practitioner and practitioner.user_id == person.pk:
        account = practitioner.account
    else:
        filed_by = application.events.filter(verb=Verb.SUBMIT).values("organization")
        admin = OrgAdmin.objects.select_related("account").filter(user=person, organization__in=filed_by)
        account = getattr(admin.first(), "account", None)
    return account if account and account.status == AccountStatus.ACTIVE else None


def _news(event: Event) -> News:
    application, flow = event.application, flow_of(event.application)
    what = f"“{application.summary}”（受理号 {application.receipt}）"
    if event.verb == Verb.SUBMIT:
        return News(f"{flow.label}：已为您提交", f"{_actor(event)}于 {letter_date(event.at)}提交了{what}。")
    if event.verb == Verb.WITHDRAW:
        return News(f"{flow.label}：已撤回", f"{what}已由{_actor(event)}撤回，审核已经停止。")
    if event.verb == Verb.REJECT:
        return _rejected(event, flow, what)
    remark = f"\n审核意见：{event.comment}" if event.comment else ""
    if _was_last(event):
        return News(f"{flow.label}：已通过", f"{what}已通过全部审核。{remark}")
    return News(
        f"{flow.label}：{event.step.title}已通过",
        f"{what}的{event.step.title}已由{event.step.approver.name}通过。{remark}{_ahead(application, event.step)}",
    )


def _rejected(event: Event, flow: Flow, what: str) -> News:
    payload = payload_of(event.application)
    payload.application = event.application
    again = flow.again_url(payload)
    advice = "请按理由修改后重新提交，填过的内容会带过来。" if again else "如有疑问，请联系审核单位。"
    text = f"{what}被{event.step.approver.name}驳回。\n驳回理由：{event.comment}\n{advice}"
    return News(f"{flow.label}：已驳回", text, again)


def _was_last(event: Event) -> bool:
    """Whether this signature completed the application, however late it is asked."""
    application = event.application
    return (
        application.state == State.APPROVED
        and not application.events.filter(verb=Verb.APPROVE, pk__gt=event.pk).exists()
    )


def _ahead(application: Application, signed: Step) -> str:
    """Who signs next, as the route was frozen; nothing when it has ended meanwhile."""
    left = (
        application.steps.select_related("approver")
        .filter(state__in=[StepState.OPEN, StepState.WAITING])
        .exclude(pk=signed.pk)
    )
    following = left.first()
    return f"\n下一步：{following.title}，{following.approver.name}。" if following else ""


def _actor(event: Event) -> str:
    name = masked_name(event.user.name)
    return f"{event.organization.name}的{name}" if event.organization else name
