"""我的证书: one's own certificates, the sheet itself, and the bundle for 职称申报."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods

from accounts.refused import Refused
from credits import certificates
from credits.certificates import OPEN, is_office
from credits.filing import filing_rows, year_rows
from credits.models import Certificate
from credits.paper.content import ContentRefused, grouped, restored
from credits.printing import bundle_file, certificate_file
from credits.verifying import TAGS
from credits.years import current_year, declarable_years
from orgs import access, budget
from orgs.actor import Actor
from orgs.doors import for_any_role, for_practitioners
from workflow.told import told
from workflow.wording import letter_date, shown_time


@require_http_methods(["GET"])
@for_practitioners
def mine(request: HttpRequest) -> HttpResponse:
    """Every year: its certificate, or what is missing for one."""
    rows = year_rows(request.actor.practitioner, declarable_years())
    return render(request, "credits/certificates/mine.html", {"rows": rows})


@require_http_methods(["POST"])
@for_practitioners
def issue_own(request: HttpRequest) -> HttpResponse:
    """签发 of one's own completed year; the sheet is the answer."""
    year = _year(request.POST.get("year", ""))
    if year is None:
        messages.error(request, "请选择要签发证书的年度。")
        return redirect("credits:certificates")
    with told(request, f"{year} 年度的证书已签发。") as outcome:
        one = certificates.issue(request.actor.practitioner, year, by=request.actor)
    return redirect("credits:certificates") if outcome.refused else redirect("credits:certificate", one.pk)


@require_http_methods(["GET"])
@for_any_role
@budget.within_budget
def certificate(request: HttpRequest, certificate_id: int) -> HttpResponse:
    """The sheet as it was issued, what became of it since, and what can be done."""
    one = _visible(request, certificate_id)
    budget.open_person(request.actor, one.practitioner)
    content = restored(one.content)
    others = Certificate.objects.filter(practitioner=one.practitioner_id, year=one.year).exclude(pk=one.pk)
    context = {
        "one": one,
        "content": content,
        "lines": content.lines[:-1],
        "total": content.lines[-1],
        "issued": letter_date(content.issued_on),
        "code": grouped(one.code),
        "tag": TAGS[one.state],
        "events": [
            {"label": TAGS[event.state][1], "reason": event.reason, "at": shown_time(event.at)}
            for event in one.events.order_by("pk")
        ],
        "others": [
            {
                "number": other.number,
                "tag": TAGS[other.state],
                "url": reverse("credits:certificate", args=[other.pk]),
            }
            for other in others.with_state().order_by("-pk")
        ],
        "office": is_office(request.actor),
        "in_force": one.state in OPEN,
        "may_replace": certificates.may_be_replaced(one, one.practitioner),
    }
    return render(request, "credits/certificates/certificate.html", context)


@require_http_methods(["GET"])
@for_any_role
@budget.within_budget
def certificate_pdf(request: HttpRequest, certificate_id: int) -> HttpResponse:
    """The PDF, made and sealed now."""
    one = _visible(request, certificate_id)
    budget.open_person(request.actor, one.practitioner)
    try:
        pdf = certificate_file(one)
        if one.practitioner.user_id != request.actor.user.pk:
            what = access.AccessEntry.What.CERTIFICATE
            access.note(request.actor, [one.practitioner.user_id], what, "办理证书", about=one.number)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("credits:certificate", one.pk)
    return _file(pdf, f"继续教育电子证书 {one.number}.pdf")


@require_http_methods(["POST"])
@for_any_role
def replace_certificate(request: HttpRequest, certificate_id: int) -> HttpResponse:
    """换发: the new sheet is the answer."""
    one = _visible(request, certificate_id)
    with told(request, "已换发新证书，原证书不再有效。"):
        one = certificates.replace(one, by=request.actor)
    return redirect("credits:certificate", one.pk)


@require_http_methods(["GET"])
@for_practitioners
def filing(request: HttpRequest) -> HttpResponse:
    """职称申报材料: the years that count by the title's day, and what each still lacks."""
    person, year = request.actor.practitioner, _filing_year(request)
    rows = filing_rows(person, year)
    context = {
        "rows": rows,
        "filing_year": year,
        "other_year": current_year() - 1 if year == current_year() else current_year(),
        "person": person,
        "ready": all(row.valid or not row.standing.is_asked for row in rows),
        "lacking": [row for row in rows if not row.valid and row.standing.is_asked],
        "has_any": any(row.valid for row in rows),
    }
    return render(request, "credits/certificates/filing.html", context)


@require_http_methods(["GET"])
@for_practitioners
def filing_pdf(request: HttpRequest) -> HttpResponse:
    """The bundle: a cover and the valid certificates of the years that count."""
    person, year = request.actor.practitioner, _filing_year(request)
    try:
        pdf = bundle_file(person, filing_rows(person, year), year)
    except (Refused, ContentRefused) as refusal:
        messages.error(request, str(refusal))
        return redirect(reverse("credits:filing") + f"?year={year}")
    return _file(pdf, f"职称申报 继续教育年度汇总 {year}.pdf")


def _visible(request: HttpRequest, certificate_id: int) -> Certificate:
    _check_door(request.actor)
    found = Certificate.objects.visible_to(request.actor).with_state()
    return get_object_or_404(
        found.select_related("practitioner__user", "practitioner__employer", "organization"),
        pk=certificate_id,
    )


def _check_door(actor: Actor) -> None:
    if actor.practitioner is None and not is_office(actor):
        raise PermissionDenied


def _filing_year(request: HttpRequest) -> int:
    """This year, or last year, whose files are often handed in after it ended."""
    return current_year() - 1 if request.GET.get("year") == str(current_year() - 1) else current_year()


def _year(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) == 4 else None


def _file(pdf: bytes, name: str) -> HttpResponse:
    """Private: kept by no cache, run by no browser."""
    response = HttpResponse(pdf, content_type="application/pdf")
    response["Content-Disposition"] = content_disposition_header(True, name)
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "private, no-store"
    return response
