"""Hours at the same moment as a move, a correction, or themselves: R4, R11, R23, each with its control."""

import threading
from functools import partial

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.id_number import IdNumber
from credits.models import LedgerEntry, Provider
from credits.views import declaring
from orgs.models import Practitioner
from registration.models import IdentityCorrection
from tests.race import at_once, one_in_the_other
from tests.registering import an_id_number
from tests.test_credits import THIS_YEAR, declaration, declare, hours_of, sign
from tests.test_credits_pages import CHECK, fill_in, hidden
from tests.test_intake import row
from tests.test_intake_race import report
from tests.test_tallies import by_hand, counted
from tests.test_transfers import file_transfer
from tests.tiers import times
from workflow import engine
from workflow.flow import flow_of
from workflow.models import Application, Attachment

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


def not_locked(monkeypatch):
    """The control: the engine reads a row without holding it."""
    monkeypatch.setattr(
        engine, "_locked", lambda model: model._base_manager.select_related(*engine._WITH.get(model, ()))
    )


# --- R11: a transfer completes while the old unit's hours are signed --------------------------------------------
#
# The rules keep the two apart already when they are filed (R7). They may meet where an earlier system left both open.


def moving_with_hours(town, monkeypatch, signed: int):
    """(person, old unit, new unit, the transfer's last signature, the declaration's next one), both open by force."""
    old, new = town.employer(), town.employer()
    person = town.practitioner(at=old)
    declared = sign(town, declare(town, person), times=signed)
    with monkeypatch.context() as patch:
        patch.setattr(type(flow_of("unit-transfer")), "alone", False)
        transfer = file_transfer(town, person, new)
    engine.approve(transfer.steps.get(order=1).pk, by=town.actor(old))

    def click(application):
        step = application.steps.get(state="open")
        return partial(engine.approve, step.pk, by=town.actor(step.approver))

    return person, old, new, declared, click(transfer), click(declared)


def counts_where_the_person_is(person, *places) -> bool:
    assert hours_of(person) == ((0, 20),)
    assert LedgerEntry.objects.filter(practitioner=person).count() == 1
    return all(counted(place) == by_hand(place) for place in places)


@pytest.mark.parametrize("signed", [0, 1])
def test_r11_hours_signed_while_the_person_moves_count_at_the_new_unit(town, monkeypatch, signed):
    """0: the old unit's own signature, 1: the last one, which grants the hours. At once, and either inside the other."""
    ways = (at_once, one_in_the_other, lambda move, hours: one_in_the_other(hours, move))
    for number in range(times(3, 15)):
        person, old, new, declared, move, hours = moving_with_hours(town, monkeypatch, signed)
        assert ways[number % 3](move, hours) == ["ok", "ok"]
        sign(town, declared)
        person = Practitioner.objects.get(pk=person.pk)
        assert (person.employer, person.path) == (new, new.path)
        assert declared.steps.get(order=1).approver == old
        assert counts_where_the_person_is(person, old, new, town.bureau)


def test_r11_control_without_the_lock_the_hours_stay_at_the_old_unit(town, monkeypatch):
    person, old, new, _, move, hours = moving_with_hours(town, monkeypatch, signed=1)
    not_locked(monkeypatch)
    assert one_in_the_other(move, hours) == ["ok", "ok"]
    person = Practitioner.objects.get(pk=person.pk)
    assert person.employer == new
    assert not counts_where_the_person_is(person, old, new, town.bureau)


def completing(town):
    """(person, new unit, the last signature under the person's transfer)."""
    old, new = town.employer(), town.employer()
    person = town.practitioner(at=old)
    transfer = file_transfer(town, person, new)
    engine.approve(transfer.steps.get(order=1).pk, by=town.actor(old))
    return person, new, partial(engine.approve, transfer.steps.get(order=2).pk, by=town.actor(new))


def test_r11_hours_declared_while_the_transfer_completes_go_to_the_new_unit(town):
    for _ in range(times(2, 10)):
        person, new, move = completing(town)
        declares = partial(engine.submit, "hours-declaration", declaration(person), by=town.actor(person))
        assert one_in_the_other(move, declares) == ["ok", "ok"]
        assert Application.objects.about(person).pending().get().steps.get(order=1).approver == new


def test_r11_control_with_the_employer_joined_the_person_is_not_found(town, monkeypatch):
    """What is read in one statement with the lock is of before the wait, and does not fit what was waited for."""
    person, _, move = completing(town)
    declares = partial(engine.submit, "hours-declaration", declaration(person), by=town.actor(person))
    monkeypatch.setitem(engine._WITH, Practitioner, ("user", "employer"))
    assert one_in_the_other(move, declares) == ["DoesNotExist", "ok"]


# --- R23: a correction brings hours under the right number while declared ones are signed -----------------------


def corrected_with_hours(town, operator):
    """(person, the platform's signature under a new number that 5 hours wait for, the last one under 20 hours)."""
    person = town.practitioner(at=town.employer())
    provider = Provider.objects.get_or_create(code="test", defaults={"name": "示例学习平台"})[0]
    number = an_id_number()
    at_a_platform = row(
        (number, person.user.name), f"r23-{person.pk}", "5", year=str(THIS_YEAR), done=f"{THIS_YEAR}-01-08"
    )
    report(provider, at_a_platform)()
    correction = IdentityCorrection(
        user=person.user, practitioner=person, new_name=person.user.name, reason="写错"
    )
    correction.set_new_number(IdNumber.parse(number))
    correction.take_old(person.user)
    filed = engine.submit("identity-correction", correction, by=town.actor(person))
    declared = sign(town, declare(town, person), times=1)
    clicks = []
    for application, by in ((filed, operator), (declared, town.bureau)):
        clicks.append(partial(engine.approve, application.steps.get(state="open").pk, by=town.actor(by)))
    return person, *clicks


def test_r23_hours_that_a_correction_brings_and_declared_ones_are_both_in_the_sum(town):
    ways = (at_once, one_in_the_other, lambda correct, hours: one_in_the_other(hours, correct))
    operator = town.operator()
    for number in range(times(3, 15)):
        person, correct, hours = corrected_with_hours(town, operator)
        assert ways[number % 3](correct, hours) == ["ok", "ok"]
        assert hours_of(person) == ((5, 20),)
        assert LedgerEntry.objects.filter(practitioner=person).count() == 2


def test_r23_control_without_the_lock_the_hours_of_the_correction_are_lost(town, monkeypatch):
    person, correct, hours = corrected_with_hours(town, town.operator())
    not_locked(monkeypatch)
    assert one_in_the_other(correct, hours) == ["ok", "ok"]
    assert LedgerEntry.objects.filter(practitioner=person).count() == 2
    assert hours_of(person) == ((0, 20),)


# --- R4: one form submitted twice -------------------------------------------------------------------------------


def a_double_click(town):
    """The same filled-in page sent from one browser twice."""
    browser = town.login(town.practitioner(at=town.employer()))
    page = hidden(fill_in(browser))
    windows = [Client(), Client()]
    for one in windows:
        one.cookies = browser.cookies
    return [lambda one=one: one.post(CHECK, page) for one in windows]


def both_have_read_the_form(monkeypatch):
    together, honest = threading.Barrier(2), engine.submit

    def submit(*args, **kwargs):
        together.wait(timeout=10)
        return honest(*args, **kwargs)

    monkeypatch.setattr(engine, "submit", submit)


def test_r4_a_declaration_sent_twice_at_once_is_filed_once(town, monkeypatch):
    both_have_read_the_form(monkeypatch)
    assert at_once(*a_double_click(town)) == [
        "ok",
        "ok",
    ]  # pages: one shows the receipt, the other says why not
    assert Attachment.objects.get().application == Application.objects.get()


def test_r4_control_without_claiming_its_files_it_is_filed_twice(town, monkeypatch):
    """Nor looking at the hours again: the first one left less room for the second than its page said."""
    both_have_read_the_form(monkeypatch)
    monkeypatch.setattr(declaring, "_as_it_was_shown", lambda declaration, seen: None)
    monkeypatch.setattr(declaring, "claim", lambda form, application: None)
    assert at_once(*a_double_click(town)) == ["ok", "ok"]
    assert Application.objects.count() == 2
