"""Changes of a person's data at the same moment as something else: one order or the other, never both. With controls."""

import datetime
import functools
import threading

import pytest
from django.core.management import call_command
from django.db import connection

from accounts import password as passwords
from accounts.id_number import IdNumber
from accounts.models import OneUseSecret, User
from orgs.models import Duty, OrgAdmin, Practitioner, Status, TitleSeries
from orgs.succession import accept, offer
from registration import leaving
from registration.flows.changing import IdentityCorrectionFlow
from registration.models import IdentityCorrection, TitleChange
from tests.race import at_once, without_lock
from tests.registering import an_id_number
from tests.test_credits import declaration
from tests.test_transfers import file_transfer
from workflow import engine
from workflow.models import Application

pytestmark = pytest.mark.django_db(transaction=True)


# --- two people, one number (F-86) -----------------------------------------------------------------------


def two_claims(town):
    """Two corrections to the same number, and two operators who agree at the same moment."""
    unit, number = town.employer(), IdNumber.parse(an_id_number())
    operators = [town.operator(), town.admin(town.platform, duties=[Duty.CHANGES])]
    clicks = []
    for operator in operators:
        person = town.practitioner(at=unit)
        correction = IdentityCorrection(
            user=person.user, practitioner=person, new_name=person.user.name, reason="写错"
        )
        correction.set_new_number(number)
        correction.take_old(person.user)
        step = engine.submit("identity-correction", correction, by=town.actor(person)).steps.get()
        clicks.append(functools.partial(engine.approve, step.pk, by=town.actor(operator)))
    return number, clicks


def test_two_corrections_to_one_number_at_once_one_takes_effect(town):
    number, clicks = two_claims(town)
    assert at_once(*clicks) == ["Refused", "ok"]
    assert User.objects.by_id_number(number).count() == 1
    assert sorted(Application.objects.values_list("state", flat=True)) == ["approved", "pending"]


def test_when_both_passed_the_check_the_constraint_decides(town, monkeypatch):
    number, clicks = two_claims(town)
    monkeypatch.setattr(IdentityCorrectionFlow, "_still_needed", staticmethod(lambda correction, user: None))
    assert at_once(*clicks) == ["Refused", "ok"]
    assert User.objects.by_id_number(number).count() == 1


def test_without_check_and_constraint_two_people_have_one_number(town, monkeypatch):
    """The control."""
    number, clicks = two_claims(town)
    monkeypatch.setattr(IdentityCorrectionFlow, "_still_needed", staticmethod(lambda correction, user: None))
    try:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE accounts_user DROP CONSTRAINT user_id_number_once")
        assert at_once(*clicks) == ["ok", "ok"]
        assert User.objects.by_id_number(number).count() == 2
    finally:
        User.objects.by_id_number(number).update(id_index="")
        for user in User.objects.filter(id_index=""):
            User.objects.filter(pk=user.pk).update(id_index=f"{user.pk:064d}")
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE accounts_user ADD CONSTRAINT user_id_number_once UNIQUE (id_index)")


def test_one_person_in_two_roles_files_one_correction(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    admin = town.admin(unit, user=person.user, duties=[Duty.HOURS])

    def file(who, **subject):
        correction = IdentityCorrection(user=person.user, new_name="测试改名", reason="写错", **subject)
        correction.take_old(person.user)
        return functools.partial(engine.submit, "identity-correction", correction, by=town.actor(who))

    outcomes = at_once(file(person, practitioner=person), file(admin, organization=unit))
    assert outcomes == ["Refused", "ok"]
    assert Application.objects.pending().count() == 1


# --- title change against transfer (decision 2) --------------------------------------------------------------


@pytest.fixture
def person(town):
    TitleSeries.objects.create(code="05", name="工程技术人员")
    call_command("load_hours", verbosity=0)
    return town.practitioner(at=town.employer())


def file_title(town, person):
    new = {
        "title_series": TitleSeries.objects.get(),
        "title_level": "middle",
        "title": "工程师",
        "title_mode": "examination",
        "title_awarded_on": datetime.date(2023, 6, 30),
    }
    return engine.submit(
        "title-change", TitleChange.of(Practitioner.objects.get(pk=person.pk), new), by=town.actor(person)
    )


def test_a_title_change_and_a_transfer_at_once_one_is_filed(town, person):
    new = town.employer()
    outcomes = at_once(
        lambda: file_title(town, person),
        lambda: file_transfer(town, Practitioner.objects.get(pk=person.pk), new),
    )
    assert outcomes == ["Refused", "ok"]
    assert Application.objects.about(person).pending().count() == 1


def test_without_the_lock_title_change_and_transfer_are_both_filed(town, person, monkeypatch):
    new = town.employer()
    with without_lock(monkeypatch):
        outcomes = at_once(
            lambda: file_title(town, person),
            lambda: file_transfer(town, Practitioner.objects.get(pk=person.pk), new),
        )
    assert outcomes == ["ok", "ok"]
    assert Application.objects.about(person).pending().count() == 2


def test_two_title_changes_at_once_one_is_filed(town, person):
    assert at_once(lambda: file_title(town, person), lambda: file_title(town, person)) == ["Refused", "ok"]
    assert Application.objects.about(person).pending().count() == 1


# --- leaving against filing -----------------------------------------------------------------------------------


def left_while_filing(town, person, leave):
    made = declaration(person)
    return leave, lambda: engine.submit("hours-declaration", made, by=town.actor(person))


def is_sound(person) -> bool:
    """Nobody has left with something under review."""
    left = Practitioner.objects.get(pk=person.pk).status == Status.CLOSED
    return not (left and Application.objects.about(person).pending().exists())


@pytest.mark.parametrize("way", ["own", "unit"])
def test_leaving_and_a_declaration_at_once_one_is_refused(town, person, way):
    by = town.actor(person.employer)
    leave = {
        "own": lambda: leaving.close_account(User.objects.get(pk=person.user_id)),
        "unit": lambda: leaving.dismiss(person, "合同到期", by=by),
    }[way]
    assert at_once(*left_while_filing(town, person, leave)) == ["Refused", "ok"]
    assert is_sound(person)


def test_without_the_lock_somebody_leaves_with_a_declaration_under_review(town, person, monkeypatch):
    """The control: both have read before either writes."""
    together, met = threading.Barrier(2), threading.local()

    def waiting(write):
        def after_both_have_read(*args, **kwargs):
            if not getattr(met, "done", False):
                met.done = True
                together.wait(timeout=10)
            return write(*args, **kwargs)

        return after_both_have_read

    monkeypatch.setattr(
        engine, "_locked", lambda model: model._base_manager.select_related(*engine._WITH.get(model, ()))
    )
    monkeypatch.setattr(engine, "_record", waiting(engine._record))
    monkeypatch.setattr(leaving, "_stop", waiting(leaving._stop))
    leave = lambda: leaving.close_account(User.objects.get(pk=person.user_id))  # noqa: E731
    assert at_once(*left_while_filing(town, person, leave)) == ["ok", "ok"]
    assert not is_sound(person)


def test_taking_over_and_leaving_at_once_the_unit_keeps_its_super_admin(town):
    unit = town.employer()
    successor = town.admin(unit, duties=[Duty.HOURS])
    swap = offer(OrgAdmin.objects.get(account=successor).pk, by=town.actor(unit))
    by, user = town.actor(successor), successor.user
    outcomes = at_once(lambda: accept(swap.pk, by=by), lambda: leaving.close_account(user))
    assert outcomes == ["Refused", "ok"]
    boss = OrgAdmin.objects.get(organization=unit, is_super=True)
    assert boss.account.status == "active"


# --- reset by the unit against the own change (F-41, decision 7) ------------------------------------------------


def reset_and_change(town, person):
    admin = town.super_admin(person.employer).user
    return (
        lambda: passwords.issue_one_use_secret(person.user, by=admin, organization=person.employer.name),
        lambda: passwords.replace_password(User.objects.get(pk=person.user_id), "a-brand-new-one-7"),
    )


def one_key_opens(person) -> bool:
    """Either the secret of the reset counts, or the new password, never both."""
    user = User.objects.get(pk=person.user_id)
    return bool(passwords.open_secret_of(user)) != user.has_usable_password()


def test_a_reset_and_the_own_change_at_once_leave_one_key(town, person):
    for _ in range(5):
        assert at_once(*reset_and_change(town, person)) == ["ok", "ok"]
        assert one_key_opens(person)


def test_in_the_wrong_order_both_keys_would_open(town, person, monkeypatch):
    """The control: old secrets made void before the row is written, and the reset in between."""
    voided, issued = threading.Event(), threading.Event()
    real = passwords._void_all

    def change(user, new):
        real(user)
        voided.set()
        issued.wait(timeout=10)
        user.set_password(new)
        user.save(update_fields=["password"])

    reset, _ = reset_and_change(town, person)

    def reset_in_between():
        voided.wait(timeout=10)
        reset()
        issued.set()

    assert at_once(
        reset_in_between, lambda: change(User.objects.get(pk=person.user_id), "a-brand-new-one-7")
    ) == [
        "ok",
        "ok",
    ]
    assert OneUseSecret.objects.filter(closed_at=None).exists()
    assert not one_key_opens(person)
