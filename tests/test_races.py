"""The races that the platform promises to survive, with the test and the control of each; and controls missing elsewhere.

A control is the same pair of clicks with the protection taken away: it must show the violation, or the test above it
proves nothing.
"""

import functools
import importlib

import pytest
from django.db import connection

from accounts.id_number import IdNumber
from accounts.models import User
from orgs.models import Duty
from registration.enrol import enrol_practitioner
from registration.flows import changing
from registration.models import IdentityCorrection
from tests import registering
from tests.race import at_once, without_lock
from tests.registering import an_id_number
from tests.test_changes_race import file_title, person  # noqa: F401 (a fixture)
from tests.test_registration_race import a_person, a_practitioner, all_look_before_anyone_writes
from tests.town import Town
from workflow import engine
from workflow.flow import flow_of
from workflow.models import Application

# race: (module, the test, its control)
RACES = {
    "two admins decide": (
        "test_engine",
        "TestTwoAtOnce.test_one_wins_and_the_other_is_told",
        "TestTwoAtOnce.test_without_the_lock_both_win",
    ),
    "two last approvals grant once": (
        "test_credits",
        "test_two_last_approvals_at_once_grant_once",
        "test_without_the_lock_only_the_constraint_is_left",
    ),
    "approve against withdraw": (
        "test_engine",
        "TestTwoAtOnce.test_one_wins_and_the_other_is_told",
        "TestTwoAtOnce.test_without_the_lock_both_win",
    ),
    "one number registers twice": (
        "test_registration_race",
        "test_one_number_registered_twice_at_once",
        "test_races:test_without_the_constraint_one_number_is_two_people",
    ),
    "one code registers twice": (
        "test_registration_race",
        "test_one_code_registered_twice_at_once",
        "test_without_the_constraint_both_would_win",
    ),
    "transfer against declaration": (
        "test_transfers_race",
        "test_a_transfer_and_a_declaration_at_once_one_is_filed",
        "test_without_the_lock_both_are_filed",
    ),
    "two transfers of one person": (
        "test_transfers_race",
        "test_a_transfer_by_the_person_and_by_the_unit_at_once_one_is_filed",
        "test_without_the_exclusive_key_both_are_filed",
    ),
    "release against withdraw": (
        "test_transfers_race",
        "test_consent_and_withdrawal_come_one_after_the_other",
        "test_without_the_lock_a_withdrawn_transfer_is_still_with_the_new_unit",
    ),
    "two changes of the superior that form a ring": (
        "test_engine",
        "test_crossed_superior_changes_form_no_ring",
        "test_crossed_superior_changes_without_the_tree_lock_form_a_ring",
    ),
    "two super-admin swaps": (
        "test_admins",
        "TestTwoOffers.test_one_wins",
        "TestTwoOffers.test_without_the_lock_only_the_constraint_is_left",
    ),
    "one swap answered twice": (
        "test_admins",
        "TestOneOfferAnsweredTwice.test_one_wins_and_there_is_one_super_admin",
        "TestOneOfferAnsweredTwice.test_without_the_lock_both_win",
    ),
    "admin removed while approving": (
        "test_admins",
        "TestARightTakenAwayWhileActing.test_nobody_signs_after_the_end",
        "TestARightTakenAwayWhileActing.test_without_the_lock_a_right_outlives_its_end",
    ),
    "reset against the own change": (
        "test_changes_race",
        "test_a_reset_and_the_own_change_at_once_leave_one_key",
        "test_in_the_wrong_order_both_keys_would_open",
    ),
    "leaving against filing": (
        "test_changes_race",
        "test_leaving_and_a_declaration_at_once_one_is_refused",
        "test_without_the_lock_somebody_leaves_with_a_declaration_under_review",
    ),
    "two corrections of one person": (
        "test_changes_race",
        "test_one_person_in_two_roles_files_one_correction",
        "test_races:test_without_the_persons_lock_two_corrections_are_filed",
    ),
    "two title changes": (
        "test_changes_race",
        "test_two_title_changes_at_once_one_is_filed",
        "test_races:test_without_the_exclusive_key_two_title_changes_are_filed",
    ),
    "a title change against a transfer": (
        "test_changes_race",
        "test_a_title_change_and_a_transfer_at_once_one_is_filed",
        "test_without_the_lock_title_change_and_transfer_are_both_filed",
    ),
    "two corrections to one number": (
        "test_changes_race",
        "test_two_corrections_to_one_number_at_once_one_takes_effect",
        "test_without_check_and_constraint_two_people_have_one_number",
    ),
    "a registration below a moving branch": (
        "test_transfers_race",
        "test_a_registration_below_a_moving_branch_gets_the_right_path",
        "test_a_registration_below_a_moving_branch_gets_the_right_path",
    ),
    "a release carried out twice": (
        "test_transfers_race",
        "test_a_release_carried_out_twice_at_once_files_each_person_once",
        "test_without_the_rows_lock_a_filed_person_is_called_left_out",
    ),
    "two last verifications, one certificate": (
        "test_certificates_race",
        "test_r19_two_last_verifications_make_one_certificate",
        "test_r19_control_without_the_lock_there_are_two",
    ),
    "a certificate against hours taken back": (
        "test_certificates_race",
        "test_r20_hours_taken_back_while_it_is_issued_change_it",
        "test_r20_control_without_the_lock_a_certificate_of_lost_hours_stays_valid",
    ),
    "two batches of certificates": (
        "test_certificates_race",
        "test_two_batches_at_once_have_unique_numbers_without_gaps",
        "test_control_without_the_number_lock_one_of_them_fails",
    ),
    "one event reported several times": (
        "test_intake_race",
        "test_one_event_sent_several_times_at_once_counts_once",
        "test_without_the_constraint_one_event_counts_twice",
    ),
    "two reports of one person": (
        "test_intake_race",
        "test_two_reports_of_one_person_at_once_are_both_in_the_sum",
        "test_without_the_lock_one_of_them_is_lost_from_the_sum",
    ),
    "a report against the approval of its person": (
        "test_intake_race",
        "test_a_report_and_the_approval_of_its_person_at_once_meet",
        "test_without_lock_and_worker_the_report_is_lost_and_the_worker_finds_it_once",
    ),
    "one reset letter used twice": (
        "test_passwords",
        "test_two_who_use_it_at_once_one_wins",
        "test_without_the_one_statement_both_would_win",
    ),
}


@pytest.mark.parametrize("race", RACES)
def test_the_race_is_run_and_has_its_control(race):
    module, *tests = RACES[race]
    for name in tests:
        where, _, name = name.rpartition(":")
        found = functools.reduce(
            getattr, name.split("."), importlib.import_module(f"tests.{where or module}")
        )
        assert callable(found)


# --- controls ---------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_without_the_constraint_one_number_is_two_people(transactional_db, monkeypatch):
    registering.load_lists()
    employer, number = Town().employer(), an_id_number()
    all_look_before_anyone_writes(monkeypatch, "hold_still")
    click = functools.partial(enrol, number, employer)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_user DROP CONSTRAINT user_id_number_once")
    try:
        assert at_once(click, click) == ["ok", "ok"]
        assert User.objects.by_id_number(IdNumber.parse(number)).count() == 2
    finally:
        for user in User.objects.by_id_number(IdNumber.parse(number)):
            User.objects.filter(pk=user.pk).update(id_index=f"{user.pk:064d}")
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE accounts_user ADD CONSTRAINT user_id_number_once UNIQUE (id_index)")


def enrol(number: str, employer):
    return enrol_practitioner(a_person(number), a_practitioner(employer))


@pytest.mark.django_db(transaction=True)
def test_without_the_persons_lock_two_corrections_are_filed(town, monkeypatch):
    unit = town.employer()
    one = town.practitioner(at=unit)
    admin = town.admin(unit, user=one.user, duties=[Duty.HOURS])

    class Unlocked:
        """User.objects, but nothing is locked."""

        def select_for_update(self, **kwargs):
            return User.objects.all()

        def filter(self, **kwargs):
            return User.objects.filter(**kwargs)

    class LooseUser:
        objects = Unlocked()

    def file(who, **subject):
        correction = IdentityCorrection(user=one.user, new_name="测试改名", reason="写错", **subject)
        correction.take_old(one.user)
        return functools.partial(engine.submit, "identity-correction", correction, by=town.actor(who))

    monkeypatch.setattr(changing, "User", LooseUser)
    with without_lock(monkeypatch):
        assert at_once(file(one, practitioner=one), file(admin, organization=unit)) == ["ok", "ok"]
    assert Application.objects.pending().count() == 2


@pytest.mark.django_db(transaction=True)
def test_without_the_exclusive_key_two_title_changes_are_filed(town, person, monkeypatch):  # noqa: F811
    monkeypatch.setattr(type(flow_of("title-change")), "exclusive", False)
    assert at_once(lambda: file_title(town, person), lambda: file_title(town, person)) == ["ok", "ok"]
    assert Application.objects.about(person).pending().count() == 2
