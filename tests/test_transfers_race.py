"""Moves at the same moment as something else: one order or the other comes out, never a mixture. Each with its control."""

import threading

import pytest
from django.core.management import call_command

from orgs import tree
from orgs.models import Kind, Organization, Practitioner, Status
from tests.race import at_once, without_lock
from tests.test_credits import declaration, declare
from tests.test_transfers import file_transfer
from transfers import releasing
from transfers.models import ReleaseRow, SuperiorChange, UnitTransfer
from transfers.querysets import ReleaseRowQuerySet
from workflow import engine
from workflow.flow import flow_of
from workflow.models import Application, Event

pytestmark = pytest.mark.django_db(transaction=True)


def paths_are_right() -> bool:
    """Every path ends with the row itself below its superior's, every person carries the employer's."""
    rows = {row.pk: row for row in Organization.objects.all()}
    return all(
        row.path == (rows[row.superior_id].path if row.superior_id else "/") + f"{row.pk}/"
        for row in rows.values()
    ) and all(one.path == rows[one.employer_id].path for one in Practitioner.objects.all())


# --- transfer against declaration (R7, decision 2) ------------------------------------------------------


@pytest.fixture
def person(town):
    call_command("load_hours", verbosity=0)
    return town.practitioner(at=town.employer())


def test_a_transfer_and_a_declaration_at_once_one_is_filed(town, person):
    new = town.employer()
    outcomes = at_once(
        lambda: file_transfer(town, Practitioner.objects.get(pk=person.pk), new),
        lambda: declare(town, Practitioner.objects.get(pk=person.pk)),
    )
    assert outcomes == ["Refused", "ok"]
    assert Application.objects.about(person).pending().count() == 1


def test_without_the_lock_both_are_filed(town, person, monkeypatch):
    new, made = town.employer(), declaration(person)
    with without_lock(monkeypatch):
        outcomes = at_once(
            lambda: file_transfer(town, Practitioner.objects.get(pk=person.pk), new),
            lambda: engine.submit("hours-declaration", made, by=town.actor(person)),
        )
    assert outcomes == ["ok", "ok"]
    assert Application.objects.about(person).pending().count() == 2


# --- two transfers of one person: by themselves and by the unit (R10) -----------------------------------


def both_ways(town):
    """(person, own click, the unit's click): the same person through two pages."""
    old, one, two = town.employer(), town.employer(), town.employer()
    person = town.practitioner(at=old)
    mine, theirs = town.login(person), town.login(old)
    own = {"new_unit": one.name, "chosen": one.pk, "reason": "本人", "do": "submit"}
    released = {
        "new_unit": two.name,
        "chosen": two.pk,
        "reason": "单位",
        "picked": person.pk,
        "token": "a" * 32,
    }
    return (
        person,
        lambda: mine.post("/moves/unit/", own),
        lambda: theirs.post("/moves/release/", {**released, "do": "submit"}),
    )


def test_a_transfer_by_the_person_and_by_the_unit_at_once_one_is_filed(town):
    person, own, released = both_ways(town)
    assert at_once(own, released) == ["ok", "ok"]  # pages: the loser reads why
    application = Application.objects.about(person).pending().get()
    row = ReleaseRow.objects.get()
    if application.unittransfer.reason == "单位":
        assert row.application == application
    else:
        assert row.application is None
        assert "在审核中" in row.refusal


def test_without_the_exclusive_key_both_are_filed(town, monkeypatch):
    person, own, released = both_ways(town)
    monkeypatch.setattr(type(flow_of("unit-transfer")), "exclusive", False)
    monkeypatch.setattr(releasing, "blocked", lambda people: {})
    assert at_once(own, released) == ["ok", "ok"]
    assert Application.objects.about(person).pending().count() == 2


# --- release (the old unit's consent) against withdrawal (R8) -------------------------------------------


def consent_and_withdrawal(town):
    old, new = town.employer(), town.employer()
    person = town.practitioner(at=old)
    application = file_transfer(town, person, new)
    step = application.steps.get(order=1)
    mine, theirs = town.login(person), town.login(old)
    answers = {}

    def consent():
        answers["consent"] = theirs.post(f"/steps/{step.pk}/approve/").status_code

    def withdrawal():
        answers["withdrawal"] = mine.post(f"/applications/{application.pk}/withdraw/").status_code

    return application, consent, withdrawal, answers


def test_consent_and_withdrawal_come_one_after_the_other(town):
    application, consent, withdrawal, answers = consent_and_withdrawal(town)
    assert at_once(consent, withdrawal) == ["ok", "ok"]
    verbs = list(Event.objects.filter(application=application).in_order().values_list("verb", flat=True))
    states = list(application.steps.values_list("state", flat=True))
    application.refresh_from_db()
    assert application.state == "withdrawn"
    if verbs == ["submit", "approve", "withdraw"]:
        assert (states, answers["consent"]) == (["approved", "closed"], 302)
    else:
        assert verbs == ["submit", "withdraw"]
        assert (states, answers["consent"]) == (["closed", "closed"], 409)


def test_without_the_lock_a_withdrawn_transfer_is_still_with_the_new_unit(town, monkeypatch):
    """The control: the consent opens the next step of an application that is withdrawn."""
    application, consent, withdrawal, _ = consent_and_withdrawal(town)
    with without_lock(monkeypatch):
        assert at_once(consent, withdrawal) == ["ok", "ok"]
    application.refresh_from_db()
    assert application.state == "withdrawn"
    assert "approved" in application.steps.values_list("state", flat=True)
    assert Event.objects.filter(application=application).count() == 3


# --- the branch moves while somebody is hung into it (R13) ----------------------------------------------


class Meeting:
    """Whoever copies a path stops right after reading it, until the branch has moved or gave no sign for a second."""

    def __init__(self, monkeypatch):
        self.read, self.moved = threading.Event(), threading.Event()
        honest = tree._path_now

        def read_then_wait(pk):
            path = honest(pk)
            self.read.set()
            self.moved.wait(timeout=1)
            return path

        monkeypatch.setattr(tree, "_path_now", read_then_wait)

    def moving(self, application, town):
        """The last signature under a superior change, once the other has read the old path."""
        step = application.steps.get(state="open")
        actor = town.actor(step.approver)

        def click():
            assert self.read.wait(timeout=10)
            engine.approve(step.pk, by=actor)
            self.moved.set()

        return click


def half_signed_change(town, unit, new):
    application = engine.submit(
        "superior-change",
        SuperiorChange(organization=unit, old_superior=unit.superior, new_superior=new, reason="x"),
        by=town.actor(unit),
    )
    engine.approve(application.steps.get(title="原上级审核").pk, by=town.actor(unit.superior))
    return application


def unlocked_tree(monkeypatch):
    monkeypatch.setattr(tree, "hold_still", lambda: None)
    monkeypatch.setattr(tree, "hold_alone", lambda: None)


@pytest.mark.parametrize("locked", [True, False])
def test_a_registration_below_a_moving_branch_gets_the_right_path(town, monkeypatch, locked):
    unit = town.employer(under=town.authority())
    change = half_signed_change(town, unit, town.authority())
    meeting = Meeting(monkeypatch)
    if not locked:
        unlocked_tree(monkeypatch)
    below = Organization(kind=Kind.EMPLOYER, name="测试新二级单位", superior=unit, status=Status.PENDING)
    assert at_once(lambda: tree.plant(below), meeting.moving(change, town)) == ["ok", "ok"]
    assert paths_are_right() is locked


@pytest.mark.parametrize("locked", [True, False])
def test_a_transfer_into_a_moving_branch_gets_the_right_path(town, monkeypatch, locked):
    unit = town.employer(under=town.authority())
    person = town.practitioner(at=town.employer())
    transfer = file_transfer(town, person, unit, by=person.employer)
    change = half_signed_change(town, unit, town.authority())
    meeting = Meeting(monkeypatch)
    if not locked:
        unlocked_tree(monkeypatch)
    step, actor = transfer.steps.get(state="open"), town.actor(unit)
    clicks = (lambda: engine.approve(step.pk, by=actor), meeting.moving(change, town))
    assert at_once(*clicks) == ["ok", "ok"]
    assert paths_are_right() is locked


# --- one 人员调出 carried out from two browsers ----------------------------------------------------------


def begun(town):
    old, new = town.employer(), town.employer()
    people = {town.practitioner(at=old).pk for _ in range(5)}
    release = releasing.begin("b" * 32, people, new, "x", by=town.actor(old))
    return release, lambda: releasing.carry_out(release, by=town.actor(old))


def test_a_release_carried_out_twice_at_once_files_each_person_once(town):
    release, click = begun(town)
    assert at_once(click, click) == ["ok", "ok"]
    assert UnitTransfer.objects.count() == 5
    assert not release.rows.exclude(refusal="").exists()


def test_without_the_rows_lock_a_filed_person_is_called_left_out(town, monkeypatch):
    release, click = begun(town)
    together, honest, met = threading.Barrier(2), engine.submit, threading.local()

    def submit(*args, **kwargs):
        if not getattr(met, "done", False):
            met.done = True
            together.wait(timeout=10)
        return honest(*args, **kwargs)

    monkeypatch.setattr(ReleaseRowQuerySet, "select_for_update", lambda rows, **options: rows)
    monkeypatch.setattr(engine, "submit", submit)
    assert at_once(click, click) == ["ok", "ok"]
    assert UnitTransfer.objects.count() == 5
    assert release.rows.exclude(refusal="").exists()


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_second_change_of_the_same_unit_waits(town, monkeypatch, exclusive):
    """F-69: at the same moment too. The control: without the exclusive key both are filed."""
    monkeypatch.setattr(type(flow_of("superior-change")), "exclusive", exclusive)
    unit = town.employer(under=town.authority())

    def change(new):
        made = SuperiorChange(organization=unit, old_superior=unit.superior, new_superior=new, reason="x")
        return lambda: engine.submit("superior-change", made, by=town.actor(unit))

    outcomes = at_once(change(town.authority()), change(town.authority()))
    assert outcomes == (["Refused", "ok"] if exclusive else ["ok", "ok"])
    assert SuperiorChange.objects.count() == (1 if exclusive else 2)
