"""更正姓名或身份证号 (U12) for the person, 更正申请 (B8) for the platform."""

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.kept import form_data
from accounts.refused import Refused
from orgs import access
from orgs.actor import hold_right
from orgs.doors import for_any_role, for_operators
from registration import working_days
from registration.forms.correction import CorrectionForm
from registration.models import IdentityCorrection, NumberShown
from workflow import engine, keyset
from workflow.attachments import claim, copy_to_draft
from workflow.inbox import detail_url
from workflow.models import State, Step
from workflow.slip import slip_of
from workflow.wording import masked_name, shown_date

KIND = "identity-correction"
ORDER = ("opened_at", "pk")


@sensitive_post_parameters("id_number")
@require_http_methods(["GET", "POST"])
@for_any_role
def correction(request: HttpRequest) -> HttpResponse:
    """The right name or number, why, and one proof. What is under review stands here instead of the form."""
    actor = request.actor
    user = actor.user
    mine = IdentityCorrection.objects.filter(user=user).select_related("application__submitted_by")
    data = form_data(request)
    start = {} if data is not None else _start(request, mine)
    form = CorrectionForm(data, request=request, user=user, initial=start)
    status = 200
    if request.method == "POST" and form.is_valid():
        payload = form.payload()
        payload.practitioner, payload.organization = actor.practitioner, actor.organization
        try:
            with transaction.atomic():
                application = engine.submit(KIND, payload, by=actor)
                claim(form, application)
        except Refused as refusal:
            messages.error(request, str(refusal))
            status = 409
        else:
            messages.success(request, "已提交，平台核实后会用消息、邮件和短信告诉您。")
            return redirect("workflow:detail", application.pk)
    pending = mine.filter(application__state=State.PENDING).first()
    context = {
        "form": form,
        "person": user,
        "pending": pending,
        "slip": slip_of(pending.application) if pending else None,
    }
    return render(request, "registration/correction.html", context, status=status)


def _start(request: HttpRequest, mine) -> dict:
    """What a rejected or withdrawn correction asked for, files included (decision 10). The number is one's own."""
    asked = request.GET.get("again", "")
    if not asked:
        return {}
    closed = mine.filter(application__state__in=[State.REJECTED, State.WITHDRAWN])
    earlier = (
        closed.filter(pk=asked).first() if asked.isascii() and asked.isdecimal() and len(asked) < 19 else None
    )
    if earlier is None:
        raise Http404
    start = {"name": earlier.new_name, "reason": earlier.reason}
    if earlier.new_number:
        start |= {"id_kind": earlier.new_id_kind, "id_number": earlier.new_number.reveal()}
    return {**start, "draft": copy_to_draft(earlier.application, request)}


@require_http_methods(["GET"])
@for_operators
def corrections(request: HttpRequest) -> HttpResponse:
    """更正申请: what waits for the platform, the first due on top, so what is overdue comes first (F-85)."""
    steps = Step.objects.awaiting(request.actor).filter(application__kind=KIND)
    rows = steps.values(
        "pk", "opened_at", "application_id", "application__identitycorrection__old_name",
        "application__identitycorrection__old_id_masked", "application__identitycorrection__new_id_masked",
    )  # fmt: skip
    page = keyset.page(rows, ORDER, request.GET)
    shown = [_row(row) for row in page.rows]
    context = {"rows": shown, "page": page, "late": sum(row["late"] for row in shown)}
    return render(request, "registration/corrections.html", context)


def _row(row: dict) -> dict:
    due = working_days.due(timezone.localdate(row["opened_at"]))
    late = due.is_over(timezone.localdate())
    before = "application__identitycorrection__"
    return {
        "url": detail_url(row["application_id"]),
        "who": masked_name(row[f"{before}old_name"]),
        "id_masked": row[f"{before}old_id_masked"],
        "what": "证件号码" if row[f"{before}new_id_masked"] else "姓名",
        "opened": shown_date(row["opened_at"]),
        "due": f"{due.day}{'' if due.certain else '（暂按周一至周五）'}",
        "late": late,
        "tag": ("back", "已超期") if late else ("wait", "待核实"),
    }


@never_cache
@require_http_methods(["POST"])
@for_operators
def numbers(request: HttpRequest, application_id: int) -> HttpResponse:
    """查看完整号码: both numbers in full, to whoever has to compare them with the proof; who looked is written down."""
    step = Step.objects.awaiting(request.actor).filter(application=application_id, application__kind=KIND)
    get_object_or_404(step)
    found = IdentityCorrection.objects.get(pk=application_id)
    try:
        with transaction.atomic():
            hold_right(request.actor)
            NumberShown.objects.create(correction=found, user=request.actor.user)
            what, about = access.AccessEntry.What.CORRECTION, found.application.receipt
            access.note(request.actor, [found.user_id], what, "核实更正申请", about=about)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("registration:corrections")
    context = {"correction": found, "old": found.old_number.reveal(), "detail_url": detail_url(found.pk)}
    context["new"] = found.new_number.reveal() if found.new_id_index else ""
    return render(request, "registration/correction_numbers.html", context)
