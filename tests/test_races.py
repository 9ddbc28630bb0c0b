"""The races that the platform promises to survive, with the test and the control of each; and controls missing elsewhere.

A control is the same pair of clicks with the protection taken away: it must show the violation, or the test above it
proves nothing.

NUMBERED says which of them are the 28 of trust.md 4.3. Two of those cannot happen here, because the platform does not do
the one half of it: R25 (autosave v. submit: no page saves by itself, there is no script; the draft is what the button
sent) and R28 (unit merge v. registration approval: units are never merged or closed; a unit that moves while somebody
registers below it is R13).
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
from tests.test_registration_race import a_person, a_practitioner, all_look_before_anyone_writes, in_two_roles
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
    "approve against reject": (
        "test_engine",
        "TestTwoAtOnce.test_one_wins_and_the_other_is_told",
        "TestTwoAtOnce.test_without_the_lock_both_win",
    ),
    "one form sent twice": (
        "test_races_hours",
        "test_r4_a_declaration_sent_twice_at_once_is_filed_once",
        "test_r4_control_without_claiming_its_files_it_is_filed_twice",
    ),
    "one number registers in two roles": (
        "test_registration_race",
        "test_one_number_registered_in_two_roles_at_once_is_one_person",
        "test_races:test_without_the_constraint_one_number_is_two_people",
    ),
    "one superior approves, the other rejects": (
        "test_races_tree",
        "test_r9_nobody_signs_after_the_other_superior_rejected",
        "test_r9_control_without_the_lock_a_rejected_change_is_signed",
    ),
    "a transfer completes while hours are signed": (
        "test_races_hours",
        "test_r11_hours_signed_while_the_person_moves_count_at_the_new_unit",
        "test_r11_control_without_the_lock_the_hours_stay_at_the_old_unit",
    ),
    "a transfer completes while hours are declared": (
        "test_races_hours",
        "test_r11_hours_declared_while_the_transfer_completes_go_to_the_new_unit",
        "test_r11_control_with_the_employer_joined_the_person_is_not_found",
    ),
    "a transfer completes while the unit's declaration is confirmed": (
        "test_unit_declarations",
        "test_confirming_while_a_transfer_completes_files_nothing",
        "test_without_the_persons_lock_it_is_filed_after_they_left",
    ),
    "a transfer completes while a certificate is issued": (
        "test_certificates_race",
        "test_r11_a_certificate_issued_while_the_transfer_completes_names_the_new_unit",
        "test_r11_a_certificate_issued_while_the_transfer_completes_names_the_new_unit",
    ),
    "a sub-unit registers below a moving unit": (
        "test_races_tree",
        "test_r13_a_sub_unit_that_registers_below_a_moving_unit",
        "test_r13_a_sub_unit_that_registers_below_a_moving_unit",
    ),
    "something is filed while the superior changes": (
        "test_races_tree",
        "test_what_is_filed_while_the_superior_changes_goes_to_the_new_one",
        "test_control_with_the_superior_joined_the_unit_has_none",
    ),
    "both superiors approve": (
        "test_races_tree",
        "test_r14_both_superiors_approve_at_once_and_it_is_applied_once",
        "test_r14_control_without_the_lock_neither_signature_is_the_last",
    ),
    "a correction against declared hours": (
        "test_races_hours",
        "test_r23_hours_that_a_correction_brings_and_declared_ones_are_both_in_the_sum",
        "test_r23_control_without_the_lock_the_hours_of_the_correction_are_lost",
    ),
    "the end of the year against a decision": (
        "test_windows",
        "test_a_decision_that_waits_past_the_last_second",
        "test_a_decision_that_waits_past_the_last_second",
    ),
    "fifty failed logins": (
        "test_throttle",
        "test_fifty_wrong_passwords_at_once_are_five_tries",
        "test_a_counter_that_reads_first_loses_uses",
    ),
    "one reset letter used twice": (
        "test_passwords",
        "test_two_who_use_it_at_once_one_wins",
        "test_without_the_one_statement_both_would_win",
    ),
}


# trust.md 4.3
NUMBERED = {
    "R1": ["two admins decide", "two last approvals grant once"],
    "R2": ["approve against reject"],
    "R3": ["approve against withdraw"],
    "R4": ["one form sent twice"],
    "R5": ["one number registers twice", "one code registers twice"],
    "R6": ["one number registers in two roles"],
    "R7": ["transfer against declaration"],
    "R8": ["release against withdraw"],
    "R9": ["one superior approves, the other rejects"],
    "R10": ["two transfers of one person"],
    "R11": [
        "a transfer completes while hours are signed",
        "a transfer completes while hours are declared",
        "a transfer completes while the unit's declaration is confirmed",
        "a transfer completes while a certificate is issued",
    ],
    "R12": ["two changes of the superior that form a ring"],
    "R13": ["a sub-unit registers below a moving unit", "a registration below a moving branch"],
    "R14": ["both superiors approve"],
    "R15": ["two super-admin swaps", "one swap answered twice"],
    "R16": ["admin removed while approving"],
    "R17": ["admin removed while approving"],  # suspended, another role, fewer duties in it: its parameters
    "R18": ["reset against the own change"],
    "R19": ["two last verifications, one certificate"],
    "R20": ["a certificate against hours taken back"],
    "R21": ["one event reported several times"],
    "R22": ["a report against the approval of its person"],
    "R23": ["a correction against declared hours"],
    "R24": ["the end of the year against a decision"],
    "R26": ["fifty failed logins"],
    "R27": ["one reset letter used twice"],
}
IMPOSSIBLE = {"R25", "R28"}


def test_all_numbered_races_are_there():
    assert set(NUMBERED) | IMPOSSIBLE == {f"R{number}" for number in range(1, 29)}
    assert {race for races in NUMBERED.values() for race in races} <= set(RACES)


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
@pytest.mark.parametrize("roles", ["one role", "two roles"])
def test_without_the_constraint_one_number_is_two_people(transactional_db, monkeypatch, roles):
    registering.load_lists()
    employer, number = Town().employer(), an_id_number()
    all_look_before_anyone_writes(monkeypatch, "hold_still")
    clicks = [functools.partial(enrol, number, employer)] * 2
    if roles == "two roles":
        number, clicks = in_two_roles(employer)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_user DROP CONSTRAINT user_id_number_once")
    try:
        assert at_once(*clicks) == ["ok", "ok"]
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
