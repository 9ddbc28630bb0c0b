"""证书 of a bureau: 签发 one by one or all at once, 已签发 with 撤销, 查验记录 (screens.md B9)."""

from functools import wraps

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from credits import certificate_batches, certificates, issuing
from credits.certificates import OPEN, is_office
from credits.forms.certificates import IssuedFilter, IssuingFilter, RevokeForm, YearForm
from credits.models import Certificate, CertificateBatch
from credits.tallies import count_of
from orgs.models import Practitioner
from workflow import keyset
from workflow.told import told
from workflow.wording import masked_name, shown_time

AGAIN_AFTER = 3  # seconds until the page of a running batch is asked for again


def for_offices(view):
    """Admins of a bureau who hold the duty for hours."""

    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not is_office(request.actor):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


@require_http_methods(["GET"])
@for_offices
def issuing_list(request: HttpRequest) -> HttpResponse:
    """签发: who completed the year and has no certificate yet; by name also who cannot have one, and why."""
    form = IssuingFilter(request.GET)
    year, name = form.chosen, form.asked_name
    page = issuing.page(request.actor, year, name, request.GET)
    count = count_of(request.actor.organization, year)
    context = {
        "filter": form,
        "year": year,
        "name": name,
        "page": page,
        "rows": issuing.people_rows(page.rows, year, had_none=not name),
        "complete": f"{count.complete:,}",
        "people": f"{count.people:,}",
        "batches": [] if name else issuing.batches(request.actor),
    }
    return render(request, "credits/certificates/issuing.html", context)


@require_http_methods(["POST"])
@for_offices
def issue_all(request: HttpRequest) -> HttpResponse:
    """签发全部, in the background."""
    form = YearForm(request.POST)
    with told(request, f"已开始签发 {form.chosen} 年度的证书。") as outcome:
        batch = certificate_batches.start(form.chosen, by=request.actor)
    if outcome.refused:
        return redirect("credits:issuing")
    return redirect("credits:certificate_batch", batch.pk)


@require_http_methods(["POST"])
@for_offices
def issue_to(request: HttpRequest, practitioner_id: int) -> HttpResponse:
    """签发 to one person of the list."""
    people = Practitioner.objects.visible_to(request.actor)
    person = get_object_or_404(people.select_related("user"), pk=practitioner_id)
    year = YearForm(request.POST).chosen
    with told(request, f"已向 {masked_name(person.user.name)} 签发 {year} 年度的证书。"):
        certificates.issue(person, year, by=request.actor)
    return redirect(reverse("credits:issuing") + f"?year={year}")


@require_http_methods(["GET"])
@for_offices
def certificate_batch(request: HttpRequest, batch_id: int) -> HttpResponse:
    """How far a batch is."""
    own = CertificateBatch.objects.filter(organization=request.actor.organization)
    batch = get_object_or_404(own.select_related("by"), pk=batch_id)
    going = batch.state in certificate_batches.RUNNING
    by_itself = going and request.GET.get("auto") != "0"
    facts = [
        ("年度", f"{batch.year} 年"),
        ("范围", f"{request.actor.organization.name}及下级"),
        ("签发人", masked_name(batch.by.name)),
        ("开始时间", shown_time(batch.created_at)),
        ("结束时间", shown_time(batch.finished_at) if batch.finished_at else ""),
        ("已核对", f"{batch.looked:,} 人" + (f"，共 {batch.total:,} 人" if batch.total else "")),
        ("已签发", f"{batch.issued:,} 张"),
        ("未完成的原因", batch.why_failed),
    ]
    context = {
        "batch": batch,
        "tag": issuing.BATCH_TAGS[batch.state],
        "facts": [{"label": label, "value": value} for label, value in facts if value],
        "going": going,
        "by_itself": by_itself,
        "again_after": AGAIN_AFTER,
    }
    response = render(request, "credits/certificates/batch.html", context)
    if by_itself:
        response["Refresh"] = str(AGAIN_AFTER)
    return response


@require_http_methods(["GET"])
@for_offices
def issued(request: HttpRequest) -> HttpResponse:
    """已签发 of everybody below, and from there 撤销."""
    form = IssuedFilter(request.GET)
    asked = form.cleaned_data
    found = issuing.issued(
        request.actor, form.chosen, form.asked_name, asked.get("number", ""), asked.get("state", "")
    )
    page = keyset.page(found, issuing.ORDER, request.GET)
    context = {"filter": form, "page": page, "rows": issuing.issued_rows(page.rows), "year": form.chosen}
    return render(request, "credits/certificates/issued.html", context)


@require_http_methods(["GET", "POST"])
@for_offices
def revoke_certificate(request: HttpRequest, certificate_id: int) -> HttpResponse:
    """撤销, with the reason."""
    visible = Certificate.objects.visible_to(request.actor).with_state().select_related("practitioner__user")
    one = get_object_or_404(visible, pk=certificate_id)
    form = RevokeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with told(request, f"已撤销证书 {one.number}，已通知持证人。"):
            certificates.revoke(one, by=request.actor, reason=form.cleaned_data["reason"])
        return redirect("credits:certificate", one.pk)
    context = {
        "form": form,
        "one": one,
        "holder": masked_name(one.practitioner.user.name),
        "in_force": one.state in OPEN,
    }
    return render(request, "credits/certificates/revoke.html", context)


@require_http_methods(["GET"])
@for_offices
def certificate_checks(request: HttpRequest) -> HttpResponse:
    """查验记录: how often which certificate was checked on which day; nobody keeps who looked."""
    page = keyset.page(issuing.checks(request.actor), issuing.ORDER, request.GET)
    return render(
        request, "credits/certificates/checks.html", {"page": page, "rows": issuing.check_rows(page.rows)}
    )
