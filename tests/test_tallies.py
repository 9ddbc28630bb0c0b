"""Counters above the person: exact at any moment, whatever changed a standing or moved people."""

import random
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from credits import packs
from credits.models import Recheck, RulePack, Standing, Tally, TallyDelta
from credits.recheck import recheck
from credits.required import rules_of
from credits.rolling import roll
from credits.tallies import count_of, counts_by_series, counts_of, fold
from credits.years import current_year
from orgs.models import Organization, Practitioner, Status, TitleSeries
from orgs.tree import move, settle
from tests.race import at_once
from tests.test_credits import declare, sign

YEAR = current_year()


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


def by_hand(place: Organization, year: int = YEAR) -> tuple:
    """People, begun, complete and hours, counted from the people themselves."""
    people = Practitioner.objects.filter(path__startswith=place.path, status=Status.ACTIVE)
    standings = list(Standing.objects.filter(practitioner__in=people, year=year))
    return (
        people.count(),
        sum(one.total > 0 for one in standings),
        sum(one.complete for one in standings),
        sum((one.total for one in standings), Decimal(0)),
    )


def counted(place: Organization, year: int = YEAR) -> tuple:
    count = count_of(place, year)
    return (count.people, count.begun, count.complete, count.total)


def test_a_granted_declaration_counts_at_every_place_above_at_once(town):
    authority = town.authority()
    unit = town.employer(under=authority)
    sign(town, declare(town, town.practitioner(at=unit), hours=20))
    for place in (unit, authority, town.bureau, town.platform):
        assert counted(place) == (1, 1, 0, 20)
        assert count_of(place, YEAR).hours == {"professional": Decimal("20.0")}
    assert counted(town.employer(under=authority)) == (0, 0, 0, 0)


def test_the_count_is_the_same_before_and_after_folding(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    town.stands(person, 30, 60)
    before = counted(town.bureau)
    assert TallyDelta.objects.exists()
    assert roll() > 0
    assert not TallyDelta.objects.exists()
    assert counted(town.bureau) == before == (1, 1, 1, 90)
    assert Tally.objects.filter(organization=town.bureau, year=YEAR, series="*").get().complete == 1
    assert roll() == 0


def test_people_take_their_years_with_them(town):
    old, new = town.employer(), town.employer(under=town.authority())
    person = town.practitioner(at=old)
    town.stands(person, 30, 60)
    roll()
    settle(person, new)
    assert counted(old) == (0, 0, 0, 0)
    assert counted(new) == counted(new.superior) == (1, 1, 1, 90)
    roll()
    assert counted(old) == (0, 0, 0, 0)
    assert counted(new) == counted(new.superior) == counted(town.bureau) == (1, 1, 1, 90)


def test_a_branch_that_moves_takes_its_counts_along(town):
    here, there = town.authority(), town.authority()
    unit = town.employer(under=here)
    sub_unit = town.employer(under=unit)
    for place in (unit, sub_unit):
        town.stands(town.practitioner(at=place), 30, 30)
    roll()
    move(Organization.objects.get(pk=unit.pk), there)
    here.refresh_from_db(), there.refresh_from_db(), unit.refresh_from_db()
    assert counted(here) == (0, 0, 0, 0)
    assert counted(there) == counted(unit) == (2, 2, 0, 120)


def test_who_leaves_counts_no_more_and_counts_again_on_return(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    town.stands(person, 30, 60)
    for status, expected in ((Status.CLOSED, (0, 0, 0, 0)), (Status.ACTIVE, (1, 1, 1, 90))):
        person.status = status
        person.save()
        assert counted(unit) == counted(town.bureau) == expected


def test_counts_by_series_follow_a_new_title(town):
    teachers = TitleSeries.objects.create(code="01", name="高等学校教师")
    unit = town.employer()
    person = town.practitioner(at=unit)
    town.stands(person, 30, 60)
    assert {series: one.people for series, one in counts_by_series(unit, YEAR).items()} == {"": 1}
    Practitioner.objects.filter(pk=person.pk).update(
        title_series=teachers,
        title_level="middle",
        title="讲师",
        title_mode="evaluation",
        title_awarded_on="2024-01-01",
    )
    found = counts_by_series(unit, YEAR)
    assert (found["01"].people, found["01"].complete, found[""].people, found[""].complete) == (1, 1, 0, 0)


def test_hours_posted_stay_in_the_month_and_place_of_their_entry(town):
    old, new = town.employer(), town.employer(under=town.authority())
    person = town.practitioner(at=old)
    sign(town, declare(town, person, hours=20))
    settle(person, new)
    month = f"{timezone.localdate():%m}"
    assert count_of(old, YEAR).posted == {month: Decimal("20.0")}
    assert count_of(new, YEAR).posted == {}
    assert count_of(town.bureau, YEAR).posted == {month: Decimal("20.0")}


def test_one_query_for_all_children(town, django_assert_num_queries):
    units = [town.employer() for _ in range(5)]
    for unit in units[:3]:
        town.stands(town.practitioner(at=unit), 30, 60)
    with django_assert_num_queries(1):
        found = counts_of(units, [YEAR, YEAR - 1])
    assert [found[unit.pk, YEAR].complete for unit in units] == [1, 1, 1, 0, 0]
    assert [found[unit.pk, YEAR - 1].people for unit in units] == [1, 1, 1, 0, 0]


def test_a_thousand_random_changes_and_foldings_never_lose_anything(town):
    """Grants, moves, leavings, deletions and foldings in any order: the counters equal a count by hand."""
    chance = random.Random(7)
    places = [town.authority(), town.authority()]
    units = [town.employer(under=chance.choice(places)) for _ in range(4)]
    people = [town.practitioner(at=chance.choice(units)) for _ in range(8)]
    for _ in range(300):
        person = Practitioner.objects.get(pk=chance.choice(people).pk)
        match chance.randrange(6):
            case 0:
                Standing.objects.filter(practitioner=person).delete()
            case 1:
                settle(person, chance.choice(units))
            case 2:
                person.status = chance.choice([Status.ACTIVE, Status.CLOSED])
                person.save()
            case 3:
                fold(at_once=chance.randrange(1, 20))
            case _:
                Standing.objects.filter(practitioner=person, year=YEAR).delete()
                town.stands(person, chance.randrange(60), Decimal(chance.randrange(1200)) / 10)
    for place in (*units, *places, town.bureau, town.platform):
        assert counted(place) == by_hand(place)
    roll()
    for place in (*units, *places, town.bureau, town.platform):
        assert counted(place) == by_hand(place)


@pytest.mark.django_db(transaction=True)
def test_two_folders_at_once_count_everything_once(town):
    unit = town.employer()
    for _ in range(6):
        town.stands(town.practitioner(at=unit), 30, 60)
    assert at_once(fold, fold, fold) == ["ok", "ok", "ok"]
    roll()
    assert counted(unit) == counted(town.platform) == (6, 6, 6, 540)


# --- whether a year is complete, looked at again ----------------------------------------------------------------


def complete(person) -> bool:
    return Standing.objects.get(practitioner=person, year=YEAR).complete


def test_new_rules_are_looked_at_again_by_the_rolling_job(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    town.stands(person, 30, 60)
    pack = RulePack.objects.get(state="published")
    packs.publish(packs.draft(pack.text.replace("hours = 90", "hours = 100")))
    assert Recheck.objects.filter(practitioner=person).exists()
    roll()
    assert not complete(person)
    assert counted(unit) == (1, 1, 0, 90)


def test_who_moves_under_other_rules_is_looked_at_again(town):
    county = town.bureau_under(town.bureau)
    town.rules(county, total=10)
    person = town.practitioner(at=town.employer())
    town.stands(person, 5, 5)
    assert not complete(person)
    settle(person, town.employer(under=county))
    roll()
    assert complete(person)
    assert counted(county) == (1, 1, 1, 10)


def test_nobody_is_looked_at_twice(town):
    person = town.practitioner(at=town.employer())
    town.stands(person, 30, 60)
    Recheck.objects.create(practitioner=person)
    assert (recheck(), recheck()) == (1, 0)


def test_hours_in_sql_are_exact(town):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT credits_hours_sum(jsonb_build_object('public', '0.1')) FROM generate_series(1, 300)"
        )
        assert cursor.fetchone()[0] == '{"public": "30.0"}'
        cursor.execute(
            """SELECT credits_hours_add('{"a": "1.5", "b": "2.0"}', '{"a": "-1.5", "c": "0.1"}')"""
        )
        assert cursor.fetchone()[0] == '{"b": "2.0", "c": "0.1"}'


def test_a_version_for_a_later_year_leaves_the_years_before_as_they_were(town):
    person = town.practitioner(at=town.employer())
    text = RulePack.objects.get(state="published").text
    later = text.replace("year_from = 2021", f"year_from = {YEAR}").replace("hours = 90", "hours = 100")
    packs.publish(packs.draft(later))
    found = rules_of(person, [YEAR - 1, YEAR])
    assert [found[year].minimums[0].hours for year in (YEAR - 1, YEAR)] == [90, 100]
    packs.publish(packs.draft(later.replace("hours = 100", "hours = 110")))
    assert rules_of(person, [YEAR])[YEAR].minimums[0].hours == 110
    states = RulePack.objects.filter(code="shandong").order_by("version").values_list("state", flat=True)
    assert list(states) == ["published", "superseded", "published"]
