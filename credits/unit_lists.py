"""Rows of the pages of 单位申报, ready to print: a few queries each, whatever their number."""

from collections import Counter
from collections.abc import Iterable

from django.db.models import Count, F, QuerySet
from django.urls import reverse
from django.utils.http import urlencode

from credits.models import Answer, UnitDeclaration, UnitDeclarationPerson
from credits.reckoning import account_of
from credits.shown import facts
from credits.standing import named_subject
from credits.unit_files import files_of
from credits.unit_reckoning import Prospect, declaration_for, prospects_of
from orgs.actor import Actor
from orgs.models import Practitioner
from workflow.models import State
from workflow.wording import hours as shown
from workflow.wording import masked_name, shown_date, shown_time

ORDER = ("pk",)
TAGS = {Answer.WAITING: "wait", Answer.CONFIRMED: "ok", Answer.OBJECTED: "back"}
STATES = {
    State.PENDING: "审验中",
    State.APPROVED: "已计入",
    State.REJECTED: "已驳回",
    State.WITHDRAWN: "本人已撤回",
}
LEFT = "left"


def counts_of(pks: list[int]) -> dict[int, dict]:
    """How many answered what, by declaration. One query."""
    found = {pk: dict.fromkeys(Answer, 0) for pk in pks}
    counted = UnitDeclarationPerson.objects.filter(unit_declaration__in=pks).values(
        "unit_declaration", "answer"
    )
    for row in counted.annotate(count=Count("pk")).order_by():
        found[row["unit_declaration"]][row["answer"]] = row["count"]
    return {pk: {**counts, "all": sum(counts.values())} for pk, counts in found.items()}


def shown_declarations(pks: list[int]) -> list[dict]:
    """To-do rows of the unit's list, in the given order. Two queries."""
    counts = counts_of(pks)
    found = UnitDeclaration.objects.select_related("kind").in_bulk(pks)
    return [_shown(found[pk], counts[pk]) for pk in pks]


def _shown(one: UnitDeclaration, counts: dict) -> dict:
    if one.cancelled_at:
        tag = ("draft", "已撤销")
    elif counts[Answer.WAITING]:
        tag = ("wait", f"{counts[Answer.WAITING]} 人未答复")
    else:
        tag = ("ok", "都已答复")
    objected = f"，有异议 {counts[Answer.OBJECTED]}" if counts[Answer.OBJECTED] else ""
    return {
        "title": one.title,
        "url": reverse("credits:unit_declaration", args=[one.pk]),
        "tag": tag,
        "note": f"{shown_date(one.at)} 提交，{one.kind.name}，{named_subject(one.subject)} {shown(one.hours)} 学时；"
        f"共 {counts['all']} 人，已确认 {counts[Answer.CONFIRMED]}{objected}。",
    }


def tabs(counts: dict, current: str) -> list[dict]:
    """The answers as links with their counts; "" is all."""
    labels = [("", "全部", counts["all"])] + [(one.value, one.label, counts[one]) for one in Answer]
    return [
        {
            "label": f"{label} {count}",
            "url": "?" + urlencode({"answer": value}) if value else "?",
            "current": value == (current if current in Answer.values else ""),
        }
        for value, label, count in labels
    ]


def person_rows(declaration: UnitDeclaration, answer: str) -> QuerySet:
    rows = declaration.persons.all()
    if answer in Answer.values:
        rows = rows.filter(answer=answer)
    return rows.values(
        "pk",
        "answer",
        "objection",
        "answered_at",
        "declaration_id",
        name=F("practitioner__user__name"),
        id_masked=F("practitioner__user__id_masked"),
        path=F("practitioner__path"),
        employer=F("practitioner__employer"),
        unit=F("unit_declaration__organization"),
        hours=F("declaration__hours"),
        lowered=F("declaration__lowered_to"),
        state=F("declaration__application__state"),
    )


def shown_persons(rows: Iterable[dict], actor: Actor) -> list[dict]:
    """Name, masked number, answer, when, what came of it. Who has left the unit is not linked: it is no more theirs."""
    found = []
    for row in rows:
        here = row["employer"] == row["unit"]
        label, kind = Answer(row["answer"]).label, TAGS[row["answer"]]
        if row["answer"] == Answer.WAITING and not here:
            label, kind = "已离开本单位，不能确认", "draft"
        hours = row["hours"] if row["lowered"] is None else row["lowered"]
        found.append(
            {
                "name": masked_name(row["name"]),
                "number": row["id_masked"],
                "tag": (kind, label),
                "at": shown_time(row["answered_at"]),
                "outcome": f"{STATES[row['state']]} {shown(hours)} 学时"
                if row["state"]
                else row["objection"],
                "url": reverse("workflow:detail", args=[row["declaration_id"]])
                if row["declaration_id"] and row["path"].startswith(actor.organization.path)
                else "",
            }
        )
    return found


# --- before it is filed -----------------------------------------------------------------------------------


def going_rows(going: list[Prospect]) -> list[dict]:
    return [
        {
            "name": masked_name(one.person.user.name),
            "number": one.person.user.id_masked,
            "hours": one.hours,
            "note": "；".join([*([one.cap] if one.cap else []), *one.doubts]),
        }
        for one in going
    ]


def staying_rows(staying: list[Prospect]) -> list[dict]:
    return [
        {"name": masked_name(one.person.user.name), "number": one.person.user.id_masked, "note": one.problem}
        for one in staying
    ]


def by_hours(going: list[Prospect]) -> list[tuple]:
    """(hours, how many people), the most hours first."""
    return sorted(Counter(one.hours for one in going).items(), reverse=True)


# --- what a person is asked -------------------------------------------------------------------------------


def shown_offers(rows: list[UnitDeclarationPerson], practitioner: Practitioner) -> list[dict]:
    """What each would bring now, if it were the only one: caps are judged anew at each confirmation."""
    found = []
    outcomes = prospects_of(practitioner, [row.unit_declaration for row in rows])
    for row, prospect in zip(rows, outcomes, strict=True):
        one = row.unit_declaration
        days = shown_date(one.started_on)
        if one.ended_on != one.started_on:
            days += f" ～ {shown_date(one.ended_on)}"
        found.append(
            {
                "pk": row.pk,
                "url": reverse("credits:unit_offer", args=[row.pk]),
                "title": one.title,
                "kind": one.kind.name,
                "days": days,
                "year": one.year,
                "subject": named_subject(one.subject),
                "hours": prospect.hours,
                "seen": shown(prospect.hours),
                "problem": prospect.problem,
                "note": "；".join([*([prospect.cap] if prospect.cap else []), *prospect.doubts]),
            }
        )
    return found


def offer(row: UnitDeclarationPerson, practitioner: Practitioner) -> dict:
    """One offer in full: facts, and while it waits the account of what it brings and what is suspicious."""
    declaration = declaration_for(practitioner, row.unit_declaration)
    declaration.digests = tuple(files_of(row.unit_declaration).values_list("sha256", flat=True))
    found = {"rows": facts(declaration), "reckoning": {}, "signals": [], "problem": "", "may_answer": False}
    left = practitioner.employer_id != row.unit_declaration.organization_id
    if row.answer != Answer.WAITING or row.unit_declaration.cancelled_at or left:
        return found | {"left": left}
    account = account_of(declaration)
    found |= {"left": False, "may_answer": True, "problem": "".join(account.problems)}
    if not account.problems:
        declaration.reckoning, declaration.hours = account.kept, account.result.hours
        found |= {
            "rows": facts(declaration),
            "reckoning": account.kept,
            "hours": declaration.hours,
            "seen": shown(declaration.hours),
            "subject": named_subject(declaration.subject, account.rules),
            "signals": [{"text": one.text, "url": ""} for one in account.signals],
        }
    return found
