"""临时代码: the platform's list (B7), the document, revoking; the unit's way to its real code (F-92 … F-94)."""

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.kept import form_data
from accounts.refused import Refused
from orgs import uscc
from orgs.doors import for_operators, for_super_admins
from orgs.models import Duty, Organization, Status
from registration import temporary_code
from registration.forms.unit import CodeSearch, ReasonForm, ReplaceCodeForm
from registration.models import CodeReplacement, TemporaryCode
from registration.views.entering import registrations_shown_to
from workflow import engine, keyset
from workflow.attachments import claim, copy_to_draft
from workflow.inbox import detail_url
from workflow.models import Application, State, Step
from workflow.slip import slip_of
from workflow.told import told
from workflow.wording import days_waited, shown_date

KIND = "code-replacement"
ORDER = ("-pk",)
MOST_REQUESTS = 20


@require_http_methods(["GET"])
@for_operators
def codes(request: HttpRequest) -> HttpResponse:
    """临时代码: requests that wait, with a word on namesakes, then every code that was issued."""
    _may_issue(request)
    search = CodeSearch(request.GET)
    text = search.cleaned_data["q"].strip() if search.is_valid() else ""
    rows = TemporaryCode.objects.visible_to(request.actor)
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(code=text.upper()))
    page = keyset.page(rows.for_list(), ORDER, request.GET)
    for row in page.rows:
        row["issued"], row["tag"] = shown_date(row["issued_at"]), _tag(row)
    context = {
        "requests": _requests(request),
        "search": search,
        "text": text,
        "page": page,
        "rows": page.rows,
    }
    return render(request, "registration/codes.html", context)


def _tag(row: dict) -> tuple[str, str]:
    if row["revoked_at"]:
        return "back", "已撤销"
    if row["replaced_at"]:
        return "draft", "已更换"
    if row["status"] == Status.ACTIVE:
        return "ok", "有效"
    return ("wait", "注册审核中") if row["status"] == Status.PENDING else ("draft", "注册未通过")


def _requests(request: HttpRequest) -> list[dict]:
    """Units that wait for their code, oldest first."""
    wants = Q(
        application__employerregistration__wants_code=True, application__employerregistration__uscc=""
    ) | Q(application__authorityregistration__wants_code=True, application__authorityregistration__uscc="")
    steps = Step.objects.awaiting(request.actor).filter(wants).oldest_first()
    steps = list(steps.select_related("application__organization__division")[:MOST_REQUESTS])
    names = [step.application.organization.name for step in steps]
    held = set(TemporaryCode.objects.usable().filter(name__in=names).values_list("name", flat=True))
    alike = {}
    live = Organization.objects.filter(name__in=names, status__in=[Status.PENDING, Status.ACTIVE])
    for name, pk in live.values_list("name", "pk"):
        alike.setdefault(name, set()).add(pk)
    return [
        {
            "url": detail_url(step.application_id),
            "name": unit.name,
            "division": unit.division,
            "waited": days_waited(step.opened_at),
            "namesake": unit.name in held or len(alike[unit.name]) > 1,
        }
        for step in steps
        for unit in [step.application.organization]
    ]


@login_not_required
@never_cache
@require_http_methods(["GET"])
def code_document(request: HttpRequest, code_id: int) -> HttpResponse:
    """临时代码证明, one sheet of A4: for the unit, for who reviews it, for the platform.

    A unit under registration cannot log in yet: whoever proved on the progress page to have filed it sees it too.
    """
    rows = TemporaryCode.objects.select_related("division", "organization")
    found = rows.visible_to(request.actor).filter(pk=code_id).first() if request.actor else None
    if found is None:
        own = {getattr(one, "organization_id", None) for one in registrations_shown_to(request)} - {None}
        found = rows.filter(pk=code_id, organization__in=own).first()
    if found is None:
        if request.actor:
            raise Http404
        messages.info(request, "请先登录；注册还没有通过审核的，先在这里查询，再打开临时代码证明。")
        return redirect("registration:progress")
    context = {
        "code": found,
        "may_revoke": request.actor.is_operator and request.actor.can(Duty.REGISTRATIONS),
    }
    return render(request, "registration/code_document.html", context)


@require_http_methods(["GET", "POST"])
@for_operators
def revoke_code(request: HttpRequest, code_id: int) -> HttpResponse:
    """撤销临时代码, with a reason that the unit reads."""
    _may_issue(request)
    found = get_object_or_404(TemporaryCode.objects.select_related("organization"), pk=code_id)
    form = ReasonForm(form_data(request), hint="例如 同一单位重复领取。单位会原样看到。")
    if request.method == "POST" and form.is_valid():
        with told(request, f"已撤销 {found.code}，已通知该单位。"):
            temporary_code.revoke(found.pk, form.cleaned_data["reason"], by=request.actor)
        return redirect("registration:codes")
    return render(request, "registration/revoke_code.html", {"form": form, "code": found})


def _may_issue(request: HttpRequest) -> None:
    if not request.actor.can(Duty.REGISTRATIONS):
        raise PermissionDenied


@require_http_methods(["GET", "POST"])
@for_super_admins
def replace_code(request: HttpRequest) -> HttpResponse:
    """更换为统一社会信用代码, by the unit's super admin; the superior compares the certificate."""
    actor = request.actor
    unit = actor.organization
    if not uscc.is_temporary(unit.uscc):
        messages.info(request, "本单位用的不是临时代码，不用更换。")
        return redirect("registration:unit_profile")
    data = form_data(request)
    again = None if data is not None else _earlier(request)
    start = (
        {"new_code": again.new_code, "draft": copy_to_draft(again.application, request)} if again else None
    )
    form = ReplaceCodeForm(data, request=request, organization=unit, initial=start)
    status = 200
    if request.method == "POST" and form.is_valid():
        payload = CodeReplacement(organization=unit, new_code=form.cleaned_data["new_code"])
        try:
            with transaction.atomic():
                application = engine.submit(KIND, payload, by=actor)
                claim(form, application)
        except Refused as refusal:
            messages.error(request, str(refusal))
            status = 409
        else:
            messages.success(request, "已提交，审核通过后换成新代码。")
            return redirect("workflow:detail", application.pk)
    pending = (
        Application.objects.about(unit).pending().filter(kind=KIND).select_related("submitted_by").first()
    )
    context = {
        "form": form,
        "unit": unit,
        "code": TemporaryCode.objects.filter(code=unit.uscc).first(),
        "pending": pending,
        "slip": slip_of(pending) if pending else None,
    }
    return render(request, "registration/replace_code.html", context, status=status)


def _earlier(request: HttpRequest) -> CodeReplacement | None:
    asked = request.GET.get("again", "")
    if not asked:
        return None
    if not (asked.isascii() and asked.isdecimal() and len(asked) < 19):
        raise Http404
    closed = CodeReplacement.objects.filter(application__state__in=[State.REJECTED, State.WITHDRAWN])
    return get_object_or_404(
        closed.filter(organization=request.actor.organization).select_related("application"), pk=asked
    )
