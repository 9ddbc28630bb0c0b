"""抽查: draw what a bureau looks at, let the rest pass by its rule. Anybody can repeat a draw from its seed.

A step's place in the draw is the SHA-256 of seed and step: nothing but the seed decides, and the seed is made when
the draw is. What was drawn stays in the inbox; what was not is signed by who drew, with the draw in the comment, so
that there is a name under it (谁审核谁负责, F-102). Nobody below knows beforehand what will be drawn.
"""

import secrets
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from typing import NamedTuple

from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from credits.models import Declaration, SampleDraw, SampleItem, VerificationPolicy
from orgs.actor import Actor, hold_right
from orgs.models import Duty, Kind
from workflow import bulk
from workflow.flow import Refused, flow_of
from workflow.models import Step

HOURS = "hours-declaration"
MOST = 1_000  # steps of one draw, and of what is counted before it: what a page says is what a click does
DRAW_LOCK = 722263


@dataclass(frozen=True)
class Candidate:
    """One step that a draw may choose; `group` names the policy it falls under, hours that nobody set a share for are 100 %."""

    step: int
    group: str
    percent: int
    risk_first: bool
    risk: bool


@dataclass(frozen=True)
class Group:
    """What waits under one policy, for the page before the draw."""

    label: str
    percent: int
    waiting: int
    risk: int
    to_draw: int

    @property
    def to_pass(self) -> int:
        return self.waiting - self.to_draw


def _undrawn(actor: Actor) -> QuerySet:
    """What waits for this bureau and was not drawn yet: a look-up for each, however much was drawn in all years."""
    drawn = SampleItem.objects.filter(step=OuterRef("pk"), draw__bureau=actor.organization, sampled=True)
    waiting = Step.objects.awaiting(actor).filter(duty=Duty.HOURS, application__kind=HOURS)
    return waiting.exclude(Exists(drawn))


def waiting_count(actor: Actor, most: int) -> int:
    """How much a draw could choose from, at most `most` + 1: each is looked up among what was drawn before."""
    return _undrawn(actor).oldest_first()[: most + 1].count()


def candidates(actor: Actor, last: int | None = None) -> list[Candidate]:
    """What waits for this bureau and was not drawn yet, oldest first, each under its most special policy.

    `last`: no further than this step, whatever arrived since.
    """
    waiting = _undrawn(actor).oldest_first().select_related("application__practitioner")
    if last is not None:
        moment = Step.objects.filter(pk=last).values("opened_at")
        waiting = waiting.filter(
            Q(opened_at__lt=Subquery(moment)) | Q(opened_at=Subquery(moment), pk__lte=last)
        )
    steps = list(waiting[:MOST])
    applications = [step.application for step in steps]
    payloads = Declaration.objects.in_bulk([one.pk for one in applications])
    for application in applications:
        application.declaration = payloads[application.pk]
    warned = flow_of(HOURS).warnings(applications) if applications else {}
    policies = list(
        VerificationPolicy.objects.filter(bureau=actor.organization).select_related("authority", "kind")
    )
    found = []
    for step in steps:
        policy = _policy(policies, step.application.practitioner.path, step.application.declaration.kind_id)
        risk = bool(warned.get(step.application_id))
        if policy is None:
            found.append(Candidate(step.pk, "没有设定比例", 100, True, risk))
        else:
            found.append(Candidate(step.pk, label_of(policy), policy.percent, policy.risk_first, risk))
    return found


def label_of(policy: VerificationPolicy) -> str:
    """The policy in words: 市住建局，发表论文; 其他."""
    parts = [policy.authority.name if policy.authority else "", policy.kind.name if policy.kind else ""]
    return ("，".join(part for part in parts if part) or "其他")[:40]


def _policy(policies: list[VerificationPolicy], path: str, kind: int) -> VerificationPolicy | None:
    """The one that says most: of authority and kind, of the authority, of the kind, of everything else."""
    fitting = [
        one
        for one in policies
        if (one.authority_id is None or f"/{one.authority_id}/" in path) and one.kind_id in (None, kind)
    ]
    return max(fitting, key=lambda one: (one.authority_id is not None, one.kind_id is not None), default=None)


def groups(found: list[Candidate]) -> list[Group]:
    """The candidates by policy, with how many of each will be drawn."""
    ordered = sorted(found, key=_group)
    return [
        Group(
            label,
            percent,
            len(members),
            sum(one.risk for one in members),
            len(chosen("", members)),
        )
        for (label, percent, _), members in ((key, list(rows)) for key, rows in groupby(ordered, key=_group))
    ]


def _group(one: Candidate) -> tuple:
    return one.group, one.percent, one.risk_first


def chosen(seed: str, found: list[Candidate]) -> set[int]:
    """The steps that this seed draws: all with a warning where the policy says so, and the share of the others.

    Rounded up: of one item under any share above nothing, one is drawn.
    """
    drawn = set()
    for (_, percent, risk_first), members in groupby(sorted(found, key=_group), key=_group):
        rows = list(members)
        forced = {one.step for one in rows if one.risk and risk_first}
        others = sorted(
            (one.step for one in rows if one.step not in forced), key=lambda step: _place(seed, step)
        )
        drawn |= forced | set(others[: -(-len(others) * percent // 100)])
    return drawn


def _place(seed: str, step: int) -> str:
    return sha256(f"{seed}:{step}".encode()).hexdigest()


class Plan(NamedTuple):
    """What a draw would do at this moment: `drawn` are looked at, `passed` are signed in the name of who draws.

    `last` is the step it goes up to: what arrives later is no part of it.
    """

    groups: list[Group]
    drawn: int
    passed: int
    last: int

    @property
    def population(self) -> int:
        return self.drawn + self.passed


def plan(found: list[Candidate]) -> Plan:
    """What a draw from these, oldest first, would do; the numbers are the same whatever the seed."""
    drawn = len(chosen("", found))
    return Plan(groups(found), drawn, len(found) - drawn, found[-1].step if found else 0)


def draw(*, by: Actor, agreed: tuple[int, int, int] | None = None) -> SampleDraw:
    """Draw from what waits and record it. Refused when nothing waits. `pass_by` then lets the others through.

    `agreed` (drawn, passed, last): what the person was shown. Refused when a colleague's decision or another share has
    changed these numbers since: nothing is signed that nobody was told of.
    """
    _check(by)
    with transaction.atomic():
        hold_right(by)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [DRAW_LOCK, by.organization.pk])
        found = candidates(by, agreed[2] if agreed else None)
        if not found:
            raise Refused("没有等待审验的学时，不用抽取。")
        if agreed and plan(found)[1:] != agreed:
            raise Refused("等待审验的学时或审验比例刚刚有变化，请按新的数字重新核对。")
        seed = secrets.token_hex(16)
        drawn = chosen(seed, found)
        made = SampleDraw.objects.create(
            bureau=by.organization,
            seed=seed,
            population=len(found),
            sampled=len(drawn),
            digest=digest_of(one.step for one in found),
            by=by.user,
        )
        SampleItem.objects.bulk_create(
            [
                SampleItem(
                    draw=made,
                    step_id=one.step,
                    group=one.group,
                    percent=one.percent,
                    risk=one.risk,
                    risk_first=one.risk_first,
                    sampled=one.step in drawn,
                )
                for one in found
            ],
            batch_size=2_000,
        )
    return made


def pass_by(made: SampleDraw, *, by: Actor) -> list[bulk.Outcome]:
    """Sign what this draw did not choose and still waits. Safe to call again after an interruption."""
    _check(by)
    if made.bureau_id != by.organization.pk:
        raise PermissionDenied
    comment = f"抽查 {made.pk} 号未抽中，按审验比例通过"
    waiting = made.items.filter(sampled=False, step__state="open").order_by("step")
    return bulk.approve_all(list(waiting.values_list("step", flat=True)), by=by, comment=comment)


def repeated(made: SampleDraw) -> bool:
    """Whether the seed gives this very sample out of these very steps: the proof that nobody chose by hand."""
    found = [
        Candidate(one.step_id, one.group, one.percent, one.risk_first, one.risk) for one in made.items.all()
    ]
    same_sample = chosen(made.seed, found) == {one.step_id for one in made.items.all() if one.sampled}
    return same_sample and digest_of(one.step for one in found) == made.digest


def digest_of(steps) -> str:
    """SHA-256 of the drawn-from steps, in the order of their ids."""
    return sha256(",".join(str(step) for step in sorted(steps)).encode()).hexdigest()


def _check(by: Actor) -> None:
    if by.organization is None or by.organization.kind != Kind.BUREAU or not by.can(Duty.HOURS):
        raise PermissionDenied
