"""Two superiors, and what is hung below a unit while it moves: R9, R13, R14, each with its control."""

import itertools
import threading
from functools import partial

import pytest

from accounts.models import AccountStatus, RoleAccount
from orgs import uscc
from orgs.models import Division, Organization
from registration.enrol import enrol_organization
from registration.models import CodeReplacement, EmployerRegistration
from tests import registering
from tests.race import at_once, one_in_the_other, without_lock
from tests.test_registration_race import a_person
from tests.test_transfers_race import half_signed_change, paths_are_right, unlocked_tree
from tests.tiers import times
from transfers.models import SuperiorChange
from workflow import engine
from workflow.models import Application

pytestmark = pytest.mark.django_db(transaction=True)


def change_filed(town):
    """(unit, new superior, application, its two steps)."""
    unit, new = town.employer(under=town.authority()), town.authority()
    made = SuperiorChange(organization=unit, old_superior=unit.superior, new_superior=new, reason="测试")
    application = engine.submit("superior-change", made, by=town.actor(unit))
    return unit, new, application, [application.steps.get(approver=one) for one in (unit.superior, new)]


def moves_of(unit) -> int:
    """How often the unit was hung somewhere, by its history."""
    places = list(
        Organization.history.filter(id=unit.pk).order_by("history_id").values_list("superior", flat=True)
    )
    return sum(before != after for before, after in itertools.pairwise(places))


# --- R14: both superiors approve at once ------------------------------------------------------------------------


def test_r14_both_superiors_approve_at_once_and_it_is_applied_once(town):
    for _ in range(times(3, 15)):
        unit, new, application, steps = change_filed(town)
        clicks = [partial(engine.approve, step.pk, by=town.actor(step.approver)) for step in steps]
        assert at_once(*clicks) == ["ok", "ok"]
        unit = Organization.objects.get(pk=unit.pk)
        assert (unit.superior, moves_of(unit)) == (new, 1)
        assert Application.objects.get(pk=application.pk).state == "approved"
        assert sorted(application.events.values_list("verb", flat=True)) == ["approve", "approve", "submit"]
        assert paths_are_right()


def test_r14_control_without_the_lock_neither_signature_is_the_last(town, monkeypatch):
    """Each has read the other one's step as open: both have signed, and the unit never moves."""
    unit, _, application, steps = change_filed(town)
    clicks = [partial(engine.approve, step.pk, by=town.actor(step.approver)) for step in steps]
    with without_lock(monkeypatch):
        assert at_once(*clicks) == ["ok", "ok"]
    assert set(application.steps.values_list("state", flat=True)) == {"approved"}
    assert Application.objects.get(pk=application.pk).state == "pending"
    assert moves_of(unit) == 0


# --- R9: one superior approves, the other rejects ---------------------------------------------------------------


def approval_and_rejection(town):
    unit, _, application, (old, new) = change_filed(town)
    by_old, by_new = town.actor(old.approver), town.actor(new.approver)
    return (
        unit,
        application,
        lambda: engine.approve(new.pk, by=by_new),
        lambda: engine.reject(old.pk, by=by_old, comment="不同意"),
    )


def last_event(application) -> str:
    return application.events.in_order().values_list("verb", flat=True).last()


def test_r9_nobody_signs_after_the_other_superior_rejected(town):
    for number in range(times(3, 15)):
        unit, application, approve, reject = approval_and_rejection(town)
        first, second = (approve, reject) if number % 3 else (reject, approve)
        outcomes = one_in_the_other(first, second) if number % 3 < 2 else at_once(first, second)
        assert outcomes in (["ok", "ok"], ["AlreadyDecided", "ok"])
        assert last_event(application) == "reject"
        assert Application.objects.get(pk=application.pk).state == "rejected"
        assert moves_of(unit) == 0


def test_r9_control_without_the_lock_a_rejected_change_is_signed(town, monkeypatch):
    _, application, approve, reject = approval_and_rejection(town)
    read, rejected, honest = threading.Event(), threading.Event(), engine._sign

    def sign(step, verdict, by, comment):
        if verdict == "approved":
            read.set()
            assert rejected.wait(timeout=10)
        return honest(step, verdict, by, comment)

    def reject_in_between():
        assert read.wait(timeout=10)
        reject()
        rejected.set()

    monkeypatch.setattr(
        engine, "_locked", lambda model: model._base_manager.select_related(*engine._WITH.get(model, ()))
    )
    monkeypatch.setattr(engine, "_sign", sign)
    assert at_once(approve, reject_in_between) == ["ok", "ok"]
    assert last_event(application) == "approve"
    assert Application.objects.get(pk=application.pk).state == "rejected"


# --- R13: a sub-unit registers below a unit that changes its superior -------------------------------------------


def registering_below(town):
    """(unit, old and new superior, the change's last signature, the click that registers a sub-unit).

    The unit's only admin is suspended: whoever is above it answers for it, so the approver depends on the place too.
    """
    registering.load_lists()
    old, new = town.authority(), town.authority()
    unit = town.employer(under=old)
    change = half_signed_change(town, unit, new)
    RoleAccount.objects.filter(org_admin__organization=unit).update(status=AccountStatus.SUSPENDED)
    step, by = change.steps.get(state="open").pk, town.actor(new)

    def enrol():
        payload = EmployerRegistration(
            situation="sub_unit",
            superior_unit=unit,
            name="测试新二级单位",
            uscc=registering.a_code(),
            division=Division.objects.get(pk="370902"),
            contact_name="人事科",
            phone="0538-8000000",
        )
        enrol_organization(a_person(registering.an_id_number()), payload, "employer")

    return unit, old, new, lambda: engine.approve(step, by=by), enrol


def below(unit) -> Organization:
    return Organization.objects.get(superior=unit)


@pytest.mark.parametrize("locked", [True, False])
@pytest.mark.parametrize("moves_first", [True, False])
def test_r13_a_sub_unit_that_registers_below_a_moving_unit(town, monkeypatch, moves_first, locked):
    """Path, superior and approver are those of one moment: before the move or after it."""
    unit, old, new, move, enrol = registering_below(town)
    if not locked:
        unlocked_tree(monkeypatch)
    clicks = (move, enrol) if moves_first else (enrol, move)
    assert one_in_the_other(*clicks) == ["ok", "ok"]
    assert Organization.objects.get(pk=unit.pk).superior == new
    step = Application.objects.get(organization=below(unit)).steps.get()
    assert paths_are_right() is locked
    if locked:
        assert (step.approver, step.on_behalf_of) == (new if moves_first else old, unit)
    elif moves_first:
        assert step.approver == old  # who has nothing to do with it any more, though the unit had moved


# --- another matter of a unit that changes its superior ---------------------------------------------------------


def with_a_temporary_code(town):
    """(new superior, the change's last signature, the click that files the unit's real code)."""
    old, new = town.authority(), town.authority()
    unit = town.employer(under=old, uscc=uscc.make_temporary("370902", 1))
    change = half_signed_change(town, unit, new)
    step, by, own = change.steps.get(state="open").pk, town.actor(new), town.actor(unit)
    made = CodeReplacement(organization=unit, new_code=registering.a_code())
    return new, lambda: engine.approve(step, by=by), lambda: engine.submit("code-replacement", made, by=own)


def test_what_is_filed_while_the_superior_changes_goes_to_the_new_one(town):
    new, move, file = with_a_temporary_code(town)
    assert one_in_the_other(move, file) == ["ok", "ok"]
    assert Application.objects.get(kind="code-replacement").steps.get().approver == new


def test_control_with_the_superior_joined_the_unit_has_none(town, monkeypatch):
    """What is read in one statement with the lock is of before the wait, and does not fit what was waited for."""
    _, move, file = with_a_temporary_code(town)
    monkeypatch.setitem(engine._WITH, Organization, ("superior",))
    assert one_in_the_other(move, file) == ["AttributeError", "ok"]
