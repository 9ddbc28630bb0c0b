from django.urls import path, register_converter

from registration.views import entering as views


class RoleConverter:
    """Who registers: the login roles that may (F-02). Bureaus and operators do not register (F-114)."""

    regex = "practitioner|employer|authority"

    def to_python(self, value):
        return value

    def to_url(self, value):
        return value


register_converter(RoleConverter, "registering_role")

app_name = "registration"
urlpatterns = [
    path("", views.start, name="start"),
    path("privacy/", views.privacy, name="privacy"),
    path("progress/", views.progress, name="progress"),
    path("progress/withdraw/", views.withdraw, name="withdraw"),
    path("progress/again/", views.again, name="again"),
    path("done/<int:application_id>/", views.done, name="done"),
    path("<registering_role:role>/", views.situations, name="situations"),
    path("<registering_role:role>/unit/", views.unit, name="unit"),
    path("<registering_role:role>/form/", views.form, name="form"),
    path("<registering_role:role>/check/", views.check, name="check"),
]
