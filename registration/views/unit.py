"""单位资料管理 → 基本信息 (A15)."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.kept import form_data
from accounts.refused import Refused
from orgs import uscc
from orgs.actor import Actor, hold_right
from orgs.doors import for_admins_with
from orgs.models import Duty, Organization
from registration.forms.contact import CONTACT
from registration.forms.unit import UnitContactForm
from registration.models import TemporaryCode
from workflow import engine


@require_http_methods(["GET", "POST"])
@for_admins_with(Duty.PROFILE)
def unit_profile(request: HttpRequest) -> HttpResponse:
    """The public contact, saved at once; name and code as they were approved, with the way to change them."""
    actor = request.actor
    unit = Organization.objects.select_related("superior", "division").get(pk=actor.organization.pk)
    form = UnitContactForm(form_data(request), organization=unit)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            saved = _save(actor, form)
        except Refused as refusal:
            messages.error(request, str(refusal))
            status = 409
        else:
            said = "已保存，立即生效。等您审核的人看到的就是这些。" if saved else "没有改动，不用保存。"
            messages.success(request, said)
            return redirect("registration:unit_profile")
    temporary = uscc.is_temporary(unit.uscc)
    context = {
        "form": form,
        "unit": unit,
        "temporary": temporary,
        "code": TemporaryCode.objects.filter(code=unit.uscc).first() if temporary else None,
    }
    return render(request, "registration/unit_profile.html", context, status=status)


@transaction.atomic
def _save(actor: Actor, form: UnitContactForm) -> bool:
    hold_right(actor)
    unit = engine.lock(actor.organization)
    if all(getattr(unit, name) == form.cleaned_data[name] for name in CONTACT):
        return False
    for name in CONTACT:
        setattr(unit, name, form.cleaned_data[name])
    unit._history_user, unit._change_reason = actor.user, "修改联系方式"
    unit.save(update_fields=CONTACT)
    return True
