"""Many decisions at once: the same rules and the same effect as one after the other, in a few statements."""

import datetime
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from credits.models import LedgerEntry, Standing, Window, WindowKind
from orgs.models import Duty
from tests.race import at_once
from tests.test_credits import THIS_YEAR, declare, hours_of
from workflow import bulk, engine
from workflow.flow import Refused
from workflow.models import Application, Event, Step


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


def open_steps(at) -> list[int]:
    return list(Step.objects.filter(approver=at, state="open").order_by("pk").values_list("pk", flat=True))


def dump() -> list:
    """Everything a decision writes, without ids and times."""
    return [
        list(Application.objects.order_by("pk").values_list("state", "practitioner__user__name")),
        list(Step.objects.order_by("application", "order").values_list("state", "decided_by", "comment")),
        sorted(Event.objects.values_list("application__summary", "verb", "user", "comment")),
        sorted(LedgerEntry.objects.values_list("practitioner", "year", "subject", "hours", "decided_by")),
        [
            (one.practitioner_id, one.year, one.hours, one.total, one.complete)
            for one in Standing.objects.order_by("practitioner", "year")
        ],
    ]


def test_bulk_and_one_by_one_leave_the_same_behind(town):
    unit = town.employer()
    people = [town.practitioner(at=unit) for _ in range(3)]
    for hours, person in zip((20, 30, 90), people, strict=True):
        declare(town, person, hours=hours)
    declare(town, people[0], hours=5)
    declare(town, people[2], hours=30, subject="public")
    assert all(one.done for one in bulk.approve_all(open_steps(unit), by=town.actor(unit), comment="属实"))
    outcomes = bulk.approve_all(open_steps(town.bureau), by=town.actor(town.bureau))
    assert [one.done for one in outcomes] == [True] * 5
    together = dump()

    Standing.objects.all().delete()
    with connection.cursor() as cursor:  # as if nothing had been decided
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("DELETE FROM credits_ledgerentry")
        cursor.execute("DELETE FROM workflow_event WHERE verb <> 'submit'")
        cursor.execute("SET LOCAL session_replication_role = origin")
    Step.objects.update(state="waiting", decided_by=None, decided_at=None, comment="")
    Step.objects.filter(order=1).update(state="open")
    Application.objects.update(state="pending", closed_at=None)
    for step in open_steps(unit):
        engine.approve(step, by=town.actor(unit), comment="属实")
    for step in open_steps(town.bureau):
        engine.approve(step, by=town.actor(town.bureau))
    assert dump() == together
    assert Standing.objects.get(practitioner=people[2]).complete


def test_the_number_of_statements_does_not_grow(town):
    unit = town.employer()
    counts = []
    for number in (2, 12):
        for _ in range(number):
            declare(town, town.practitioner(at=unit))
        bulk.approve_all(open_steps(unit), by=town.actor(unit))
        with CaptureQueriesContext(connection) as queries:
            outcomes = bulk.approve_all(open_steps(town.bureau), by=town.actor(town.bureau))
        assert [one.done for one in outcomes] == [True] * number
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 20


def test_what_may_not_be_decided_is_left_out_with_its_sentence(town):
    unit = town.employer()
    admin = town.super_admin(unit)
    town.admin(unit, duties=[Duty.HOURS])
    own = declare(town, town.practitioner(at=unit, user=admin.user))
    late = declare(town, town.practitioner(at=unit))
    good = declare(town, town.practitioner(at=unit))
    closed = declare(town, town.practitioner(at=unit), day=datetime.date(THIS_YEAR - 1, 5, 1))
    now = timezone.now()
    Window.objects.create(
        year=THIS_YEAR - 1,
        kind=WindowKind.REVIEW,
        opens_at=now - datetime.timedelta(days=9),
        closes_at=now - datetime.timedelta(days=1),
    )
    steps = open_steps(unit)
    engine.reject(late.steps.get(order=1).pk, by=town.actor(unit), comment="材料不全")
    outcomes = {one.application_id: one for one in bulk.approve_all(steps, by=town.actor(admin))}
    assert outcomes[good.pk].done
    assert "本人" in outcomes[own.pk].sentence
    assert "驳回了这件申请" in outcomes[late.pk].sentence
    assert "已于" in outcomes[closed.pk].sentence
    assert Event.objects.filter(verb="approve").count() == 1
    good.refresh_from_db()
    assert list(good.steps.values_list("state", flat=True)) == ["approved", "open"]


def test_steps_of_others_do_not_exist_and_a_lost_right_is_refused(town):
    unit, other = town.employer(), town.employer()
    declare(town, town.practitioner(at=unit))
    steps = open_steps(unit)
    assert bulk.approve_all(steps, by=town.actor(other)) == []
    actor = town.actor(unit)
    actor.account.__class__.objects.filter(pk=actor.account.pk).update(epoch=actor.account.epoch + 1)
    with pytest.raises(Refused, match="刚刚变更"):
        bulk.approve_all(steps, by=actor)
    blind = town.admin(unit, duties=[Duty.PEOPLE])
    assert bulk.approve_all(steps, by=town.actor(blind)) == []
    assert Event.objects.filter(verb="approve").count() == 0


def test_many_are_rejected_with_one_reason(town):
    unit = town.employer()
    filed = [declare(town, town.practitioner(at=unit)) for _ in range(3)]
    with pytest.raises(Refused, match="驳回理由"):
        bulk.reject_all(open_steps(unit), by=town.actor(unit), comment=" ")
    assert all(
        one.done for one in bulk.reject_all(open_steps(unit), by=town.actor(unit), comment="不符合标准")
    )
    for application in filed:
        application.refresh_from_db()
        assert application.state == "rejected"
        assert list(application.steps.values_list("state", flat=True)) == ["rejected", "closed"]
    assert not LedgerEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_bulk_approvals_and_a_single_one_grant_everything_once(town):
    unit = town.employer()
    people = [town.practitioner(at=unit) for _ in range(8)]
    for person in people:
        declare(town, person)
    bulk.approve_all(open_steps(unit), by=town.actor(unit))
    steps = open_steps(town.bureau)
    colleague = town.admin(town.bureau, duties=[Duty.HOURS])
    one, two = town.actor(town.bureau), town.actor(colleague)
    at_once(
        lambda: bulk.approve_all(steps, by=one),
        lambda: bulk.approve_all(steps[::-1], by=two),
        lambda: engine.approve(steps[3], by=two),
    )
    assert LedgerEntry.objects.count() == 8
    assert {hours_of(person) for person in people} == {((0, Decimal(20)),)}
    assert Event.objects.filter(verb="approve", step__in=steps).count() == 8
