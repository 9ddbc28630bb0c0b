"""用户资料管理 → 基本信息修改 (U10): own data, own contacts."""

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import throttle
from accounts.contacts import change_contacts, mobile_of
from accounts.kept import form_data
from accounts.login import knows_own_password
from accounts.masked import masked_email, masked_mobile
from accounts.refused import Refused
from orgs.actor import Actor
from orgs.doors import for_any_role, for_practitioners
from orgs.models import Practitioner
from registration.forms.own_data import STUDY, ContactsForm, OwnDataForm, title_data_of
from registration.models import TitleChange
from workflow import engine
from workflow.flow import kinds_alone, payload_of
from workflow.models import Application, State
from workflow.signers import signers_of
from workflow.slip import slip_of

TITLE = "title-change"


@require_http_methods(["GET", "POST"])
@for_practitioners
def own_data(request: HttpRequest) -> HttpResponse:
    """One form: education takes effect at once; a new title is shown beside the old one first, then filed."""
    actor = request.actor
    me = _mine(actor)
    pending, blocker = _under_review(me)
    data, do = form_data(request), request.POST.get("do", "")
    locked = {"practitioner": me, "title_locked": bool(pending or blocker)}
    form = (
        OwnDataForm(data, **locked)
        if data is not None
        else OwnDataForm(initial=_start(request, me), **locked)
    )
    status = 200
    if request.method == "POST" and do != "edit" and form.is_valid():
        change, study = form.title_change(), form.study_changes
        if change and do != "submit":
            (signer,) = signers_of(TITLE, change, actor)
            context = {"form": form, "study": study, "change": change, "signer": signer}
            return render(request, "registration/own_data_check.html", context)
        if not change and not study:
            messages.info(request, "没有改动，不用保存。")
            return redirect("registration:own_data")
        try:
            application = _save(actor, form, change)
        except Refused as refusal:
            messages.error(request, str(refusal))
            status = 409
        else:
            saved = "；".join(f"{row.label}改为“{row.new}”" for row in study)
            if application:
                also = f"，{saved}（已生效）" if saved else ""
                messages.success(request, f"职称变更已提交，审核通过后生效{also}。")
                return redirect("workflow:detail", application.pk)
            messages.success(request, f"已保存，立即生效：{saved}。")
            return redirect("registration:own_data")
    context = {
        "form": form,
        "person": me,
        "mobile": masked_mobile(mobile_of(actor.user)),
        "email": masked_email(actor.user.email),
        "pending": pending,
        "blocker": blocker,
    }
    return render(request, "registration/own_data.html", context, status=status)


def _mine(actor: Actor) -> Practitioner:
    rows = Practitioner.objects.select_related("user", "employer", "field_of_study", "title_series")
    return rows.get(pk=actor.practitioner.pk)


def _under_review(me: Practitioner) -> tuple[dict | None, Application | None]:
    """The pending change of the title with its slip, and the move that forbids to file one (decision 2)."""
    found = Application.objects.about(me).pending().filter(kind__in=[TITLE, *kinds_alone()])
    found = list(found.select_related("submitted_by"))
    title = next((one for one in found if one.kind == TITLE), None)
    blocker = next((one for one in found if one.kind != TITLE), None)
    if title is None:
        return None, blocker
    return {"application": title, "slip": slip_of(title), "payload": payload_of(title)}, blocker


def _start(request: HttpRequest, me: Practitioner) -> dict:
    """What a rejected or withdrawn change asked for (decision 10)."""
    asked = request.GET.get("again", "")
    if not asked:
        return {}
    earlier = _earlier(me, asked)
    if earlier is None:
        raise Http404
    return {**title_data_of(earlier), "again": earlier.pk}


def _earlier(me: Practitioner, pk: str) -> TitleChange | None:
    if not (pk.isascii() and pk.isdecimal() and len(pk) < 19):
        return None
    closed = TitleChange.objects.filter(application__state__in=[State.REJECTED, State.WITHDRAWN])
    return closed.filter(practitioner=me, pk=pk).select_related("application", "title_series").first()


@transaction.atomic
def _save(actor: Actor, form: OwnDataForm, change: TitleChange | None) -> Application | None:
    if form.study_changes:
        me = engine.lock(actor.practitioner)
        for name in STUDY:
            setattr(me, name, form.cleaned_data[name])
        me._history_user, me._change_reason = actor.user, "本人修改"
        me.save(update_fields=STUDY)
    if change is None:
        return None
    earlier = _earlier(actor.practitioner, form.cleaned_data["again"])
    return engine.submit(TITLE, change, by=actor, again_of=earlier and earlier.application)


@sensitive_post_parameters("current_password")
@require_http_methods(["GET", "POST"])
@for_any_role
def contacts(request: HttpRequest) -> HttpResponse:
    """手机号和邮箱 of whoever is logged in, in any role."""
    user = request.actor.user
    form = ContactsForm(form_data(request), initial={"mobile": mobile_of(user), "email": user.email})
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            if knows_own_password(request, form.cleaned_data["current_password"]):
                changed = change_contacts(user, form.cleaned_data["mobile"], form.cleaned_data["email"])
                said = f"{'和'.join(changed)}已修改，立即生效。" if changed else "没有改动，不用保存。"
                messages.success(request, said)
                return redirect(
                    "registration:own_data" if request.actor.practitioner else "accounts:security"
                )
            form.add_error("current_password", "密码不对，请重新填写。")
        except throttle.TooMany as too_many:
            form.add_error(None, f"尝试次数太多，请在 {too_many.words} 后再试。")
            status = 429
    context = {
        "form": form,
        "heading": "修改手机号和邮箱",
        "lead": "直接生效。原来的手机号和邮箱会收到提醒。",
        "submit": "保存",
    }
    return render(request, "registration/contacts.html", context, status=status)
