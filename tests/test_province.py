"""The synthetic province: repeatable, whole, and as the product itself would have written it."""

import random
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count, Sum
from django.test import Client

from config.province.people import number_of
from config.province.tree import Place, grow
from credits.models import LedgerEntry, Recheck, Standing
from credits.recheck import recheck
from credits.tallies import count_of, fold
from credits.years import current_year
from orgs.models import Kind, Organization, Practitioner
from workflow.models import Application, Event, Step

SCALE = 600


@pytest.fixture
def province(db):
    call_command("make_province", scale=SCALE, processes=1, verbosity=0)


def test_it_has_so_many_people_below_bureaus_of_every_division(province):
    assert Practitioner.objects.active().count() == SCALE
    assert LedgerEntry.objects.filter(source="import").count() == 3 * SCALE
    province = Organization.objects.get(kind=Kind.BUREAU, superior__kind=Kind.OPERATOR)
    assert province.subordinates.filter(kind=Kind.BUREAU).count() == 16
    assert all(
        one.path == f"{one.superior.path}{one.pk}/"
        for one in Organization.objects.exclude(superior=None).select_related("superior")
    )
    assert not Organization.objects.exclude(kind=Kind.OPERATOR).filter(admins=None).exists()


def test_standings_are_the_sums_of_the_ledger_and_the_counters_their_sums(province):
    by_ledger = {
        (one["practitioner"], one["year"]): one["sum"]
        for one in LedgerEntry.objects.values("practitioner", "year").annotate(sum=Sum("hours"))
    }
    standings = Standing.objects.all()
    assert {(one.practitioner_id, one.year): one.total for one in standings} == by_ledger
    assert all(sum(one.hours.values()) == one.total for one in standings)
    year = current_year()
    for place in Organization.objects.exclude(kind=Kind.EMPLOYER):
        people = Practitioner.objects.filter(path__startswith=place.path)
        rows = Standing.objects.filter(practitioner__in=people, year=year)
        count = count_of(place, year)
        assert (count.people, count.begun) == (people.count(), rows.count())
        assert count.complete == rows.filter(complete=True).count()
        assert count.total == sum((row.total for row in rows), Decimal(0))


def test_complete_is_what_the_rules_say(province):
    before = list(Standing.objects.order_by("pk").values_list("pk", "complete"))
    Recheck.objects.bulk_create(Recheck(practitioner=one) for one in Practitioner.objects.all())
    while recheck():
        pass
    assert list(Standing.objects.order_by("pk").values_list("pk", "complete")) == before
    fold()


def test_every_declaration_has_its_steps_and_its_chained_log(province):
    applications = Application.objects.annotate(steps_there=Count("steps"))
    assert applications.count() >= 10
    assert set(applications.values_list("steps_there", flat=True)) == {2}
    assert Step.objects.filter(state="open").count() == Application.objects.pending().count()
    assert all(len(bytes(one.digest)) == 32 for one in Event.objects.all())


def test_the_same_scale_and_seed_give_the_same_province(province):
    """Repeated from an empty platform in the same transaction: ids go on, everything else is the same."""
    with pytest.raises(CommandError, match="已有人员"):
        call_command("make_province", scale=SCALE, verbosity=0)
    first, second = (
        [(one.kind, one.name, one.people, one.division) for one in grow(SCALE, root(), random.Random(1))]
        for _ in range(2)
    )
    assert first == second
    assert first != [
        (one.kind, one.name, one.people, one.division) for one in grow(SCALE, root(), random.Random(2))
    ]


def root() -> Place:
    return Place(1, Kind.OPERATOR, "平台", None, "")


def test_its_people_can_log_in(province):
    client = Client()
    answer = client.post(
        "/login/", {"role": "bureau", "id_number": number_of(0), "password": "demo-2026-tai"}
    )
    assert answer.status_code == 302
    assert "审核" in client.get("/").content.decode()
