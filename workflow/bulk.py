"""Many decisions at once, by the same rules as one: lock, right, duty, own matter, state, the kind's own check.

Kinds that say so (Flow.bulk) are signed by a few statements for all together (speed.md: 10,000 in seconds); the others
one after the other, each in its own transaction. Either way every item has its own outcome: what may not be decided
is left out with its sentence and does not keep the others from being done.
"""

from collections import defaultdict
from dataclasses import dataclass, replace

from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.utils import timezone

from orgs.actor import Actor, hold_right
from orgs.models import Practitioner
from workflow import engine
from workflow.flow import AlreadyDecided, Flow, Refused, flow_of
from workflow.models import Application, Event, State, Step, StepState
from workflow.wording import masked_name

AT_ONCE = 2_000  # items of one transaction: a lock is held for about a second


@dataclass(frozen=True)
class Outcome:
    """What came of one step: done, or the sentence why not. `who` (the person masked, or the organisation)
    and `unit` come from `named`."""

    step_id: int
    application_id: int
    summary: str
    done: bool
    sentence: str = ""
    who: str = ""
    unit: str = ""


LOST = "办理途中您的权限有了变更，这件没有处理。"


def approve_all(step_ids: list[int], *, by: Actor, comment: str = "") -> list[Outcome]:
    """Sign many steps; one outcome for each, in the given order. Steps of other organisations are left out silently:
    for this actor they do not exist."""
    return _decide_all(step_ids, StepState.APPROVED, by, comment)


def reject_all(step_ids: list[int], *, by: Actor, comment: str) -> list[Outcome]:
    """Refuse many steps with one reason; Refused without one."""
    if not comment.strip():
        raise Refused("请填写驳回理由。")
    return _decide_all(step_ids, StepState.REJECTED, by, comment.strip())


def _decide_all(step_ids: list[int], verdict: str, by: Actor, comment: str) -> list[Outcome]:
    steps = Step.objects.addressed_to(by).filter(pk__in=step_ids).select_related("application")
    found = {step.pk: step for step in steps}
    outcomes: dict[int, Outcome] = {}
    together: dict[Flow, list[Step]] = defaultdict(list)
    for step in found.values():
        flow = flow_of(step.application)
        if flow.bulk:
            together[flow].append(step)
        else:
            outcomes[step.pk] = _one(step, verdict, by, comment)
    for flow, of_kind in together.items():
        of_kind.sort(key=lambda step: step.application_id)
        for start in range(0, len(of_kind), AT_ONCE):
            outcomes |= _some(flow, of_kind[start : start + AT_ONCE], verdict, by, comment, bool(outcomes))
    return [outcomes[pk] for pk in dict.fromkeys(step_ids) if pk in outcomes]


def _some(
    flow: Flow, steps: list[Step], verdict: str, by: Actor, comment: str, begun: bool
) -> dict[int, Outcome]:
    """One transaction's worth. Who loses the right while others are committed already reads what was done and what not;
    Refused or PermissionDenied where nothing was."""
    try:
        return _together(flow, steps, verdict, by, comment)
    except (Refused, PermissionDenied) as refusal:
        if not begun:
            raise
        sentence = str(refusal) if isinstance(refusal, Refused) else LOST
        return {step.pk: _outcome(step, sentence) for step in steps}


def _one(step: Step, verdict: str, by: Actor, comment: str) -> Outcome:
    decide = engine.approve if verdict == StepState.APPROVED else engine.reject
    try:
        decide(step.pk, by=by, comment=comment)
    except Refused as refusal:
        return _outcome(step, str(refusal))
    except PermissionDenied:
        return _outcome(step, "您没有审核这件申请的权限。")
    return _outcome(step)


def _outcome(step: Step, sentence: str = "") -> Outcome:
    return Outcome(step.pk, step.application_id, step.application.summary, not sentence, sentence)


def named(outcomes: list[Outcome]) -> list[Outcome]:
    """The same with whose matter each is, in one query: for those that are shown, deciding itself needs no names."""
    names = {
        pk: (masked_name(person) if person else organization, unit or "")
        for pk, person, unit, organization in Application.objects.filter(
            pk__in=[one.application_id for one in outcomes]
        ).values_list("pk", "practitioner__user__name", "practitioner__employer__name", "organization__name")
    }
    return [
        replace(one, who=names[one.application_id][0], unit=names[one.application_id][1]) for one in outcomes
    ]


@transaction.atomic
def _together(flow: Flow, steps: list[Step], verdict: str, by: Actor, comment: str) -> dict[int, Outcome]:
    """Applications, then the right, then the subjects: the engine's own order, each in the order of their ids."""
    applications = {
        one.pk: one
        for one in _alone(Application, "practitioner")
        .filter(pk__in=[step.application_id for step in steps])
        .order_by("pk")
    }
    hold_right(by)
    if not by.can(flow.duty):
        raise PermissionDenied
    routes: dict[int, list[Step]] = defaultdict(list)
    for one in Step.objects.filter(application__in=applications).order_by("application", "order", "pk"):
        routes[one.application_id].append(one)
    payloads = flow.payload.objects.in_bulk(list(applications))
    for pk, application in applications.items():
        setattr(application, flow.payload._meta.model_name, payloads[pk])
        payloads[pk].application = application
    refusals = flow.refusals(list(applications.values()))
    outcomes, signed = {}, []
    for step in steps:
        now = next(one for one in routes[step.application_id] if one.pk == step.pk)
        now.application = applications[step.application_id]
        if now.person_id == by.user.pk:
            outcomes[step.pk] = _outcome(now, "这是您本人的申请，请由其他管理员审核。")
        elif now.state != StepState.OPEN:
            outcomes[step.pk] = _outcome(
                now, str(AlreadyDecided(engine._who_was_first(now.application, now)))
            )
        elif step.application_id in refusals:
            outcomes[step.pk] = _outcome(now, refusals[step.application_id])
        else:
            now.state = verdict
            signed.append(now)
            outcomes[step.pk] = _outcome(now)
    if signed:
        _sign(signed, verdict, by, comment)
        if verdict == StepState.REJECTED:
            _close(flow, signed)
        else:
            _advance(flow, signed, routes)
    return outcomes


def _sign(steps: list[Step], verdict: str, by: Actor, comment: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _SIGN,
            {
                "steps": [step.pk for step in steps],
                "state": verdict,
                "user": by.user.pk,
                "organization": by.organization.pk,
                "at": timezone.now(),
                "comment": comment,
                "verb": Event.Verb.REJECT if verdict == StepState.REJECTED else Event.Verb.APPROVE,
            },
        )


_SIGN = """
WITH signed AS (
    UPDATE workflow_step
       SET state = %(state)s, decided_by_id = %(user)s, decided_at = %(at)s, comment = %(comment)s
     WHERE id = ANY(%(steps)s)
 RETURNING id, application_id
)
INSERT INTO workflow_event (application_id, step_id, verb, user_id, organization_id, comment, at)
SELECT application_id, id, %(verb)s, %(user)s, %(organization)s, %(comment)s, %(at)s FROM signed ORDER BY application_id
"""


def _advance(flow: Flow, signed: list[Step], routes: dict[int, list[Step]]) -> None:
    """Open what follows, close what has all its signatures, and let the kind's effect happen for all of these."""
    following, finished = [], []
    for step in signed:
        left = [one for one in routes[step.application_id] if one.state != StepState.APPROVED]
        if not left:
            finished.append(step.application)
        elif not any(one.state == StepState.OPEN for one in left):
            first = min(one.order for one in left)
            following += [one.pk for one in left if one.order == first]
    now = timezone.now()
    if following:
        Step.objects.filter(pk__in=following).update(state=StepState.OPEN, opened_at=now)
    if finished:
        _lock_subjects(finished)
        pks = [one.pk for one in finished]
        Application.objects.filter(pk__in=pks).update(state=State.APPROVED, closed_at=now)
        flow.approved_many([getattr(one, flow.payload._meta.model_name) for one in finished])


def _close(flow: Flow, signed: list[Step]) -> None:
    applications = [step.application for step in signed]
    _lock_subjects(applications)
    pks = [one.pk for one in applications]
    waiting = Step.objects.filter(application__in=pks, state__in=[StepState.OPEN, StepState.WAITING])
    waiting.update(state=StepState.CLOSED)
    Application.objects.filter(pk__in=pks).update(state=State.REJECTED, closed_at=timezone.now())
    for application in applications:
        flow.closed(getattr(application, flow.payload._meta.model_name))


def _alone(model, *with_it: str):
    """Locked as the engine locks them, but without the users: nobody is written to, and each costs as much as a row."""
    rows = engine._locked(model).select_related(None)
    return rows.select_related(*with_it) if with_it else rows


def _lock_subjects(applications: list[Application]) -> None:
    """The practitioners as they are now, locked in the order of their ids. Kinds in bulk are about people alone."""
    people = {
        one.pk: one
        for one in _alone(Practitioner)
        .filter(pk__in={one.practitioner_id for one in applications})
        .order_by("pk")
    }
    for application in applications:
        application.practitioner = people[application.practitioner_id]
