"""The yardstick of a list page: a bare Django view with the same session, the same query and a page of the same size.

Its settings are the product's without everything a product needs (menus, counts, rights, keyset, masks); its template is
the very page that the product sent, with the rows in a loop. The peer is Django's admin on the same table, tuned (no full
count, select_related), as a competent project would have it.
"""

import os
from functools import cache
from pathlib import Path

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required, login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import path
from django.utils.functional import cached_property

from orgs.models import OrgAdmin, Practitioner


@cache
def template():
    return engines["django"].from_string(Path(os.environ["BENCH_TEMPLATE"]).read_text(encoding="utf-8"))


@login_required
def bare(request: HttpRequest) -> HttpResponse:
    """Fifty people of the branch, in its order as the product's list has them, as tuples."""
    branch = _branch(request.user.pk)
    rows = (
        Practitioner.objects.filter(status="active", path__startswith=branch)
        .order_by("path", "pk")
        .values_list("pk", "user__name", "user__id_masked", "employer__name", "title")[:50]
    )
    return HttpResponse(template().render({"rows": list(rows)}, request))


@cache
def _branch(user: int) -> str:
    return OrgAdmin.objects.select_related("organization").get(user=user).organization.path


class NoCount(Paginator):
    @cached_property
    def count(self):
        return 9_999_999


class PractitionerAdmin(admin.ModelAdmin):
    list_display = ["user", "employer", "title", "status"]
    list_select_related = ["user", "employer"]
    list_per_page = 50
    show_full_result_count = False
    paginator = NoCount
    ordering = ["-pk"]

    def has_view_permission(self, request, obj=None):
        return True


site = admin.AdminSite("bench")
site.has_permission = lambda request: request.user.is_authenticated
site.register(Practitioner, PractitionerAdmin)

from config.urls import urlpatterns as product  # noqa: E402  the login page is the product's own

urlpatterns = [path("bare/", login_not_required(bare)), path("peer/", site.urls), *product]
