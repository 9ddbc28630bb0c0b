"""单位申报: a unit declares one training for many of its people; each of them confirms it or objects (screens.md §6).

A confirmation files that person's own declaration through the engine, with the unit's signature given by who filed this.
Who left the unit before confirming cannot: the new unit never saw the proof.

Locks: a confirmation holds the person, then that person's row of the declaration; who cancels holds the rows of all who
have not answered. So either the answer or the cancellation is first, and the other one reads it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from accounts.models import Message
from accounts.outbox import message, notify_all
from accounts.refused import Refused
from credits.flows import HoursDeclaration
from credits.models import Answer, UnitDeclaration, UnitDeclarationPerson, WindowKind
from credits.numbers import key_of
from credits.standing import named_subject
from credits.unit_files import files_of, keep_files, share
from credits.unit_reckoning import Prospect, declaration_for, prospects
from credits.windows import check_open
from orgs.actor import Actor, hold_right
from orgs.models import Duty, Kind, OrgAdmin, Practitioner
from workflow import engine
from workflow.attachments import WithAttachments
from workflow.models import Application
from workflow.wording import hours as shown
from workflow.wording import masked_name

MOST = 2_000  # people of one declaration


@dataclass(frozen=True)
class Confirmed:
    """What one of several confirmations came to: an application, or the sentence why not."""

    row: UnitDeclarationPerson
    application: Application | None = None
    sentence: str = ""


def may_declare(actor: Actor) -> bool:
    """Whether this admin declares for people: of an employer, with the duty for hours."""
    unit = actor.organization
    return unit is not None and unit.kind == Kind.EMPLOYER and actor.can(Duty.HOURS)


def people_of(actor: Actor) -> QuerySet[Practitioner]:
    """Whom this admin may declare for: those employed at the own unit."""
    return Practitioner.objects.active().filter(employer=actor.organization)


def judged(unit_declaration: UnitDeclaration, people: QuerySet) -> tuple[list[Prospect], list[Prospect]]:
    """Who would get hours, and who would not and why; in the order of their ids."""
    people = people.select_related("user", "account").order_by("pk")
    found = prospects(unit_declaration, people)
    return [one for one in found if not one.problem], [one for one in found if one.problem]


@transaction.atomic
def file(unit_declaration: UnitDeclaration, people: set[int], form: WithAttachments, *, by: Actor) -> int:
    """File it for those of `people` who would get hours, and ask each of them; returns how many. Takes the form's files.

    PermissionDenied without the duty; Refused when the year is closed, nobody is left, or it was filed already.
    """
    hold_right(by)
    if not may_declare(by):
        raise PermissionDenied
    unit = by.organization
    check_open(Practitioner(path=unit.path), unit_declaration.year, WindowKind.DECLARE)
    fitting, _ = judged(unit_declaration, people_of(by).filter(pk__in=people))
    if not fitting:
        raise Refused("所选人员现在都不能计入这次学时，请返回核对内容和人员。")
    if len(fitting) > MOST:
        raise Refused(f"一次最多为 {MOST} 人申报，请分几次办理。")
    unit_declaration.organization, unit_declaration.by = unit, by.user
    unit_declaration.hours = max(one.hours for one in fitting)
    unit_declaration.number_key = key_of(unit_declaration.certificate_number)
    unit_declaration.draft = keep_files(form)
    unit_declaration.save(force_insert=True)
    rows = UnitDeclarationPerson.objects.bulk_create(
        UnitDeclarationPerson(unit_declaration=unit_declaration, practitioner=one.person) for one in fitting
    )
    hours = {one.person.pk: one.hours for one in fitting}

    def text(row):
        what = _named(unit_declaration, hours[row.practitioner_id])
        return f"{unit.name}为您申报了{what}。请核对后确认，有不符的地方请提出异议；您确认后才进入审验。"

    _ask(rows, "请确认单位为您申报的学时", text, f"unit-declaration:{unit_declaration.pk}")
    return len(rows)


def offers_to(practitioner: Practitioner) -> QuerySet[UnitDeclarationPerson]:
    """What this person's unit asks them to confirm now, the oldest first."""
    waiting = UnitDeclarationPerson.objects.filter(
        practitioner=practitioner,
        answer=Answer.WAITING,
        unit_declaration__cancelled_at=None,
        unit_declaration__organization=practitioner.employer_id,
    )
    return waiting.select_related("unit_declaration__kind", "unit_declaration__organization").order_by("pk")


@transaction.atomic
def confirm(row_id: int, *, by: Actor, seen: str = "") -> Application:
    """File the person's own declaration with the unit's facts and files, already signed by the unit.

    Judged like any declaration as things stand now; `seen` are the hours that the page said, "" when it said none.
    PermissionDenied for anybody else; Refused when it was answered or cancelled, when the person left the unit, when the
    declaration may not be filed, or when it brings other hours than the person saw.
    """
    practitioner, row, unit_declaration = _held(row_id, by)
    declaration = declaration_for(practitioner, unit_declaration)
    declaration.digests = tuple(files_of(unit_declaration).values_list("sha256", flat=True))
    application = engine.submit(HoursDeclaration.kind, declaration, by=by)
    if seen and seen != shown(declaration.hours):
        raise Refused(
            f"“{declaration.title}”：您核对以后，本年度学时或规则有变化，"
            f"{seen} 学时变为 {shown(declaration.hours)} 学时，请再核对一次。"
        )
    share(unit_declaration, application)
    row.answer, row.answered_at, row.declaration = Answer.CONFIRMED, timezone.now(), declaration
    row.save(update_fields=["answer", "answered_at", "declaration"])
    return application


def confirm_all(seen: dict[int, str], *, by: Actor) -> list[Confirmed]:
    """全部确认 of these rows: each in its own transaction; one that cannot be filed stops none of the others."""
    done = []
    for row in offers_to(by.practitioner).filter(pk__in=seen):
        try:
            done.append(Confirmed(row, confirm(row.pk, by=by, seen=seen[row.pk])))
        except Refused as refusal:
            done.append(Confirmed(row, sentence=str(refusal)))
    return done


@transaction.atomic
def object_to(row_id: int, *, by: Actor, reason: str) -> None:
    """有异议, with a reason that the unit reads. Nothing is filed; the unit may talk to the person and declare anew."""
    if not reason.strip():
        raise Refused("请写明有什么异议。")
    practitioner, row, unit_declaration = _held(row_id, by)
    row.answer, row.answered_at, row.objection = Answer.OBJECTED, timezone.now(), reason.strip()
    row.save(update_fields=["answer", "answered_at", "objection"])
    admin = OrgAdmin.objects.active().filter(
        user=unit_declaration.by_id, organization=unit_declaration.organization_id
    )
    admin = admin.select_related("user", "account").first()
    if admin:
        who = masked_name(practitioner.user.name)
        notify_all(
            [
                message(
                    admin.user,
                    "单位申报：有人提出异议",
                    f"{who}对{_named(unit_declaration)}有异议：{row.objection}",
                    key=f"unit-objection:{row.pk}",
                    url=reverse("credits:unit_declaration", args=[unit_declaration.pk]),
                    account=admin.account,
                )
            ]
        )


@transaction.atomic
def cancel(unit_declaration: UnitDeclaration, *, by: Actor) -> int:
    """撤销: nobody can confirm any more; returns how many had not answered and are told.

    What was confirmed before is the person's own declaration and goes on. PermissionDenied for other units.
    """
    _check_own(unit_declaration, by)
    waiting = list(_locked(unit_declaration.persons.filter(answer=Answer.WAITING)))
    unit_declaration = _locked(UnitDeclaration.objects.filter(pk=unit_declaration.pk)).get()
    if unit_declaration.cancelled_at:
        raise Refused("这件单位申报已经撤销过了。")
    if not waiting:
        raise Refused("每个人都已经答复，没有可以撤销的了；已确认的由本人撤回或由审验单位处理。")
    unit_declaration.cancelled_at = timezone.now()
    unit_declaration.save(update_fields=["cancelled_at"])
    text = f"{by.organization.name}已撤销{_named(unit_declaration)}，您不用再确认。"
    _ask(
        waiting,
        "单位撤销了为您申报的学时",
        lambda row: text,
        f"unit-cancelled:{unit_declaration.pk}",
        opens=False,
    )
    return len(waiting)


@transaction.atomic
def remind(unit_declaration: UnitDeclaration, *, by: Actor) -> int:
    """提醒 those who have not answered, each at most once a day; returns how many. Refused when nobody is left to remind."""
    _check_own(unit_declaration, by)
    if unit_declaration.cancelled_at:
        raise Refused("这件单位申报已经撤销，不用提醒。")
    waiting = unit_declaration.persons.filter(
        answer=Answer.WAITING, practitioner__employer=unit_declaration.organization_id
    )
    if not waiting.exists():
        raise Refused("每个人都已经答复，不用提醒。")
    key = f"unit-reminder:{unit_declaration.pk}:{timezone.localdate()}"
    told = Message.objects.filter(key=key, user__in=waiting.values("practitioner__user"))
    left = list(waiting.exclude(practitioner__user__in=told.values("user")))
    if not left:
        raise Refused("今天已经提醒过，请明天再提醒；着急时请直接联系本人。")
    text = f"{by.organization.name}为您申报的{_named(unit_declaration)}还在等您确认，请核对后确认或提出异议。"
    _ask(left, "提醒：请确认单位为您申报的学时", lambda row: text, key)
    return len(left)


def _check_own(unit_declaration: UnitDeclaration, by: Actor) -> None:
    hold_right(by)
    if not may_declare(by) or unit_declaration.organization_id != by.organization.pk:
        raise PermissionDenied


def _held(row_id: int, by: Actor) -> tuple[Practitioner, UnitDeclarationPerson, UnitDeclaration]:
    """The person, then the row, as they are now and until the transaction ends; only what may still be answered."""
    if by.practitioner is None:
        raise PermissionDenied
    practitioner = engine.lock(by.practitioner)
    row = _locked(UnitDeclarationPerson.objects.filter(pk=row_id)).get()
    if row.practitioner_id != practitioner.pk:
        raise PermissionDenied
    # Read after the lock: what came along with the locked row would be as old as the beginning of the wait.
    unit_declaration = UnitDeclaration.objects.select_related("kind", "organization", "by").get(
        pk=row.unit_declaration_id
    )
    if row.answer != Answer.WAITING:
        raise Refused(f"您已经答复过这件单位申报：{row.get_answer_display()}。")
    if unit_declaration.cancelled_at:
        raise Refused("单位已经撤销了这件申报，您不用再答复。")
    if practitioner.employer_id != unit_declaration.organization_id:
        raise Refused(
            f"您已不在{unit_declaration.organization.name}，不能确认它的申报；这项学时请在新单位自行申报。"
        )
    return practitioner, row, unit_declaration


def _locked(rows: QuerySet) -> QuerySet:
    return rows.select_for_update(of=("self",), no_key=True).order_by("pk")


def _named(one: UnitDeclaration, hours: Decimal | None = None) -> str:
    return f"“{one.title}”（{one.year} 年度，{named_subject(one.subject)} {shown(hours or one.hours)} 学时）"


def _ask(
    rows: Iterable[UnitDeclarationPerson],
    subject: str,
    text: Callable[[UnitDeclarationPerson], str],
    key: str,
    opens: bool = True,
) -> None:
    """Tell each of these people, with the way to their own row."""
    of_person = {row.practitioner_id: row for row in rows}
    people = Practitioner.objects.filter(pk__in=of_person).select_related("user", "account")
    notify_all(
        message(
            one.user,
            subject,
            text(of_person[one.pk]),
            key=key,
            url=reverse("credits:unit_offer", args=[of_person[one.pk].pk]) if opens else "",
            account=one.account,
        )
        for one in people
    )
