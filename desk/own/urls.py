"""Addresses below /my/held/; names in the namespace of the desk."""

from django.urls import path

from desk.own import views

urlpatterns = [
    path("", views.my_data, name="my_data"),
    path("copy/", views.my_data_copy, name="my_data_copy"),
    path("seen/", views.my_data_seen, name="my_data_seen"),
]
