"""Certificates under races, each with the control that fails: R19, R20, two batches at once."""

import threading

import pytest
from django.db import transaction

from credits import certificates, ledger
from credits.certificates import current, issue, issue_many, replace
from credits.models import Certificate, CertificateEvent, Standing
from orgs.models import Division, Practitioner
from tests import test_certificates
from tests.race import at_once, one_in_the_other
from tests.test_certificates import YEAR, gaps, reported, valid
from tests.test_credits import declare, sign
from tests.test_transfers import file_transfer
from workflow import engine

pytestmark = pytest.mark.django_db(transaction=True)
town, unit, signing_key = test_certificates.town, test_certificates.unit, test_certificates.signing_key
ROUNDS = 8


def complete(town, at, **hours):
    person = town.practitioner(at=at)
    reported([person], **hours)
    return person


def unlocked(ids):
    """The control: the people as they are, locked by nobody."""
    found = (
        Practitioner.objects.filter(pk__in=list(ids))
        .order_by("pk")
        .select_related("user", "account", "employer")
    )
    return {one.pk: one for one in found}


def together(monkeypatch, name: str, parties: int = 2) -> None:
    """Every thread waits before `certificates.<name>` until all of them have come so far."""
    barrier, honest = threading.Barrier(parties), getattr(certificates, name)

    def waiting(*args, **kwargs):
        barrier.wait(timeout=10)
        return honest(*args, **kwargs)

    monkeypatch.setattr(certificates, name, waiting)


def doubles() -> int:
    """How many people have more than one valid certificate of a year."""
    found = Certificate.objects.in_state("valid").values_list("practitioner", "year")
    return len(found) - len(set(found))


def untrue() -> list[str]:
    """I11: valid certificates whose hours are not those of the year."""
    return [
        one.number
        for one in Certificate.objects.in_state("valid")
        if one.measured["hours"]
        != {
            key: f"{value:.1f}"
            for key, value in Standing.objects.get(
                practitioner=one.practitioner_id, year=one.year
            ).hours.items()
        }
    ]


# --- R19: two last verifications → one certificate --------------------------------------------------------------


def two_last_verifications(town, unit):
    """A person whose year either of two declarations completes, both before their last signature."""
    person = complete(town, unit, professional=40)
    filed = [declare(town, person, 20, title=f"测试论坛{n}") for n in range(2)]
    for application in filed:
        sign(town, application, times=1)
    steps = [application.steps.get(state="open") for application in filed]
    assert {step.approver for step in steps} == {town.bureau}
    by, own = town.actor(town.bureau), town.actor(person)

    def click(step):
        def verify_and_issue():
            engine.approve(step.pk, by=by)
            issue(person, YEAR, by=own)

        return verify_and_issue

    return person, [click(step) for step in steps]


def test_r19_two_last_verifications_make_one_certificate(town, unit):
    for _ in range(ROUNDS):
        person, clicks = two_last_verifications(town, unit)
        assert at_once(*clicks) == ["ok", "ok"]
        assert Certificate.objects.filter(practitioner=person).count() == 1
    assert (doubles(), gaps()) == (0, [])


def test_r19_control_without_the_lock_there_are_two(town, unit, monkeypatch):
    person, clicks = two_last_verifications(town, unit)
    monkeypatch.setattr(certificates, "_locked", unlocked)
    together(monkeypatch, "_give")
    assert at_once(*clicks) == ["ok", "ok"]
    assert len(valid(person)) == 2
    assert doubles() == 1


# --- R20: issue v. revoke hours -----------------------------------------------------------------------------


def issue_and_revoke(town, unit, monkeypatch):
    """Hours are taken back right after the issuing read the year: it waits a second for them before it writes."""
    person = complete(town, unit, professional=40)
    application = sign(town, declare(town, person, 20))
    measured, taken = threading.Event(), threading.Event()
    honest = certificates._save

    def saving(*args, **kwargs):
        measured.set()
        taken.wait(timeout=1)
        return honest(*args, **kwargs)

    monkeypatch.setattr(certificates, "_save", saving)
    own, office, declaration = town.actor(person), town.actor(town.bureau), application.declaration

    def take():
        assert measured.wait(timeout=10)
        ledger.revoke(declaration, by=office, reason="证书系伪造")
        taken.set()

    return person, (lambda: issue(person, YEAR, by=own)), take


def test_r20_hours_taken_back_while_it_is_issued_change_it(town, unit, monkeypatch):
    person, issuing, taking = issue_and_revoke(town, unit, monkeypatch)
    assert at_once(issuing, taking) == ["ok", "ok"]
    assert current(person, YEAR).state == "changed"
    assert untrue() == []


def test_r20_control_without_the_lock_a_certificate_of_lost_hours_stays_valid(town, unit, monkeypatch):
    person, issuing, taking = issue_and_revoke(town, unit, monkeypatch)
    monkeypatch.setattr(certificates, "_locked", unlocked)
    assert at_once(issuing, taking) == ["ok", "ok"]
    assert current(person, YEAR).state == "valid"
    assert len(untrue()) == 1


def test_r20_whoever_comes_first_nothing_untrue_is_left(town, unit):
    for _ in range(ROUNDS):
        person = complete(town, unit, professional=40)
        declaration = sign(town, declare(town, person, 20)).declaration
        own, office = town.actor(person), town.actor(town.bureau)
        outcomes = at_once(
            lambda person=person, own=own: issue(person, YEAR, by=own),
            lambda one=declaration, office=office: ledger.revoke(one, by=office, reason="证书系伪造"),
        )
        state = current(person, YEAR)
        assert (outcomes, state and state.state) in ((["ok", "ok"], "changed"), (["Refused", "ok"], None))
    assert untrue() == []


# --- numbers ------------------------------------------------------------------------------------------------


def batches(town, unit, each=15):
    people = [complete(town, unit).pk for _ in range(2 * each)]
    by = town.super_admin(town.bureau).user
    halves = people[:each], people[each:]
    return people, [lambda half=half: issue_many(half, YEAR, by=by) for half in halves]


def test_two_batches_at_once_have_unique_numbers_without_gaps(town, unit):
    for round_ in range(1, 4):
        _, clicks = batches(town, unit)
        assert at_once(*clicks) == ["ok", "ok"]
        assert Certificate.objects.count() == 30 * round_
        assert gaps() == []
    assert doubles() == 0


def test_control_without_the_number_lock_one_of_them_fails(town, unit, monkeypatch):
    _, clicks = batches(town, unit)
    monkeypatch.setattr(certificates, "_hold_numbers", lambda year, division: None)
    together(monkeypatch, "_save")
    assert at_once(*clicks) == ["IntegrityError", "ok"]


def test_batches_that_share_their_people_issue_to_each_of_them_once(town, unit):
    """City and county, and a person who clicks meanwhile; several divisions, given in opposite orders."""
    county = town.bureau_under(town.bureau, "泰山区人社局")
    county.division = Division.objects.create(code="370902", name="泰山区")
    county.save()
    firm = town.employer(under=county)
    people = [complete(town, at) for _ in range(10) for at in (unit, firm)]
    ids = [one.pk for one in people]
    by = town.super_admin(town.bureau).user
    own = town.actor(people[7])
    outcomes = at_once(
        lambda: issue_many(ids, YEAR, by=by),
        lambda: issue_many(ids[::-1], YEAR, by=by),
        lambda: issue_many(ids[5:], YEAR, by=by),
        lambda: issue(people[7], YEAR, by=own),
    )
    assert outcomes == ["ok"] * 4
    assert Certificate.objects.count() == 20
    assert (doubles(), gaps()) == (0, [])
    assert CertificateEvent.objects.count() == 20


def test_a_rolled_back_batch_in_between_leaves_no_gap(town, unit):
    people = [complete(town, unit).pk for _ in range(20)]
    by = town.super_admin(town.bureau).user

    def and_fail():
        with transaction.atomic():
            issue_many(people[10:], YEAR, by=by)
            transaction.set_rollback(True)

    assert at_once(lambda: issue_many(people[:10], YEAR, by=by), and_fail) == ["ok", "ok"]
    assert Certificate.objects.count() == 10
    assert gaps() == []


def test_two_clicks_on_another_certificate_make_one(town, unit):
    person = complete(town, unit)
    one = issue(person, YEAR, by=town.actor(person))
    Practitioner.objects.get(pk=person.pk).user.__class__.objects.filter(pk=person.user_id).update(
        name="改了名"
    )
    own = town.actor(person)
    assert at_once(*[lambda: replace(one, by=own)] * 2) in (["Refused", "ok"], ["ok", "ok"])
    assert len(valid(person)) == 1
    assert gaps() == []


# --- a transfer completes while a certificate is issued (R11) ----------------------------------------------------


def employer_joined(ids):
    """The control: the employer is read by the statement that waits for the lock, as it was before the wait."""
    found = Practitioner.objects.filter(pk__in=list(ids)).select_related("user", "account", "employer")
    return {one.pk: one for one in found.select_for_update(of=("self",), no_key=True)}


@pytest.mark.parametrize("locked", [True, False])
def test_r11_a_certificate_issued_while_the_transfer_completes_names_the_new_unit(
    town, unit, monkeypatch, locked
):
    person, new = complete(town, unit), town.employer()
    transfer = sign(town, file_transfer(town, person, new), times=1)
    step, by, own = transfer.steps.get(state="open").pk, town.actor(new), town.actor(person)
    if not locked:
        monkeypatch.setattr(certificates, "_locked", employer_joined)
    moves, issues = lambda: engine.approve(step, by=by), lambda: issue(person, YEAR, by=own)
    assert one_in_the_other(moves, issues) == (["ok", "ok"] if locked else ["KeyError", "ok"])
    assert [one.content["unit"] for one in Certificate.objects.all()] == ([new.name] if locked else [])
