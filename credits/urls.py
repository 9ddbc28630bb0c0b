from django.urls import path

from credits import views

app_name = "credits"
urlpatterns = [
    path("", views.mine, name="mine"),
    path("declare/", views.declare, name="declare"),
    path("declare/check/", views.check, name="check"),
    path("declare/done/<int:application_id>/", views.done, name="done"),
    path("years/", views.years, name="years"),
]
