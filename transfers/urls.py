from django.urls import path

from transfers import views

app_name = "transfers"
urlpatterns = [
    path("unit/", views.transfer, name="transfer"),
    path("release/", views.release, name="release"),
    path("release/<int:release_id>/", views.released, name="released"),
    path("incoming/", views.incoming, name="incoming"),
    path("records/", views.records, name="records"),
    path("superior/", views.superior, name="superior"),
    path("again/<int:application_id>/", views.again, name="again"),
]
