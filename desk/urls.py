from django.urls import path

from desk import views

app_name = "desk"
urlpatterns = [
    path("", views.home, name="home"),
    path("faq/", views.faq, name="faq"),
    path("statement/", views.statement, name="statement"),
    path("accessibility/", views.accessibility, name="accessibility"),
    path("people/", views.people, name="people"),
    path("people/<int:practitioner_id>/", views.person, name="person"),
    path("people/<int:practitioner_id>/reset-password/", views.reset_password, name="reset_password"),
]
