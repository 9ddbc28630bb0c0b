"""撤销学时: what would follow and why, then a last look, then it is done (decision 11)."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.kept import form_data
from credits import revoking
from credits.flows import HoursDeclaration
from credits.forms.revoking import TakeBackForm
from credits.models import Declaration
from credits.standing import named_subject
from orgs.doors import for_admins_with
from orgs.models import Duty
from workflow.models import Application, State
from workflow.told import told
from workflow.wording import hours as shown
from workflow.wording import masked_name


@require_http_methods(["GET", "POST"])
@for_admins_with(Duty.HOURS)
def revoke(request: HttpRequest, application_id: int) -> HttpResponse:
    """For who signed it. One address: the reason first, the check after it, the way back with everything kept."""
    declaration = _declaration(request, application_id)
    if not revoking.may_take_back(declaration, request.actor):
        return redirect("workflow:detail", application_id)
    form = TakeBackForm(form_data(request))
    checked = request.method == "POST" and "edit" not in request.POST and form.is_valid()
    if checked and "revoke" in request.POST:
        with told(request, "学时已撤销，已通知申报人。"):
            revoking.take_back(declaration, by=request.actor, reason=form.cleaned_data["sentence"])
        return redirect("workflow:detail", application_id)
    if "edit" in request.POST:
        form = TakeBackForm(initial={name: request.POST.get(name, "") for name in ("reason", "comment")})
    found = revoking.consequences(declaration)
    context = {
        "form": form,
        "application": declaration.application,
        "declaration": declaration,
        "facts": _facts(declaration, found),
        "found": found,
        "checked": checked,
    }
    return render(request, "credits/revoke_check.html" if checked else "credits/revoke.html", context)


def _declaration(request: HttpRequest, application_id: int) -> Declaration:
    """A declaration that was approved and signed by the admin's organisation, or 404."""
    seen = Application.objects.visible_to(request.actor).filter(
        kind=HoursDeclaration.kind, state=State.APPROVED
    )
    signed = seen.filter(steps__approver=request.actor.organization, steps__state="approved")
    found = Declaration.objects.filter(application__in=signed.values("pk"))
    return get_object_or_404(
        found.select_related("application", "practitioner__user", "practitioner__employer", "kind"),
        pk=application_id,
    )


def _facts(declaration: Declaration, found: revoking.Consequences) -> list[dict]:
    person = declaration.practitioner
    rows = [
        ("申报人", f"{masked_name(person.user.name)}（{person.user.id_masked}），{person.employer.name}"),
        ("申报", str(declaration)),
        (
            "撤销",
            f"{named_subject(found.entry.subject)} {shown(found.entry.hours)} 学时，{found.entry.year} 年度",
        ),
    ]
    return [{"label": label, "value": value} for label, value in rows]
