"""Rows of the lists of moves, ready to print: names and numbers masked, waits in words."""

from django.db.models import F, OuterRef, QuerySet, Subquery
from django.urls import reverse
from django.utils import timezone

from orgs.actor import Actor
from transfers.models import Release, UnitTransfer
from workflow.models import State, Step, StepState
from workflow.wording import NOTHING, days_waited, masked_name, shown_date, shown_time

INCOMING_ORDER = ("opened_at", "pk")
RECORDS_ORDER = ("-pk",)
TAGS = {State.APPROVED: "ok", State.REJECTED: "back", State.WITHDRAWN: "draft"}


def incoming(actor: Actor) -> QuerySet:
    """调入 that waits for this admin: the second steps of transfers, with what the old unit said."""
    first = Step.objects.filter(application=OuterRef("application"), order=1)
    return (
        Step.objects.awaiting(actor)
        .filter(application__kind="unit-transfer", order=2)
        .values(
            "pk",
            "opened_at",
            application_pk=F("application_id"),
            name=F("application__practitioner__user__name"),
            id_masked=F("application__practitioner__user__id_masked"),
            old=F("application__unittransfer__old_employer__name"),
            reason=F("application__unittransfer__reason"),
            filed_by=F("application__submitted_by"),
            person_pk=F("application__practitioner__user"),
            released_at=Subquery(first.values("decided_at")[:1]),
            said=Subquery(first.values("comment")[:1]),
        )
    )


def shown_incoming(rows: list[dict]) -> list[tuple]:
    """url, name, number, old unit, what the old unit said, reason, days waited."""
    now = timezone.now()
    return [
        (
            _detail(row["application_pk"]),
            masked_name(row["name"]),
            row["id_masked"],
            row["old"],
            _consent(row),
            row["reason"] or NOTHING,
            f"{days_waited(row['opened_at'], now)} 天",
        )
        for row in rows
    ]


def _consent(row: dict) -> str:
    day = shown_date(row["released_at"])
    consent = f"{day} 发起调出" if row["filed_by"] != row["person_pk"] else f"{day} 同意调出"
    return f"{consent}：{row['said']}" if row["said"] else consent


def records(actor: Actor, into: bool) -> QuerySet:
    """Transfers into or out of the admin's unit."""
    transfers = UnitTransfer.objects
    seen = transfers.into(actor.organization) if into else transfers.out_of(actor.organization)
    open_step = Step.objects.filter(application=OuterRef("pk"), state=StepState.OPEN)
    return seen.values(
        "pk",
        name=F("practitioner__user__name"),
        id_masked=F("practitioner__user__id_masked"),
        other=F("old_employer__name" if into else "new_employer__name"),
        state=F("application__state"),
        submitted_at=F("application__submitted_at"),
        filed_by=F("application__submitted_by"),
        person_pk=F("practitioner__user"),
        step=Subquery(open_step.values("title")[:1]),
    )


def shown_records(rows: list[dict]) -> list[tuple]:
    """url, name, number, other unit, who filed it, day, tag kind, tag text."""
    return [
        (
            _detail(row["pk"]),
            masked_name(row["name"]),
            row["id_masked"],
            row["other"],
            "本人申请" if row["filed_by"] == row["person_pk"] else "原单位调出",
            shown_date(row["submitted_at"]),
            *_tag(row["state"], row["step"]),
        )
        for row in rows
    ]


def shown_release(release: Release) -> list[tuple]:
    """One row for each person of a 人员调出: name, number, tag kind, tag text, reason, url ("" when not filed).

    Those left out come first: they are what is left to do.
    """
    rows = release.rows.order_by(F("application").asc(nulls_first=True), "pk").values_list(
        "practitioner__user__name",
        "practitioner__user__id_masked",
        "refusal",
        "application",
        "application__state",
        Subquery(
            Step.objects.filter(application=OuterRef("application"), state=StepState.OPEN).values("title")[:1]
        ),
    )
    return [
        (masked_name(name), number, *_outcome(refusal, application, state, step))
        for name, number, refusal, application, state, step in rows
    ]


def _outcome(refusal, application, state, step) -> tuple:
    if refusal:
        return "back", "未调出", refusal, ""
    if application is None:
        return "draft", "尚未办理", "", ""
    return *_tag(state, step), "", _detail(application)


def _tag(state: str, step: str | None) -> tuple[str, str]:
    if state == State.PENDING:
        return "wait", f"待{step}"
    return TAGS[state], "已调转" if state == State.APPROVED else State(state).label


def recent(actor: Actor, most: int = 10) -> list[dict]:
    """The unit's latest actions of 人员调出, as to-do rows."""
    return [
        {
            "url": reverse("transfers:released", args=[one.pk]),
            "title": f"调往{one.new_employer.name}：{one.people} 人",
            "note": shown_time(one.at),
        }
        for one in Release.objects.visible_to(actor)
        .counted()
        .select_related("new_employer")
        .order_by("-pk")[:most]
    ]


def _detail(application: int) -> str:
    return reverse("workflow:detail", args=[application])
