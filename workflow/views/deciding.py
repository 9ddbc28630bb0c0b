"""One application: its page, the four verbs, its files."""

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.kept import form_data
from orgs import budget
from orgs.doors import for_admins, for_any_role
from orgs.models import Duty
from workflow import engine, inbox, reminders
from workflow.flow import flow_of, payload_of
from workflow.forms import ApproveForm, RejectForm
from workflow.models import Application, Attachment, State, Step
from workflow.slip import slip_of
from workflow.told import told

PICTURES = ("image/jpeg", "image/png")


@require_http_methods(["GET"])
@for_any_role
@budget.within_budget
def detail(request: HttpRequest, application_id: int) -> HttpResponse:
    """One application: where it is, what it asks for, and what this person can do about it."""
    return _detail(request, application_id)


def _detail(request, application_id, *, approve_form=None, reject_form=None, status=200) -> HttpResponse:
    actor = request.actor
    application = _visible(request, application_id)
    flow, payload, slip = flow_of(application), payload_of(application), slip_of(application)
    payload.application = application
    _count(actor, application, slip)
    step = next((one for one in slip.steps if one.awaits(actor)), None)
    mine = actor.speaks_for(application.subject)
    # A unit speaks for its people, but what a person filed begins anew on a page that opens to that person alone.
    own = mine and (
        actor.organization == application.organization or application.submitted_by_id != application.person_id
    )
    closed_badly = application.state in (State.REJECTED, State.WITHDRAWN)
    wrong = next((form for form in (approve_form, reject_form) if form is not None and form.errors), None)
    context = {
        "form": wrong,  # its errors go to the top of the page and into the title
        "application": application,
        "flow": flow,
        "payload": payload,
        "slip": slip,
        "tag": _tag(application, slip),
        "refused": next((line for line in slip.lines if line.state == "back" and line.comment), None),
        "attachments": [_shown(one) for one in application.attachments.order_by("pk")],
        "step": step,
        "approve_form": approve_form or _approve_form(flow, payload),
        "reject_form": reject_form or RejectForm(auto_id="reject_%s", duty=flow.duty),
        "may_remind": reminders.is_due(slip) and reminders.may_remind(application, actor),
        "may_withdraw": application.state == State.PENDING and engine.may_withdraw(application, actor),
        "again_url": flow.again_url(payload) if own and closed_badly else "",
        "again": {Duty.REGISTRATIONS: "重新注册", Duty.HOURS: "重新申报"}.get(flow.duty, "重新申请"),
        "mine": mine,
        "sees_applicant": application.practitioner is not None and actor.sees(application.practitioner),
    }
    return render(request, "workflow/detail.html", context, status=status)


def _count(actor, application: Application, slip) -> None:
    """Whose matter this is counts as a person opened, unless the actor's own work is to look at it. Raises BudgetSpent."""
    is_work = any(one.awaits(actor) or one.decided_by_id == actor.user.pk for one in slip.steps)
    if actor.organization is not None and application.practitioner is not None and not is_work:
        budget.open_person(actor, application.practitioner)


def _approve_form(flow, payload, data=None) -> ApproveForm:
    return (flow.approve_form or ApproveForm)(data, auto_id="approve_%s", payload=payload)


def _visible(request: HttpRequest, application_id: int) -> Application:
    rows = Application.objects.visible_to(request.actor).for_list().select_related("submitted_by")
    return get_object_or_404(rows, pk=application_id)


def _tag(application: Application, slip) -> tuple[str, str]:
    if application.state == State.PENDING:
        return "wait", f"待{slip.now.title}" if slip.now else application.get_state_display()
    kinds = {State.APPROVED: "ok", State.REJECTED: "back", State.WITHDRAWN: "draft"}
    return kinds[application.state], application.get_state_display()


def _shown(attachment: Attachment) -> dict:
    return {
        "pk": attachment.pk,
        "name": attachment.name,
        "sha256": attachment.sha256,
        "size": attachment.size,
        "is_picture": attachment.content_type in PICTURES,
        "is_pdf": attachment.content_type == PDF,
        "opens": attachment.content_type in OPENS,
    }


@require_http_methods(["GET"])
@for_any_role
@budget.within_budget
def receipt(request: HttpRequest, application_id: int) -> HttpResponse:
    """回执: one sheet of paper with the receipt number and where the matter is."""
    application = _visible(request, application_id)
    slip = slip_of(application)
    _count(request.actor, application, slip)
    context = {
        "application": application,
        "flow": flow_of(application),
        "slip": slip,
        "tag": _tag(application, slip),
        "mine": request.actor.speaks_for(application.subject),
    }
    return render(request, "workflow/receipt.html", context)


@require_http_methods(["GET", "POST"])
@for_admins
def approve(request: HttpRequest, step_id: int) -> HttpResponse:
    """Sign a step. GET only brings a remark back that an ended session kept."""
    step = _addressed(request, step_id)
    form = _approve_form(flow_of(step.application), payload_of(step.application), form_data(request))
    if request.method == "GET":
        return _came_back(request, step, approve_form=form)
    if not form.is_valid():
        return _detail(request, step.application_id, approve_form=form)
    with told(request, f"已通过：{step.application.summary}") as outcome:
        engine.approve(step.pk, by=request.actor, **form.cleaned_data)
    if outcome.refused:
        return _detail(request, step.application_id, approve_form=form, status=409)
    if "next" in request.POST:
        following = inbox.next_after(step, request.actor)
        if following:
            return redirect("workflow:detail", following)
    return redirect("workflow:inbox")


@require_http_methods(["GET", "POST"])
@for_admins
def reject(request: HttpRequest, step_id: int) -> HttpResponse:
    """Refuse a step, with a reason. GET only brings a reason back that an ended session kept."""
    step = _addressed(request, step_id)
    form = RejectForm(form_data(request), auto_id="reject_%s", duty=step.application.duty)
    if request.method == "GET":
        return _came_back(request, step, reject_form=form)
    if not form.is_valid():
        return _detail(request, step.application_id, reject_form=form)
    with told(request, f"已驳回：{step.application.summary}") as outcome:
        engine.reject(step.pk, by=request.actor, comment=form.cleaned_data["comment"])
    if outcome.refused:
        return _detail(request, step.application_id, reject_form=form, status=409)
    return redirect("workflow:inbox")


def _came_back(request: HttpRequest, step: Step, **forms) -> HttpResponse:
    if any(form.is_bound for form in forms.values()):
        return _detail(request, step.application_id, **forms)
    return redirect("workflow:detail", step.application_id)


def _addressed(request: HttpRequest, step_id: int) -> Step:
    # Decided steps too: who comes too late reads who decided and when instead of a missing page.
    steps = Step.objects.addressed_to(request.actor).select_related("application")
    return get_object_or_404(steps, pk=step_id)


@require_http_methods(["GET", "POST"])
@for_any_role
def withdraw(request: HttpRequest, application_id: int) -> HttpResponse:
    """撤回: asks once more, because a withdrawn application does not come back."""
    application = _visible(request, application_id)
    if not engine.may_withdraw(application, request.actor):
        raise Http404
    if request.method == "POST":
        with told(request, f"已撤回：{application.summary}"):
            engine.withdraw(application.pk, by=request.actor)
        return redirect("workflow:detail", application.pk)
    if application.state != State.PENDING:
        return redirect("workflow:detail", application.pk)
    return render(request, "workflow/withdraw.html", {"application": application})


@require_http_methods(["POST"])
@for_any_role
def remind(request: HttpRequest, application_id: int) -> HttpResponse:
    """催办: asks those who have the application now to get on with it, once a day."""
    application = _visible(request, application_id)
    if not reminders.may_remind(application, request.actor):
        raise Http404
    with told(request, "已催办，审核单位的管理员会收到消息和邮件。"):
        reminders.remind(application, by=request.actor)
    return redirect("workflow:detail", application.pk)


PDF = "application/pdf"
OPENS = (*PICTURES, PDF)
# Whatever a file holds, the browser runs nothing of it and it may load nothing.
_NO_RIGHTS = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; sandbox"
)
# A sandbox would keep browsers from showing a PDF at all. What they show it with runs apart from our pages, and no PDF
# that could do anything by itself was taken in (workflow/uploads.py). It may stand in a frame of our own pages.
_SHOWN_ONLY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; object-src 'self'; frame-ancestors 'self'"
)


@require_http_methods(["GET"])
@for_any_role
def attachment(request: HttpRequest, attachment_id: int) -> HttpResponse:
    """A file, to those who may see its application. `?open` shows pictures and PDFs in the browser."""
    found = get_object_or_404(
        Attachment, application__in=Application.objects.visible_to(request.actor), pk=attachment_id
    )
    opened = "open" in request.GET and found.content_type in OPENS
    answer = FileResponse(
        found.file.open("rb"), as_attachment=not opened, filename=found.name, content_type=found.content_type
    )
    framed = opened and found.content_type == PDF
    answer["Content-Security-Policy"] = _SHOWN_ONLY if framed else _NO_RIGHTS
    if framed:
        answer["X-Frame-Options"] = "SAMEORIGIN"
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cross-Origin-Resource-Policy"] = "same-origin"
    answer["Cache-Control"] = "private, no-store"
    return answer
