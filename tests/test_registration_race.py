"""Two registrations at the same moment: one wins, the other reads a sentence; with a control that must fail."""

import threading

import pytest
from django.db import IntegrityError

from accounts.id_number import IdNumber
from accounts.models import Role, User
from orgs.models import Division, Organization
from registration import enrol
from registration.enrol import Person, enrol_organization, enrol_practitioner
from registration.models import EmployerRegistration, PractitionerRegistration
from tests import registering
from tests.race import at_once
from tests.registering import an_id_number
from tests.town import Town
from workflow.models import Application

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def employer(transactional_db):
    registering.load_lists()
    return Town().employer()


def a_person(number: str, **fields) -> Person:
    return Person(
        number=IdNumber.parse(number), name="测试", email="a@example.org", password="Wheat-field-27", **fields
    )


def a_practitioner(employer) -> PractitionerRegistration:
    return PractitionerRegistration(
        situation="staff", employer=employer, education="bachelor", field_of_study_id="0810"
    )


def a_unit(superior, code: str) -> EmployerRegistration:
    return EmployerRegistration(
        situation="backstop",
        bureau=superior,
        name="测试单位",
        uscc=code,
        division=Division.objects.get(pk="370902"),
        contact_name="人事科",
        phone="0538-8000000",
    )


def all_look_before_anyone_writes(monkeypatch, name: str, parties: int = 2):
    """Every thread has looked, and found nobody, before the first one writes: the constraints alone decide."""
    together = threading.Barrier(parties)
    plain = getattr(enrol, name)

    def slow(*args, **kwargs):
        found = plain(*args, **kwargs)
        together.wait(timeout=10)
        return found

    monkeypatch.setattr(enrol, name, slow)


def test_one_number_registered_twice_at_once(employer, monkeypatch):
    number = an_id_number()
    all_look_before_anyone_writes(monkeypatch, "hold_still")
    click = lambda: enrol_practitioner(a_person(number), a_practitioner(employer))  # noqa: E731
    assert at_once(click, click) == ["Refused", "ok"]
    assert Application.objects.count() == 1
    assert User.objects.by_id_number(IdNumber.parse(number)).count() == 1


def in_two_roles(employer):
    """Somebody new registers as a practitioner and as a unit's admin, in two windows."""
    number = an_id_number()
    return number, [
        lambda: enrol_practitioner(a_person(number), a_practitioner(employer)),
        lambda: enrol_organization(
            a_person(number), a_unit(employer.superior, registering.a_code()), Role.EMPLOYER
        ),
    ]


def test_one_number_registered_in_two_roles_at_once_is_one_person(employer, monkeypatch):
    """R6: the second one reads that the number is known by now, and proves to be that person."""
    all_look_before_anyone_writes(monkeypatch, "hold_still")
    number, clicks = in_two_roles(employer)
    assert at_once(*clicks) == ["Refused", "ok"]
    assert User.objects.by_id_number(IdNumber.parse(number)).get().accounts.count() == 1


def test_a_known_person_registered_twice_at_once(employer, monkeypatch):
    user = employer.admins.get().user
    all_look_before_anyone_writes(monkeypatch, "hold_still")
    person = Person(user=user, proved=True)
    click = lambda: enrol_practitioner(person, a_practitioner(employer))  # noqa: E731
    assert at_once(click, click) == ["Refused", "ok"]
    assert user.accounts.filter(role=Role.PRACTITIONER).count() == 1


def test_one_code_registered_twice_at_once(employer, monkeypatch):
    code = registering.a_code()
    all_look_before_anyone_writes(monkeypatch, "taken_by")
    clicks = [
        lambda number=number: enrol_organization(
            a_person(number), a_unit(employer.superior, code), Role.EMPLOYER
        )
        for number in (an_id_number(), an_id_number())
    ]
    assert at_once(*clicks) == ["Refused", "ok"]
    assert Organization.objects.filter(uscc=code).count() == 1


def test_without_the_constraint_both_would_win(employer, monkeypatch):
    """The control: the same clicks with the constraint gone leave two units with one code."""
    from django.db import connection

    code = registering.a_code()
    all_look_before_anyone_writes(monkeypatch, "taken_by")
    clicks = [
        lambda number=number: enrol_organization(
            a_person(number), a_unit(employer.superior, code), Role.EMPLOYER
        )
        for number in (an_id_number(), an_id_number())
    ]
    constraint = next(
        one for one in Organization._meta.constraints if one.name == "organization_uscc_once_per_kind"
    )
    with connection.schema_editor() as editor:
        editor.remove_constraint(Organization, constraint)
    try:
        assert at_once(*clicks) == ["ok", "ok"]
        assert Organization.objects.filter(uscc=code).count() == 2
    finally:
        Organization.objects.filter(uscc=code).update(uscc="")
        with connection.schema_editor() as editor:
            editor.add_constraint(Organization, constraint)


def test_other_integrity_errors_are_not_swallowed(employer, monkeypatch):
    """Only the named constraints become sentences; a defect stays an error."""

    def broken(*args, **kwargs):
        raise IntegrityError("some other constraint")

    monkeypatch.setattr(enrol, "plant", broken)
    with pytest.raises(IntegrityError):
        enrol_organization(
            a_person(an_id_number()), a_unit(employer.superior, registering.a_code()), Role.EMPLOYER
        )
    assert not Application.objects.exists()
