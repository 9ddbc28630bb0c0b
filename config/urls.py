"""Addresses. No ID number ever stands in one (trust.md §3.14)."""

from django.contrib import admin
from django.urls import include, path

from credits.api import docs, routes

urlpatterns = [
    path("", include("desk.urls")),
    path("", include("accounts.urls")),
    path("", include("workflow.urls")),
    path("", include("registration.urls")),
    path("hours/", include("credits.urls")),
    path("moves/", include("transfers.urls")),
    path("organization/", include("orgs.urls")),
    path("api/v1/", docs.page, name="api_docs"),
    path("api/v1/", routes.addresses()),
    path("reference-data/", admin.site.urls),
]
handler400 = "config.errors.bad_request"
handler403 = "config.errors.permission_denied"
handler404 = "config.errors.page_not_found"
handler500 = "config.errors.server_error"
