"""重新注册: a form filled in from a registration that was rejected or withdrawn (decision 10, F-49, F-52)."""

from django.http import HttpRequest, QueryDict

from accounts.mobile import MobileField
from registration.choices import NO_TITLE
from registration.models import PractitionerRegistration, Registration
from workflow.attachments import copy_to_draft

AS_IT_WAS = ("education", "title_level", "title", "title_mode")
OF_THE_UNIT = ("uscc", "contact_name", "phone", "office_hours")


def filled_in(registration: Registration, request: HttpRequest) -> QueryDict:
    """What to put into the form: everything that was written, files included, without passwords.

    The caller has checked that the person proved who they are.
    """
    data = QueryDict(mutable=True)
    data["name"], data["email"] = registration.person_name, registration.email
    data["mobile"] = MobileField().prepare_value(registration.mobile)
    if isinstance(registration, PractitionerRegistration):
        for name in AS_IT_WAS:
            data[name] = getattr(registration, name)
        data["field_of_study"] = registration.field_of_study_id
        data["title_series"] = registration.title_series_id or NO_TITLE
        data["title_awarded_on"] = str(registration.title_awarded_on or "")
    else:
        for name in OF_THE_UNIT:
            data[name] = getattr(registration, name)
        if registration.wants_code and not registration.uscc:
            data["no_code"] = "on"
        data["unit_name"], data["division"] = registration.name, registration.division_id
        data["draft"] = copy_to_draft(registration.application, request)
    return data


def chosen_of(registration: Registration):
    """The unit or superior that was chosen then."""
    if isinstance(registration, PractitionerRegistration):
        return registration.employer
    return registration.superior
