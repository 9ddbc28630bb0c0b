"""What was submitted at a registration and in later changes, kept as it was. Floor 3."""

from registration.models.changing import IdentityCorrection, NumberShown, TitleChange
from registration.models.codes import CodeReplacement, TemporaryCode
from registration.models.entering import (
    AuthorityRegistration,
    EmployerRegistration,
    OrganizationRegistration,
    PractitionerRegistration,
    Registration,
    Row,
)
from registration.models.leaving import Departure

__all__ = [
    "AuthorityRegistration",
    "CodeReplacement",
    "Departure",
    "EmployerRegistration",
    "IdentityCorrection",
    "NumberShown",
    "OrganizationRegistration",
    "PractitionerRegistration",
    "Registration",
    "Row",
    "TemporaryCode",
    "TitleChange",
]
