"""查看完整号码: a person's whole number, after a reason, written down where the person can read it (trust.md §2.4)."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.kept import form_data
from accounts.refused import Refused
from desk.forms import NumberReasonForm
from desk.seen_people import visible_person
from orgs import access, budget
from orgs.actor import hold_right
from orgs.doors import for_admins_with
from orgs.models import Duty


@never_cache
@require_http_methods(["GET", "POST"])
@for_admins_with(Duty.PEOPLE)
@budget.within_budget
def person_number(request: HttpRequest, practitioner_id: int) -> HttpResponse:
    """Asks why, then shows it once. Nothing is shown that could not be written down."""
    one = visible_person(request, practitioner_id)
    form = NumberReasonForm(form_data(request))
    context = {"person": one, "form": form}
    if request.method == "POST" and form.is_valid():
        budget.open_person(request.actor, one)
        what, reason = access.AccessEntry.What.NUMBER, form.cleaned_data["reason"]
        try:
            with transaction.atomic():
                hold_right(request.actor)
                access.note(request.actor, [one.user_id], what, reason)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            context["number"] = one.user.id_number.reveal()
    return render(request, "desk/person_number.html", context)
