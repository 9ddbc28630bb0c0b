"""Pages of moves: 单位调转, 人员调出, 人员调入, 调转记录, 更换上级部门.

A form, a page to check what will happen, one submission. What was typed travels with the form from page to page.
"""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.kept import form_data
from orgs.actor import Actor
from orgs.choosing import with_paths
from orgs.doors import for_admins, for_admins_with, for_any_role, for_practitioners
from orgs.models import Duty, Kind, OrgAdmin
from transfers import lists, picking, releasing
from transfers.flows import SUPERIORS_OF
from transfers.forms import ReleaseForm, SuperiorForm, TransferForm
from transfers.models import Release, SuperiorChange, UnitTransfer
from workflow import engine, keyset
from workflow.flow import payload_of
from workflow.inbox import matters
from workflow.models import Application
from workflow.signers import signers_of
from workflow.slip import slip_of
from workflow.told import told
from workflow.wording import masked_name

TRANSFER, CHANGE = "unit-transfer", "superior-change"


# --- 单位调转 by the practitioner (F-54 … F-59) ---------------------------------------------------------


@require_http_methods(["GET", "POST"])
@for_practitioners
def transfer(request: HttpRequest) -> HttpResponse:
    """What stands in the way first; then the new unit and why; one's own transfers below."""
    actor = request.actor
    person = actor.practitioner
    data, do = form_data(request), request.POST.get("do", "")
    about = Application.objects.about(person)
    blockers = matters(about.pending().exclude(kind=TRANSFER).order_by("-pk"))
    form = _form(TransferForm, request, data, UnitTransfer, do != "edit", employer=person.employer)
    status = 200
    if form.is_bound and form.is_valid() and form.destination:
        payload = UnitTransfer(
            practitioner=person,
            old_employer=person.employer,
            new_employer=form.destination,
            reason=form.cleaned_data["reason"],
        )
        if do == "submit":
            with told(request, "已提交单位调转申请。") as outcome:
                application = engine.submit(TRANSFER, payload, by=actor)
            if not outcome.refused:
                return redirect("workflow:detail", application.pk)
            status = 409
        elif not blockers and not _open(about, TRANSFER):
            context = {"form": form, "payload": payload, "signers": signers_of(TRANSFER, payload, actor)}
            return render(request, "transfers/transfer_check.html", context)
    context = {
        "form": form,
        "blockers": blockers,
        "open": _open(about, TRANSFER),
        "past": matters(about.filter(kind=TRANSFER).exclude(state="pending").order_by("-pk")),
        "employer": person.employer,
    }
    return render(request, "transfers/transfer.html", context, status=status)


# --- 人员调出 and 人员调入 by the unit's admins (F-60 … F-62) -------------------------------------------


def _for_employers(actor: Actor) -> None:
    if actor.organization.kind != Kind.EMPLOYER:
        raise PermissionDenied("人员调出、调入由用人单位的管理员办理。")


@require_http_methods(["GET", "POST"])
@for_admins_with(Duty.TRANSFERS)
def release(request: HttpRequest) -> HttpResponse:
    """Choose people and their new unit; look at who can go and who cannot; file all of them in one action."""
    actor = request.actor
    _for_employers(actor)
    people = releasing.releasable(actor)
    data = form_data(request)
    if data is None and "person" in request.GET and not picking.all_there(request.GET, people):
        raise Http404
    picked = picking.read(request.GET if data is None else data, people)
    do = picking.asked_for(request.POST)
    form = _form(
        ReleaseForm,
        request,
        data,
        UnitTransfer,
        do in ("check", "submit"),
        employer=actor.organization,
        people=picked.picked,
    )
    if picked.gone and data is not None:
        messages.warning(request, f"有 {picked.gone} 人已不在本单位，已从名单中去掉。")
    if form.is_bound and form.is_valid() and form.destination:
        if do == "submit":
            return _carry_out(request, form)
        return _release_check(request, form, picked, people)
    context = {
        "form": form,
        "picking": picked,
        "rows": picking.shown_rows(picked),
        "names": picking.names(picked, people),
        "recent": lists.recent(actor),
        "most": picking.MOST,
    }
    return render(request, "transfers/release.html", context)


def _release_check(request, form, picked, people) -> HttpResponse:
    reasons = releasing.blocked(picked.picked)
    names = (
        people.filter(pk__in=picked.picked).order_by("pk").values_list("pk", "user__name", "user__id_masked")
    )
    rows = [(pk, masked_name(name), number) for pk, name, number in names]
    context = {
        "form": form,
        "picking": picked,
        "hit": with_paths([form.destination])[0],
        "going": [(name, number) for pk, name, number in rows if pk not in reasons],
        "staying": [(name, number, reasons[pk]) for pk, name, number in rows if pk in reasons],
    }
    return render(request, "transfers/release_check.html", context)


def _carry_out(request, form) -> HttpResponse:
    found = releasing.begin(
        form.cleaned_data["token"],
        form.people,
        form.destination,
        form.cleaned_data["reason"],
        by=request.actor,
    )
    releasing.carry_out(found, by=request.actor)
    return redirect("transfers:released", found.pk)


@require_http_methods(["GET", "POST"])
@for_admins_with(Duty.TRANSFERS)
def released(request: HttpRequest, release_id: int) -> HttpResponse:
    """What a 人员调出 came to, person by person. POST carries on what an interruption left open."""
    rows = Release.objects.visible_to(request.actor).select_related("new_employer", "by")
    found = get_object_or_404(rows, pk=release_id)
    if request.method == "POST":
        releasing.carry_out(found, by=request.actor)
        return redirect("transfers:released", found.pk)
    people = lists.shown_release(found)
    filed = sum(1 for row in people if row[5])
    context = {
        "release": found,
        "rows": people,
        "filed": filed,
        "left_out": sum(1 for row in people if row[4]),
        "unsettled": sum(1 for row in people if not row[4] and not row[5]),
    }
    return render(request, "transfers/released.html", context)


@require_http_methods(["GET"])
@for_admins_with(Duty.TRANSFERS)
def incoming(request: HttpRequest) -> HttpResponse:
    """人员调入: who waits to be received, with what the old unit said."""
    _for_employers(request.actor)
    page = keyset.page(lists.incoming(request.actor), lists.INCOMING_ORDER, request.GET)
    return render(request, "transfers/incoming.html", {"page": page, "rows": lists.shown_incoming(page.rows)})


@require_http_methods(["GET"])
@for_admins_with(Duty.TRANSFERS)
def records(request: HttpRequest) -> HttpResponse:
    """调转记录: everybody who left or came, or is about to."""
    _for_employers(request.actor)
    into = request.GET.get("way") == "in"
    page = keyset.page(lists.records(request.actor, into), lists.RECORDS_ORDER, request.GET)
    context = {"page": page, "rows": lists.shown_records(page.rows), "into": into}
    return render(request, "transfers/records.html", context)


# --- 更换上级部门 by the super admin (F-66 … F-71) ------------------------------------------------------


@require_http_methods(["GET", "POST"])
@for_admins
def superior(request: HttpRequest) -> HttpResponse:
    """The kind of superior, then the superior, and why; the open change and earlier ones."""
    actor = request.actor
    unit = actor.organization
    closed_door = _who_may_change(actor)
    if closed_door:
        return render(request, "403.html", {"message": closed_door}, status=403)
    data, do = form_data(request), request.POST.get("do", "")
    about = Application.objects.about(unit)
    form = _form(SuperiorForm, request, data, SuperiorChange, do != "edit", organization=unit)
    status = 200
    if form.is_bound and form.is_valid() and form.destination:
        payload = SuperiorChange(
            organization=unit,
            old_superior=unit.superior,
            new_superior=form.destination,
            reason=form.cleaned_data["reason"],
        )
        if do == "submit":
            with told(request, "已提交更换上级部门申请。") as outcome:
                application = engine.submit(CHANGE, payload, by=actor)
            if not outcome.refused:
                return redirect("workflow:detail", application.pk)
            status = 409
        elif not _open(about, CHANGE):
            context = {"form": form, "payload": payload, "signers": signers_of(CHANGE, payload, actor)}
            return render(request, "transfers/superior_check.html", context)
    context = {
        "form": form,
        "unit": unit,
        "open": _open(about, CHANGE),
        "past": matters(about.filter(kind=CHANGE).exclude(state="pending").order_by("-pk")),
        "path": [*with_paths([unit])[0].above, unit.name],
    }
    return render(request, "transfers/superior.html", context, status=status)


def _who_may_change(actor: Actor) -> str:
    """Why this admin cannot file a change, and who can; "" when they can."""
    unit = actor.organization
    if not SUPERIORS_OF[unit.kind]:
        return "人社部门的上级由平台设定，不能自行更换。"
    if actor.is_super:
        return ""
    one = OrgAdmin.objects.active().filter(organization=unit, is_super=True).select_related("user").first()
    return f"更换上级部门只能由本单位的超级管理员{f'（{masked_name(one.user.name)}）' if one else ''}申请。"


# --- both ---------------------------------------------------------------------------------------------


@require_http_methods(["GET"])
@for_any_role
def again(request: HttpRequest, application_id: int) -> HttpResponse:
    """Start anew after a rejection or withdrawal, on the page of whoever asks, filled in as it was (decision 10)."""
    application = _visible(request.actor, application_id)
    if not request.actor.speaks_for(application.subject):
        raise Http404
    if application.kind == CHANGE:
        page = reverse("transfers:superior")
    elif request.actor.practitioner:
        page = reverse("transfers:transfer")
    else:
        return redirect(
            f"{reverse('transfers:release')}?person={application.practitioner_id}&again={application.pk}"
        )
    return redirect(f"{page}?again={application.pk}")


def _visible(actor: Actor, application_id) -> Application:
    rows = Application.objects.visible_to(actor).filter(kind__in=[TRANSFER, CHANGE]).for_list()
    return get_object_or_404(rows, pk=application_id)


def _form(form_class, request, data, payload_class, bound: bool, **kwargs):
    """Bound when something is asked of it; otherwise filled in: from what came back, or from an earlier application."""
    if request.method == "POST" and bound:
        return form_class(data, **kwargs)
    if data is not None:
        initial = {name: data.get(name) for name in form_class.base_fields if data.get(name)}
    else:
        initial = _earlier(request, payload_class)
    return form_class(initial=initial, **kwargs)


def _earlier(request: HttpRequest, payload_class) -> dict:
    """What an earlier application of this kind asked for, to start from; {} when the address names none."""
    wanted = request.GET.get("again", "")
    if not (wanted.isascii() and wanted.isdecimal() and len(wanted) < 19):
        return {}
    payload = payload_of(_visible(request.actor, wanted))
    if not isinstance(payload, payload_class):
        raise Http404
    if isinstance(payload, UnitTransfer):
        return {"new_unit": payload.new_employer.name, "reason": payload.reason}
    kind = payload.new_superior.kind
    return {"kind": kind, "new_superior": payload.new_superior.name, "reason": payload.reason}


def _open(about, kind: str) -> dict | None:
    """The pending application of this kind with its slip, None when there is none."""
    application = about.pending().filter(kind=kind).select_related("submitted_by").first()
    return application and {"application": application, "slip": slip_of(application)}
