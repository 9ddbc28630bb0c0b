from django.urls import path, register_converter

from registration.views import codes, correction, entering, leaving, own_data, unit


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
    path("register/", entering.start, name="start"),
    path("register/another-role/", entering.another_role, name="another_role"),
    path("register/privacy/", entering.privacy, name="privacy"),
    path("register/progress/", entering.progress, name="progress"),
    path("register/progress/withdraw/", entering.withdraw, name="withdraw"),
    path("register/progress/remind/", entering.remind, name="remind"),
    path("register/progress/again/", entering.again, name="again"),
    path("register/done/<int:application_id>/", entering.done, name="done"),
    path("register/<registering_role:role>/", entering.situations, name="situations"),
    path("register/<registering_role:role>/unit/", entering.unit, name="unit"),
    path("register/<registering_role:role>/form/", entering.form, name="form"),
    path("register/<registering_role:role>/check/", entering.check, name="check"),
    path("my/data/", own_data.own_data, name="own_data"),
    path("my/contacts/", own_data.contacts, name="contacts"),
    path("my/correction/", correction.correction, name="correction"),
    path("my/leaving/", leaving.close_account, name="close_account"),
    path("people/<int:practitioner_id>/leaving/", leaving.dismiss, name="dismiss"),
    path("organization/profile/", unit.unit_profile, name="unit_profile"),
    path("organization/code/", codes.replace_code, name="replace_code"),
    path("corrections/", correction.corrections, name="corrections"),
    path("corrections/<int:application_id>/numbers/", correction.numbers, name="correction_numbers"),
    path("codes/", codes.codes, name="codes"),
    path("codes/<int:code_id>/", codes.code_document, name="code_document"),
    path("codes/<int:code_id>/revoke/", codes.revoke_code, name="revoke_code"),
]
