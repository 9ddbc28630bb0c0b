"""账户注销 by the person (U13), 离职 by the unit (A7)."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import throttle
from accounts.entrance import leave
from accounts.forms import OwnPasswordForm
from accounts.kept import form_data
from accounts.login import knows_own_password
from accounts.refused import Refused
from orgs.doors import for_admins_with, for_any_role
from orgs.models import Duty, Practitioner
from registration import leaving
from registration.forms.unit import ReasonForm
from workflow.inbox import matters
from workflow.models import Application


@sensitive_post_parameters("current_password")
@require_http_methods(["GET", "POST"])
@for_any_role
def close_account(request: HttpRequest) -> HttpResponse:
    """账户注销: what follows, what stands in the way, the password, done."""
    user = request.actor.user
    blockers, headed = matters(leaving.pending_of(user)), leaving.headed_by(user)
    form = OwnPasswordForm(form_data(request))
    form.error_title = "没有注销"
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            if knows_own_password(request, form.cleaned_data["current_password"]):
                leaving.close_account(user)
                leave(request)
                messages.success(request, "您的账户已注销。学时记录保留，今后可用同一证件号码重新注册。")
                return redirect("accounts:login")
            form.add_error("current_password", "密码不对，没有注销。请重新填写。")
        except Refused as refusal:
            form.add_error(None, str(refusal))
            status = 409
        except throttle.TooMany as too_many:
            form.add_error(None, f"尝试次数太多，请在 {too_many.words} 后再试。")
            status = 429
    context = {
        "form": form,
        "blockers": blockers,
        "headed": [{"place": one.organization.name, "here": one.organization == request.actor.organization} for one in headed],
        "roles": list(user.accounts.live().order_by("pk")),
        "back_url": reverse("registration:own_data" if request.actor.practitioner else "accounts:security"),
    }  # fmt: skip
    return render(request, "registration/close_account.html", context, status=status)


@require_http_methods(["GET", "POST"])
@for_admins_with(Duty.TRANSFERS)
def dismiss(request: HttpRequest, practitioner_id: int) -> HttpResponse:
    """离职: somebody left the unit and goes to no other on the platform; who does is moved by 人员调出."""
    actor = request.actor
    people = Practitioner.objects.visible_to(actor).active().filter(employer=actor.organization)
    person = get_object_or_404(people.exclude(user=actor.user).select_related("user"), pk=practitioner_id)
    form = ReasonForm(form_data(request), hint="例如 合同到期。本人会原样看到。")
    form.error_title = "没有办理"
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            leaving.dismiss(person, form.cleaned_data["reason"], by=actor)
        except Refused as refusal:
            form.add_error(None, str(refusal))
            status = 409
        else:
            messages.success(request, f"已为{person.user.name}办理离职，已通知本人。")
            return redirect("desk:people" if actor.can(Duty.PEOPLE) else "desk:home")
    pending = Application.objects.about(person).visible_to(actor).pending().order_by("pk")
    context = {
        "form": form,
        "person": person,
        "blockers": matters(pending),
        "back_url": reverse("desk:person", args=[person.pk])
        if actor.can(Duty.PEOPLE)
        else reverse("desk:home"),
    }
    return render(request, "registration/dismiss.html", context, status=status)
