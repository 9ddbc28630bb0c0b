"""What a person answers to hours that their unit declared for them: 确认 or 有异议."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.kept import form_data
from credits import unit_declaring, unit_lists
from credits.forms.unit import ObjectionForm
from credits.models import UnitDeclarationPerson
from credits.shown import account
from credits.unit_files import files_of
from orgs.doors import for_practitioners
from workflow.picking import ids_in
from workflow.told import told

PAGE = 20


@require_http_methods(["GET", "POST"])
@for_practitioners
def unit_offers(request: HttpRequest) -> HttpResponse:
    """单位为我申报的学时: all that waits for one's answer. POST confirms all that the page showed."""
    if request.method == "POST":
        seen = {pk: request.POST.get(f"seen_{pk}", "") for pk in ids_in(request.POST.get("rows"))}
        outcomes = unit_declaring.confirm_all(seen, by=request.actor)
        done = sum(1 for one in outcomes if one.application)
        if done:
            messages.success(request, f"已确认 {done} 件，现在由审验单位审核。")
        for one in outcomes:
            if not one.application:
                messages.error(request, one.sentence)
        return redirect("credits:mine" if done and done == len(outcomes) else "credits:unit_offers")
    rows = list(unit_declaring.offers_to(request.actor.practitioner)[:PAGE])
    found = unit_lists.shown_offers(rows, request.actor.practitioner)
    ready = [one for one in found if not one["problem"]]
    return render(request, "credits/unit/offers.html", {"offers": found, "ready": ready})


@require_http_methods(["GET", "POST"])
@for_practitioners
def unit_offer(request: HttpRequest, row_id: int) -> HttpResponse:
    """One of them: what it says and brings, 确认 or 有异议; once answered, what was answered."""
    actor = request.actor
    own = UnitDeclarationPerson.objects.filter(practitioner=actor.practitioner).select_related(
        "unit_declaration__kind", "unit_declaration__organization"
    )
    row = get_object_or_404(own, pk=row_id)
    form = ObjectionForm(form_data(request) if request.POST.get("do") != "confirm" else None)
    status = 200
    if request.method == "POST" and request.POST.get("do") == "confirm":
        with told(request, "已确认，现在由审验单位审核。") as outcome:
            application = unit_declaring.confirm(row.pk, by=actor, seen=request.POST.get("seen", "")[:12])
        if not outcome.refused:
            return redirect("workflow:detail", application.pk)
        return redirect("credits:unit_offer", row.pk)
    if request.method == "POST" and form.is_valid():
        with told(request, "已提出异议，单位会看到您写的内容。"):
            unit_declaring.object_to(row.pk, by=actor, reason=form.cleaned_data["reason"])
        return redirect("credits:unit_offer", row.pk)
    context = unit_lists.offer(row, actor.practitioner)
    context |= {
        "row": row,
        "declaration": row.unit_declaration,
        "files": list(files_of(row.unit_declaration)),
        "form": form,
        "account": account(context.pop("reckoning")),
    }
    return render(request, "credits/unit/offer.html", context, status=status)
