"""The approval engine: order, parallel steps, one winner, nobody in their own matter. Kinds used: the two moves."""

import contextlib
import threading

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from orgs.models import Duty, Organization, Practitioner, Status
from tests.race import at_once, without_lock
from transfers.models import SuperiorChange, UnitTransfer
from workflow import engine
from workflow.flow import AlreadyDecided, Refused
from workflow.models import Application, Event, Step


def transfer(town, person, new, by=None):
    """File a unit transfer, as the practitioner unless `by` says otherwise."""
    return engine.submit(
        "unit-transfer",
        UnitTransfer(practitioner=person, old_employer=person.employer, new_employer=new),
        by=town.actor(by or person),
    )


def change_superior(town, organization, new):
    return engine.submit(
        "superior-change",
        SuperiorChange(organization=organization, old_superior=organization.superior, new_superior=new),
        by=town.actor(organization),
    )


def step_of(application, title) -> Step:
    return application.steps.get(title=title)


def states(application):
    return list(application.steps.values_list("title", "state"))


@pytest.fixture
def move(town):
    """(town, person, old, new, application): a transfer just filed."""
    old, new = town.employer(), town.employer()
    person = town.practitioner(at=old)
    return town, person, old, new, transfer(town, person, new)


def test_steps_open_one_after_the_other_and_the_effect_comes_last(move):
    town, person, old, new, application = move
    assert states(application) == [("原单位审核", "open"), ("新单位审核", "waiting")]
    engine.approve(step_of(application, "原单位审核").pk, by=town.actor(old))
    person.refresh_from_db()
    assert person.employer == old
    assert states(application) == [("原单位审核", "approved"), ("新单位审核", "open")]
    engine.approve(step_of(application, "新单位审核").pk, by=town.actor(new))
    person.refresh_from_db()
    application.refresh_from_db()
    assert (person.employer, person.path, application.state) == (new, new.path, "approved")
    assert list(application.events.in_order().values_list("verb", flat=True)) == [
        "submit",
        "approve",
        "approve",
    ]


def test_the_second_cannot_act_before_the_first(move):
    town, _, _, new, application = move
    with pytest.raises(AlreadyDecided):
        engine.approve(step_of(application, "新单位审核").pk, by=town.actor(new))


def test_consent_is_given_by_filing_for_ones_own_people(town):
    old, new = town.employer(), town.employer()
    application = transfer(town, town.practitioner(at=old), new, by=old)
    assert states(application) == [("原单位审核", "approved"), ("新单位审核", "open")]


def test_parallel_steps_take_either_order(town):
    old, new = town.authority(), town.authority()
    unit = town.employer(under=old)
    application = change_superior(town, unit, new)
    assert {state for _, state in states(application)} == {"open"}
    engine.approve(step_of(application, "新上级审核").pk, by=town.actor(new))
    unit.refresh_from_db()
    assert unit.superior == old
    engine.approve(step_of(application, "原上级审核").pk, by=town.actor(old))
    unit.refresh_from_db()
    assert (unit.superior, unit.path) == (new, f"{new.path}{unit.pk}/")


def test_a_rejection_needs_a_reason_and_ends_it(move):
    town, person, old, _, application = move
    step = step_of(application, "原单位审核")
    with pytest.raises(Refused, match="请填写驳回理由"):
        engine.reject(step.pk, by=town.actor(old), comment="  ")
    engine.reject(step.pk, by=town.actor(old), comment="材料不全")
    application.refresh_from_db()
    assert application.state == "rejected"
    assert states(application) == [("原单位审核", "rejected"), ("新单位审核", "closed")]
    person.refresh_from_db()
    assert person.employer == old


def test_only_the_applicant_withdraws(move):
    town, person, old, _, application = move
    with pytest.raises(PermissionDenied):
        engine.withdraw(application.pk, by=town.actor(old))
    engine.withdraw(application.pk, by=town.actor(person))
    with pytest.raises(AlreadyDecided, match="撤回了这件申请"):
        engine.approve(step_of(application, "原单位审核").pk, by=town.actor(old))


def test_any_admin_with_the_duty_withdraws_for_the_organisation(town):
    unit = town.employer(under=town.authority())
    application = change_superior(town, unit, town.authority())
    with pytest.raises(PermissionDenied):
        engine.withdraw(application.pk, by=town.actor(town.admin(unit, duties=[Duty.HOURS])))
    engine.withdraw(application.pk, by=town.actor(town.admin(unit, duties=[Duty.TRANSFERS])))
    application.refresh_from_db()
    assert application.state == "withdrawn"


def test_strangers_and_admins_without_the_duty_do_not_decide(move):
    town, person, old, new, application = move
    step = step_of(application, "原单位审核")
    hours_only = town.admin(old, duties=[Duty.HOURS])
    for who in (new, town.bureau, hours_only, person):
        with pytest.raises(PermissionDenied):
            engine.approve(step.pk, by=town.actor(who))
    engine.approve(step.pk, by=town.actor(town.admin(old, duties=[Duty.TRANSFERS])))


def test_one_at_a_time(move):
    town, person, _, _, _ = move
    with pytest.raises(Refused, match="已有一件“单位调转”在审核中"):
        transfer(town, person, town.employer())


def test_the_loser_reads_who_decided_and_when(move):
    town, _, old, _, application = move
    step = step_of(application, "原单位审核")
    second = town.admin(old, user=town.user(name="测试乙"), duties=[Duty.TRANSFERS])
    engine.approve(step.pk, by=town.actor(second))
    with pytest.raises(AlreadyDecided, match=r"测\*乙 已于 \d{4}-\d\d-\d\d \d\d:\d\d 通过了这件申请"):
        engine.reject(step.pk, by=town.actor(old), comment="太迟")


# --- nobody in their own matter -----------------------------------------------------------------------


def test_ones_own_matter_goes_to_the_colleague(town):
    old, new = town.employer(), town.employer()
    boss = town.super_admin(old)
    colleague = town.admin(old, duties=[Duty.TRANSFERS])
    application = transfer(town, town.practitioner(at=old, user=boss.user), new)
    step = step_of(application, "原单位审核")
    assert step.approver == old
    assert step not in Step.objects.awaiting(town.actor(boss))
    assert step in Step.objects.awaiting(town.actor(colleague))
    with pytest.raises(Refused, match="您本人的申请"):
        engine.approve(step.pk, by=town.actor(boss))
    engine.approve(step.pk, by=town.actor(colleague))


def test_without_a_colleague_it_goes_to_the_superior_and_says_so(town):
    authority = town.authority()
    old = town.employer(under=authority)
    boss = town.super_admin(old)
    town.admin(old, duties=[Duty.HOURS])  # has another duty: no help
    application = transfer(town, town.practitioner(at=old, user=boss.user), town.employer())
    step = step_of(application, "原单位审核")
    assert (step.approver, step.on_behalf_of) == (authority, old)
    engine.approve(step.pk, by=town.actor(authority))


def test_an_organisation_without_admins_is_backed_by_its_superior(town):
    authority = town.authority()
    empty = town.employer(under=authority, with_admin=False)
    application = transfer(town, town.practitioner(at=empty), town.employer())
    assert step_of(application, "原单位审核").approver == authority


def test_the_database_refuses_a_signature_in_ones_own_matter(move):
    _, person, _, _, application = move
    with (
        pytest.raises(IntegrityError, match="step_nobody_signs_their_own_matter"),
        transaction.atomic(),
    ):
        application.steps.filter(state="open").update(
            state="approved", decided_by=person.user, decided_at=application.submitted_at
        )


# --- the last line: the database ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("step_rejection_has_reason", {"state": "rejected", "comment": ""}),
        ("step_decision_is_signed", {"state": "approved", "decided_by": None}),
    ],
)
def test_steps_obey_their_constraints(move, name, change):
    town, _, old, _, application = move
    signed = {"decided_by": town.super_admin(old).user, "decided_at": application.submitted_at}
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        application.steps.filter(state="open").update(**{**signed, **change})


def test_an_application_has_one_subject_and_a_closing_time(move):
    _, _, old, _, application = move
    row = Application.objects.filter(pk=application.pk)
    with pytest.raises(IntegrityError, match="application_has_one_subject"), transaction.atomic():
        row.update(organization=old)
    with pytest.raises(IntegrityError, match="application_closed_at_tells_state"), transaction.atomic():
        row.update(state="approved")


@pytest.mark.parametrize("verb", ["UPDATE workflow_event SET comment = 'x'", "DELETE FROM workflow_event"])
def test_the_log_is_append_only(move, verb):
    with (
        pytest.raises(IntegrityError, match="append only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(verb)


def test_a_subject_that_changed_is_seen_as_it_is_now(town):
    """The stale row trap: the payload's practitioner was loaded before it moved."""
    old, new, third = town.employer(), town.employer(), town.employer()
    stale = town.practitioner(at=old)
    first = transfer(town, Practitioner.objects.get(pk=stale.pk), new, by=old)
    engine.approve(step_of(first, "新单位审核").pk, by=town.actor(new))
    again = transfer(town, stale, third)
    assert step_of(again, "原单位审核").approver == new


def test_an_effect_that_refuses_undoes_the_signature(move):
    town, person, old, new, application = move
    engine.approve(step_of(application, "原单位审核").pk, by=town.actor(old))
    Organization.objects.filter(pk=new.pk).update(status=Status.CLOSED)
    actor = town.actor(new)
    with pytest.raises(Refused, match="已注销"):
        engine.approve(step_of(application, "新单位审核").pk, by=actor)
    assert step_of(application, "新单位审核").state == "open"
    person.refresh_from_db()
    assert person.employer == old


def test_a_signature_costs_few_queries(move):
    """lock, right, steps, sign, event, open the next: whatever the length of the route or the age of the data."""
    town, _, old, _, application = move
    step, actor = step_of(application, "原单位审核"), town.actor(old)
    with CaptureQueriesContext(connection) as queries:
        engine.approve(step.pk, by=actor)
    statements = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert len(statements) <= 6, statements


# --- races --------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("other", ["approve", "reject", "withdraw"])
class TestTwoAtOnce:
    def clicks(self, town, other):
        old, new = town.employer(), town.employer()
        person = town.practitioner(at=old)
        application = transfer(town, person, new)
        step = step_of(application, "原单位审核")
        one, two = town.actor(old), town.actor(town.admin(old, duties=[Duty.TRANSFERS]))
        second = {
            "approve": lambda: engine.approve(step.pk, by=two),
            "reject": lambda: engine.reject(step.pk, by=two, comment="不符"),
            "withdraw": lambda: engine.withdraw(application.pk, by=town.actor(person)),
        }[other]
        return application, lambda: engine.approve(step.pk, by=one), second

    def test_one_wins_and_the_other_is_told(self, town, other):
        application, first, second = self.clicks(town, other)
        outcomes = at_once(first, second)
        verbs = sorted(application.events.values_list("verb", flat=True))
        if other == "withdraw" and outcomes == ["ok", "ok"]:
            # Approved first, then withdrawn while the new unit had not signed: both in order, one after the other.
            assert verbs == ["approve", "submit", "withdraw"]
        else:
            assert outcomes == ["AlreadyDecided", "ok"]
            assert Event.objects.filter(application=application).count() == 2

    def test_without_the_lock_both_win(self, town, other, monkeypatch):
        """The control: the test above cannot pass by luck."""
        _, first, second = self.clicks(town, other)
        with without_lock(monkeypatch):
            assert at_once(first, second) == ["ok", "ok"]


@pytest.mark.django_db(transaction=True)
def test_crossed_superior_changes_form_no_ring(town):
    """A under B and B under A, both approved at the same moment (F-70)."""
    top = town.authority()
    a, b = town.employer(under=top), town.employer(under=top)
    one, two = change_superior(town, a, b), change_superior(town, b, a)
    for application in (one, two):
        engine.approve(step_of(application, "原上级审核").pk, by=town.actor(top))
    outcomes = at_once(
        lambda: engine.approve(step_of(one, "新上级审核").pk, by=town.actor(b)),
        lambda: engine.approve(step_of(two, "新上级审核").pk, by=town.actor(a)),
    )
    assert outcomes == ["Refused", "ok"]
    paths = list(Organization.objects.values_list("path", "id", "superior_id"))
    for path, pk, superior in paths:
        ids = [int(part) for part in path.strip("/").split("/")]
        assert len(set(ids)) == len(ids)
        assert ids[-1] == pk
        assert superior is None or ids[-2] == superior


@pytest.mark.django_db(transaction=True)
def test_crossed_superior_changes_without_the_tree_lock_form_a_ring(town, monkeypatch):
    """The control for the test above: with a check that both pass before either writes, the ring is there."""
    from orgs import tree

    top = town.authority()
    a, b = town.employer(under=top), town.employer(under=top)
    together = threading.Barrier(2)
    honest = tree.closes_ring

    def both_look_first(organization, superior):
        verdict = honest(organization, superior)
        together.wait(timeout=10)
        return verdict

    monkeypatch.setattr(tree, "hold_alone", lambda: None)
    monkeypatch.setattr(tree, "closes_ring", both_look_first)
    assert at_once(lambda: tree.move(a, b), lambda: tree.move(b, a)) == ["ok", "ok"]
    a.refresh_from_db()
    b.refresh_from_db()
    assert (a.superior, b.superior) == (b, a)


@pytest.mark.django_db(transaction=True)
def test_two_transfers_of_one_person_at_once(town):
    old = town.employer()
    person = town.practitioner(at=old)
    one, two = town.employer(), town.employer()
    outcomes = at_once(
        lambda: transfer(town, person, one),
        lambda: transfer(town, Practitioner.objects.get(pk=person.pk), two, by=old),
    )
    assert outcomes == ["Refused", "ok"]
    assert Application.objects.about(person).pending().count() == 1


@pytest.mark.django_db(transaction=True)
def test_filing_and_deciding_take_their_locks_in_one_order(town, monkeypatch):
    """One admin in two tabs: releases somebody and rejects that person's transfer at the same moment."""
    old, new = town.employer(), town.employer()
    person, other = town.practitioner(at=old), town.practitioner(at=old)
    step = step_of(transfer(town, person, new), "原单位审核")
    both_hold = threading.Barrier(2)
    honest = engine.hold_right

    def hold_and_wait(actor):
        honest(actor)
        # In one order the second never gets here before the first is done: the wait runs out.
        with contextlib.suppress(threading.BrokenBarrierError):
            both_hold.wait(timeout=0.5)

    monkeypatch.setattr(engine, "hold_right", hold_and_wait)
    outcomes = at_once(
        lambda: transfer(town, other, new, by=old),
        lambda: engine.reject(step.pk, by=town.actor(old), comment="不符"),
    )
    assert outcomes == ["ok", "ok"]
    assert both_hold.broken


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("again", "expected"), [(True, ["ok", "ok"]), (False, ["OperationalError", "ok"])])
def test_a_broken_deadlock_is_tried_again(town, again, expected):
    """And the control: without the second try one of the two clicks fails."""
    one, two = town.employer(), town.employer()
    both_hold = threading.Barrier(2)

    def crossed(first, second):
        @transaction.atomic
        def verb():
            engine.lock(first)
            with contextlib.suppress(threading.BrokenBarrierError):
                both_hold.wait(timeout=5)
            engine.lock(second)

        return engine._tried_again(verb) if again else verb

    assert at_once(crossed(one, two), crossed(two, one)) == expected
