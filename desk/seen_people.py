"""The door to one person's pages: who is not in the branch is missing."""

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from orgs.models import Practitioner


def visible_person(request: HttpRequest, practitioner_id: int) -> Practitioner:
    """Http404 for whom this actor does not see."""
    visible = Practitioner.objects.visible_to(request.actor).active()
    return get_object_or_404(
        visible.select_related("user", "employer", "field_of_study", "title_series"), pk=practitioner_id
    )
