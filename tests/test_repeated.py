"""workflow/repeated.py: a query put together once gives what the ORM gives, whatever the values of the next request."""

import pytest
from django.http import QueryDict

from credits.years import current_year
from desk import people
from orgs.models import Practitioner
from workflow import reach
from workflow.repeated import Repeated

YEAR = current_year()


def turned(path: str, year: int = YEAR) -> list[dict]:
    """The rows of a branch, two to a page, to the end; back again it must show the same pages."""
    pages, asked = [], ""
    while True:
        page = read(path, year, asked)
        pages.append(page.rows)
        if not page.older:
            break
        asked = page.older
    for earlier in reversed(pages[:-1]):
        page = read(path, year, page.newer)
        assert page.rows == earlier
    return [row for one in pages for row in one]


def read(path: str, year: int, asked: str) -> reach.Page:
    return reach.page(people._EVERYBODY.of(branch=path, year=year), QueryDict(asked.lstrip("?")), size=2)


def test_every_page_of_a_branch_is_what_the_orm_gives(town):
    authority = town.authority()
    unit, below = town.employer(under=authority), town.employer(under=authority)
    crowd = [town.practitioner(at=at) for at in (unit, unit, unit, below, below)]
    town.stands(crowd[0], public=30, professional=60, year=YEAR)
    town.stands(crowd[0], public=7, year=YEAR - 1)
    for place in (town.bureau, authority, unit, below):
        for year in (YEAR, YEAR - 1):
            expected = people._with_year(
                people._as_rows(people._in_branch(place.path), people.F("path"), people.F("pk")), year
            )
            assert turned(place.path, year) == list(expected.order_by("place", "person"))
    assert [row["that_year__total"] for row in turned(unit.path)][:1] == [90]


def test_a_value_of_a_pattern_may_hold_no_sign_of_a_pattern(town):
    found = Repeated(lambda branch: Practitioner.objects.filter(path__startswith=branch).values("pk"))
    with pytest.raises(ValueError, match="pattern"):
        found.rows(branch="/1/%")


def test_a_value_that_the_query_does_not_use_is_told(town):
    found = Repeated(lambda branch: Practitioner.objects.values("pk"))
    with pytest.raises(TypeError):
        found.rows(branch="/1/")


def test_a_column_that_python_must_read_is_told(town):
    found = Repeated(lambda unit: Practitioner.objects.filter(employer=unit).values("user__mobile"))
    with pytest.raises(TypeError):
        found.rows(unit=1)
