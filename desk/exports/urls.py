"""Addresses below /exports/; names in the namespace of the desk."""

from django.urls import path

from desk.exports import views

urlpatterns = [
    path("", views.exports, name="exports"),
    path("new/<slug:sheet>/", views.export, name="export"),
    path("<int:export_id>/", views.export_job, name="export_job"),
    path("<int:export_id>/download/", views.export_download, name="export_download"),
    path("<int:export_id>/cancel/", views.export_cancel, name="export_cancel"),
]
