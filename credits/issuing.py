"""What a bureau sees of certificates: who is to be issued to, what was issued, how often it was checked."""

from django.db.models import Exists, F, OuterRef, QuerySet
from django.http import QueryDict
from django.urls import reverse

from credits.models import Certificate, CertificateBatch, CertificateCheck, Standing
from credits.paper.content import read_number
from credits.snapshot import Rulebook, is_complete
from credits.verifying import TAGS
from orgs.actor import Actor
from orgs.models import PersonKey, Practitioner, Status
from orgs.name_parts import parts_to_find
from workflow import reach
from workflow.wording import hours as shown
from workflow.wording import masked_name, shown_date, shown_time

ORDER = ("-pk",)


def page(actor: Actor, year: int, name: str, asked: QueryDict) -> reach.Page:
    """People below, in the order of their units: who completed the year by its flag and never had a certificate of it;
    by name everybody approved who has hours in the year, whatever they lack. Rows are dicts with `person`."""
    place = actor.organization.path
    people = Practitioner.objects.filter(path__startswith=place).values(place=F("path"), person=F("pk"))
    years = Standing.objects.filter(practitioner=OuterRef("pk"), year=year)
    parts = parts_to_find(name)
    if parts:
        fitting = Practitioner.objects.filter(Exists(years)).having(parts[1:])
        keys = PersonKey.objects.filter(key=parts[0], path__startswith=place)
        walk = keys.values(place=F("path"), person=F("practitioner_id"))
    else:
        had = Certificate.objects.filter(practitioner=OuterRef("pk"), year=year)
        fitting = Practitioner.objects.active().filter(Exists(years.filter(complete=True)), ~Exists(had))
        walk = people
    return reach.page(people, asked, walk.alias(fits=reach.one_by_one(fitting)))


def people_rows(rows: list[dict], year: int, *, had_none: bool) -> list[dict]:
    """Lines of the list, measured now: who may be issued to, and why others may not. Four queries for any number.

    `had_none`: the list is that of those who had none, so that nobody's certificate need be looked for.
    """
    ids = [row["person"] for row in rows]
    people = {
        one.pk: one for one in Practitioner.objects.filter(pk__in=ids).select_related("user", "employer")
    }
    book = Rulebook(people.values(), year)
    newest = {} if had_none else _newest(ids, year)
    return [_person_row(people[pk], book, newest.get(pk)) for pk in ids if pk in people]


def _newest(ids: list[int], year: int) -> dict[int, Certificate]:
    found = Certificate.objects.filter(practitioner__in=ids, year=year).with_state().order_by("pk")
    return {one.practitioner_id: one for one in found}


def _person_row(person: Practitioner, book: Rulebook, certificate: Certificate | None) -> dict:
    year = book.year_of(person)
    state = certificate.state if certificate else ""
    why = ""
    if person.status != Status.ACTIVE:
        tag, why = ("draft", "不在册"), "已注销或未审核通过"
    elif state == "valid":
        tag = TAGS[state]
    elif not year.is_asked:
        tag, why = ("draft", "没有要求"), "这一年度没有学时要求"
    elif not is_complete(year):
        tag = ("wait", f"还差 {shown(year.missing)} 学时")
        why = "、".join(f"{row.label}差 {shown(row.missing)}" for row in year.rows if row.missing)
    else:
        tag = TAGS[state] if state else ("next", "可签发")
        why = certificate.reason if state else ""
    return {
        "person": person.pk,
        "who": masked_name(person.user.name),
        "id_masked": person.user.id_masked,
        "unit": person.employer.name,
        "hours": shown(year.total_earned),
        "tag": tag,
        "why": why,
        "may_issue": tag[0] != "draft" and state != "valid" and is_complete(year),
        "again": bool(state),
        "url": reverse("credits:certificate", args=[certificate.pk]) if certificate else "",
        "number": certificate.number if certificate else "",
    }


def issued(actor: Actor, year: int, name: str = "", number: str = "", state: str = "") -> QuerySet:
    """Certificates of everybody below, newest first, for `keyset.page`; a number is looked up in every year."""
    found = Certificate.objects.visible_to(actor)
    if number:
        found = found.filter(number=read_number(number) or "-")
    else:
        found = found.filter(year=year)
    if name:
        found = found.filter(practitioner__user__name__startswith=name)
    found = found.in_state(state) if state else found.with_state()
    return found.values(
        "pk", "number", "year", "issued_at", "state", "reason",
        name=F("practitioner__user__name"), unit=F("practitioner__employer__name"),
    )  # fmt: skip


def issued_rows(rows: list[dict]) -> list[dict]:
    return [
        {
            "url": reverse("credits:certificate", args=[row["pk"]]),
            "number": row["number"],
            "who": masked_name(row["name"]),
            "unit": row["unit"],
            "at": shown_date(row["issued_at"]),
            "tag": TAGS[row["state"]],
            "reason": row["reason"],
        }
        for row in rows
    ]


def checks(actor: Actor) -> QuerySet:
    """查验记录 of everybody below, by certificate and day, for `keyset.page`."""
    return CertificateCheck.objects.visible_to(actor).values(
        "pk", "day", "count", "failed", "certificate",
        number=F("certificate__number"), name=F("certificate__practitioner__user__name"),
        unit=F("certificate__practitioner__employer__name"),
    )  # fmt: skip


def check_rows(rows: list[dict]) -> list[dict]:
    return [
        row
        | {
            "day": shown_date(row["day"]),
            "who": masked_name(row["name"]),
            "url": reverse("credits:certificate", args=[row["certificate"]]),
        }
        for row in rows
    ]


BATCH_TAGS = {
    "waiting": ("wait", "排队中"),
    "running": ("wait", "签发中"),
    "done": ("ok", "已完成"),
    "failed": ("back", "未完成"),
}


def batches(actor: Actor, most: int = 5) -> list[dict]:
    """The newest batches of the bureau."""
    found = CertificateBatch.objects.filter(organization=actor.organization).order_by("-pk")[:most]
    return [batch_row(one) for one in found]


def batch_row(batch: CertificateBatch) -> dict:
    return {
        "url": reverse("credits:certificate_batch", args=[batch.pk]),
        "year": batch.year,
        "at": shown_time(batch.created_at),
        "tag": BATCH_TAGS[batch.state],
        "looked": f"{batch.looked:,}",
        "issued": f"{batch.issued:,}",
    }
