"""The one approval engine: submit, approve, reject, withdraw.

The only module that writes Application, Step or Event. Locks go from the application to the right of who acts, then to
the subject, then to what the effect changes; `submit` locks no existing application, so that the last approval and
a new submission cannot wait for each other. Where two effects meet all the same, the database ends one of them and
the verb is tried again.
"""

from functools import wraps

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone
from psycopg.errors import DeadlockDetected

from orgs.actor import Actor, hold_right
from orgs.models import Organization, Practitioner
from workflow.backstop import answerers
from workflow.flow import AlreadyDecided, Flow, Refused, Stop, flow_of, kinds_alone, payload_of
from workflow.models import Application, Event, Payload, State, Step, StepState
from workflow.wording import masked_name, shown_time

Verb = Event.Verb


def _tried_again(verb):
    """Repeat a verb that the database ended to break a deadlock; at most three times, never inside a transaction."""

    @wraps(verb)
    def trying(*args, **kwargs):
        for _ in range(2):
            try:
                return verb(*args, **kwargs)
            except OperationalError as error:
                if not isinstance(error.__cause__, DeadlockDetected) or connection.in_atomic_block:
                    raise
        return verb(*args, **kwargs)

    return trying


@_tried_again
@transaction.atomic
def submit(kind: str, payload: Payload, *, by: Actor, again_of: Application | None = None) -> Application:
    """File an application; its route is frozen here. `again_of` is the closed one that it starts anew from.

    Raises PermissionDenied when `by` does not speak for the subject, Refused with the sentence to show when the
    kind's precondition fails or another application of this kind is pending.
    """
    flow = flow_of(kind)
    hold_right(by)
    subject = lock(flow.subject(payload))
    if not by.speaks_for(subject):
        raise PermissionDenied
    _check_alone(flow, subject)
    flow.check(payload, subject, by)
    application = Application(
        kind=kind,
        duty=flow.duty,
        person=flow.person(payload, subject, by),
        summary=flow.summary(payload)[:200],
        confidential=flow.confidential,
        exclusive_key=f"{kind}:{subject._meta.model_name}:{subject.pk}" if flow.exclusive else "",
        submitted_by=by.user,
        submitted_at=timezone.now(),
        again_of=again_of,
        **{subject._meta.model_name: subject},
    )
    try:
        with transaction.atomic():
            application.save()
    except IntegrityError as error:
        if "application_one_at_a_time" not in str(error):
            raise
        raise Refused(f"您已有一件“{flow.label}”在审核中，办结或撤回后才能再次提交。") from error
    payload.application = application
    payload.save(force_insert=True)
    _record(application, Verb.SUBMIT, by)
    _lay_route(application, flow, flow.route(payload, subject, by), by)
    return application


def approve(step_id: int, *, by: Actor, comment: str = "", **finding) -> Application:
    """Sign one step. After the last one the kind's effect happens in the same transaction.

    `finding` is what the kind lets a reviewer find beside the signature (hours recognised); its flow judges it.
    """
    return _decide(step_id, StepState.APPROVED, by, comment, finding)


def reject(step_id: int, *, by: Actor, comment: str) -> Application:
    """Refuse one step, with a reason; the application is closed for good (decision 10)."""
    if not comment.strip():
        raise Refused("请填写驳回理由。")
    return _decide(step_id, StepState.REJECTED, by, comment.strip())


@_tried_again
@transaction.atomic
def withdraw(application_id: int, *, by: Actor) -> Application:
    """Take a pending application back (F-48, F-59); `may_withdraw` says who."""
    application = lock(Application(pk=application_id))
    hold_right(by)
    flow = flow_of(application)
    if not may_withdraw(application, by):
        raise PermissionDenied
    if application.state != State.PENDING:
        raise AlreadyDecided(_who_was_first(application))
    _record(application, Verb.WITHDRAW, by)
    _close(application, flow, State.WITHDRAWN, by)
    return application


def may_withdraw(application: Application, by: Actor) -> bool:
    """Whether this person may take it back while it is pending (decision 4).

    What is confidential is the person's own affair, in whatever role; no colleague's, though it was filed in the
    organisation's name.
    """
    if application.confidential:
        return by.user == application.person
    return by.speaks_for(application.subject) and (
        by.user == application.submitted_by or _acts_for(by, application)
    )


def lock(row):
    """Lock the row until the transaction ends and return it as it is now; what was read before is a rumour."""
    return _locked(type(row)).get(pk=row.pk)


def _locked(model):
    # no_key: children still reference this row; a full lock would stop every insert that points here.
    return model._base_manager.select_for_update(of=("self",), no_key=True).select_related(
        *_WITH.get(model, ())
    )


# Read along with the locked row: only what it refers to for good. The joined rows are those of before the wait; when the
# locked one refers to another by then (moved to another unit), PostgreSQL returns it without that row, or not at all.
_WITH = {Application: ("practitioner__user", "organization"), Practitioner: ("user",)}


@_tried_again
@transaction.atomic
def _decide(step_id: int, verdict: str, by: Actor, comment: str, finding: dict | None = None) -> Application:
    application = _locked(Application).get(steps=step_id)
    hold_right(by)
    flow = flow_of(application)
    steps = list(application.steps.all())  # read after the lock
    step = next(one for one in steps if one.pk == step_id)
    if by.organization is None or step.approver_id != by.organization.pk or not by.can(flow.duty):
        raise PermissionDenied
    if step.person_id == by.user.pk:
        raise Refused("这是您本人的申请，请由其他管理员审核。")
    if step.state != StepState.OPEN:
        raise AlreadyDecided(_who_was_first(application, step))
    flow.check_decision(application, step)
    _sign(step, verdict, by, comment)
    if verdict == StepState.REJECTED:
        _close(application, flow, State.REJECTED, by)
    else:
        flow.signed(application, step, **(finding or {}))
        _advance(application, flow, steps, by)
    return application


def _check_alone(flow: Flow, subject: Organization | Practitioner) -> None:
    """F-54 and decision 2: a move waits until nothing is pending, and while it is open nothing else begins."""
    pending = Application.objects.about(subject).pending()
    if not flow.alone:
        pending = pending.filter(kind__in=kinds_alone())
    other = pending.exclude(kind=flow.kind).first()
    if other:
        raise Refused(f"还有一件“{other.summary}”在审核中，办结或撤回后才能提交“{flow.label}”。")


def _lay_route(application: Application, flow: Flow, stops: list[Stop], by: Actor) -> None:
    now = timezone.now()
    steps = [
        Step(
            application=application,
            order=stop.order,
            title=stop.title,
            duty=flow.duty,
            approver=approver,
            on_behalf_of=stop.approver if approver != stop.approver else None,
            person=application.person,
        )
        for stop, approver in zip(stops, answerers(stops, flow.duty, application.person), strict=True)
    ]
    for step, stop in zip(steps, stops, strict=True):
        giver = stop.granted_by or by.user
        if stop.granted and giver != application.person:
            step.approver, step.on_behalf_of = stop.approver, None
            step.state, step.decided_by, step.decided_at, step.opened_at = (
                StepState.APPROVED,
                giver,
                now,
                now,
            )
    ahead = [step.order for step in steps if step.state == StepState.WAITING]
    for step in steps:
        if step.state == StepState.WAITING and step.order == min(ahead):
            step.state, step.opened_at = StepState.OPEN, now
    Step.objects.bulk_create(steps)
    if not ahead:
        _finish(application, flow, by)


def _acts_for(by: Actor, application: Application) -> bool:
    """Decision 4: an organisation's own application may be taken back by any of its admins with the duty."""
    return application.organization_id is not None and by.can(application.duty)


def _sign(step: Step, verdict: str, by: Actor, comment: str) -> None:
    """The decision and its entry in the log, in one statement: this is the hottest path of all (speed.md)."""
    step.state, step.decided_by, step.decided_at, step.comment = verdict, by.user, timezone.now(), comment
    with connection.cursor() as cursor:
        cursor.execute(
            _SIGN,
            {
                "step": step.pk,
                "state": step.state,
                "user": by.user.pk,
                "organization": by.organization.pk,
                "at": step.decided_at,
                "comment": comment,
                "verb": Verb.REJECT if verdict == StepState.REJECTED else Verb.APPROVE,
            },
        )


_SIGN = """
WITH signed AS (
    UPDATE workflow_step
       SET state = %(state)s, decided_by_id = %(user)s, decided_at = %(at)s, comment = %(comment)s
     WHERE id = %(step)s
 RETURNING id, application_id
)
INSERT INTO workflow_event (application_id, step_id, verb, user_id, organization_id, comment, at)
SELECT application_id, id, %(verb)s, %(user)s, %(organization)s, %(comment)s, %(at)s FROM signed
"""


def _advance(application: Application, flow: Flow, steps: list[Step], by: Actor) -> None:
    left = [step for step in steps if step.state != StepState.APPROVED]
    if not left:
        _finish(application, flow, by)
    elif not any(step.state == StepState.OPEN for step in left):
        following = [step.pk for step in left if step.order == min(one.order for one in left)]
        Step.objects.filter(pk__in=following).update(state=StepState.OPEN, opened_at=timezone.now())


def _finish(application: Application, flow: Flow, by: Actor) -> None:
    flow.lock_first()
    _lock_subject(application, by)
    application.state, application.closed_at = State.APPROVED, timezone.now()
    application.save(update_fields=["state", "closed_at"])
    flow.approved(_payload(application))


def _close(application: Application, flow: Flow, state: str, by: Actor) -> None:
    _lock_subject(application, by)
    application.steps.filter(state__in=[StepState.OPEN, StepState.WAITING]).update(state=StepState.CLOSED)
    application.state, application.closed_at = state, timezone.now()
    application.save(update_fields=["state", "closed_at"])
    flow.closed(_payload(application))


def _lock_subject(application: Application, by: Actor) -> None:
    """Second in the lock order; the effect then works on the subject as it is now.

    Whatever the effect saves of it tells in its history who decided, and on which application.
    """
    subject = lock(application.subject)
    subject._history_user, subject._change_reason = by.user, application.receipt
    setattr(application, subject._meta.model_name, subject)


def _payload(application: Application) -> Payload:
    payload = payload_of(application)
    payload.application = application
    return payload


def _record(application: Application, verb: str, by: Actor) -> None:
    Event.objects.create(
        application=application, verb=verb, user=by.user, organization=by.organization, at=timezone.now()
    )


def _who_was_first(application: Application, step: Step | None = None) -> str:
    """The sentence for who comes too late: who did what, and when."""
    events = application.events.select_related("user").order_by("-pk")
    event = (events.filter(step=step).first() if step else None) or events.first()
    done = {"submit": "提交", "approve": "通过", "reject": "驳回", "withdraw": "撤回"}[event.verb]
    return f"{masked_name(event.user.name)} 已于 {shown_time(event.at)} {done}了这件申请，您不用再处理。"
