"""Pages of a branch in the order of its places: people by (path, id), of a branch of any size, each page bounded.

Where an index holds exactly what is asked for, a page stops after its fifty rows. Where people must be looked at one by
one (a standing, a level, two conditions at once), a page looks at REACH of them and no further; it says so, and the
next one goes on from there. So no page reads more than a few thousand rows, whatever is asked of four million people.

The place is the row's path and id, written "1.2.30~4711" into the address (`after`, `before`).
"""

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import BooleanField, F, Func, OuterRef, QuerySet, Subquery, Value
from django.http import QueryDict

from workflow.keyset import SIZE
from workflow.repeated import Repeated

REACH = 1_000
PLACE = re.compile(r"(\d{1,18}(?:\.\d{1,18})*)~(\d{1,18})")


@dataclass
class Page:
    """`newer`, `older`: query strings of the neighbours, "" at the ends. `looked`: how many people this page looked at
    before it stopped without being full; 0 where nothing stopped it."""

    rows: list
    newer: str = ""
    older: str = ""
    looked: int = 0

    @property
    def looked_at(self) -> str:
        return f"{self.looked:,}"


class Compared(Func):
    """(place, person) against one place, as one comparison of rows: what an index over both can jump to."""

    output_field = BooleanField()

    def __init__(self, sign: str, place: tuple[str, int]):
        super().__init__(F("place"), F("person"), Value(place[0]), Value(place[1]))
        self.sign = sign

    def as_sql(self, compiler, connection, **context):
        texts, values = [], []
        for one in self.get_source_expressions():
            sql, params = compiler.compile(one)
            texts.append(sql)
            values += params
        return f"({texts[0]}, {texts[1]}) {self.sign} ({texts[2]}, {texts[3]})", values


class Found:
    """What `page` takes for a list that is opened at every look: its queries are put together once (workflow/repeated.py).

    `make(**values)` gives the `found` of `page`. `Found.of(values)` is one list.
    """

    def __init__(self, make: Callable[..., QuerySet]):
        def of_page(kind, path="", person=0, **values):
            placed, forwards, size = kind
            return _beyond(make(**values), (path, person) if placed else None, forwards, size)

        self._pages, self._values = Repeated(of_page), {}

    def of(self, **values: str | int) -> "Found":
        one = copy.copy(self)
        one._values = values
        return one

    def beyond(self, place: tuple[str, int] | None, forwards: bool, size: int) -> list[dict]:
        beyond = {"path": place[0], "person": place[1]} if place else {}
        return self._pages.rows((place is not None, forwards, size), **beyond, **self._values)


def page(found: QuerySet | Found, asked: QueryDict, walk: QuerySet | None = None, size: int = SIZE) -> Page:
    """The page that the address asks for. `found` gives dicts with `place` and `person`, both under one index.

    `walk`: everybody who has to be looked at, with the same two, and `fits` (one_by_one), which is null for who does
    not; `found` then only says what a row shows. None where `found` needs no looking. One query, three with `walk`. A
    place that does not read is the first page.
    """
    forwards = "before" not in asked
    place = read_place(asked.get("after" if forwards else "before", ""))
    end = None
    if isinstance(found, Found):
        rows = found.beyond(place, forwards, size + 1)
    elif walk is None:
        rows = list(_beyond(found, place, forwards, size + 1))
    else:
        end = end_of_reach(walk, place, forwards)
        fitting = between(walk, place, end, forwards).filter(fits__isnull=False)
        chosen = list(fitting.order_by(*_steps(forwards)).values_list("person", flat=True)[: size + 1])
        rows = sorted(found.filter(pk__in=chosen), key=lambda row: chosen.index(row["person"]))
    full, rows = len(rows) > size, rows[:size]
    last = (rows[-1]["place"], rows[-1]["person"]) if full else end
    onwards = _address(asked, "after" if forwards else "before", last) if last else ""
    backwards = (
        _address(asked, "before" if forwards else "after", _including(place, forwards)) if place else ""
    )
    looked = REACH if end and not full else 0
    if forwards:
        return Page(rows, backwards, onwards, looked)
    return Page(rows[::-1], onwards, backwards, looked)


def _beyond(found: QuerySet, place: tuple[str, int] | None, forwards: bool, size: int) -> QuerySet:
    if place:
        found = found.filter(Compared(">" if forwards else "<", place))
    return found.order_by(*_steps(forwards))[:size]


def one_by_one(fitting: QuerySet) -> Subquery:
    """Whether a person of a walk is among these: asked for each alone, so that no plan reads all of them together."""
    return Subquery(fitting.filter(pk=OuterRef("person")).values("pk")[:1])


def _steps(forwards: bool) -> tuple[str, str]:
    return ("place", "person") if forwards else ("-place", "-person")


def between(
    walk: QuerySet, place: tuple[str, int] | None, end: tuple[str, int] | None, forwards: bool = True
) -> QuerySet:
    """The people of a walk beyond `place`, up to `end` and with it; None is no bound."""
    if place:
        walk = walk.filter(Compared(">" if forwards else "<", place))
    if end:
        walk = walk.filter(Compared("<=" if forwards else ">=", end))
    return walk


def end_of_reach(
    walk: QuerySet, place: tuple[str, int] | None, forwards: bool = True, reach: int = REACH
) -> tuple[str, int] | None:
    """Where looking at `reach` people beyond a place ends; None when fewer are left. One query over the index alone."""
    steps = between(walk, place, None, forwards).order_by(*_steps(forwards))
    return next(iter(steps.values_list("place", "person")[reach - 1 : reach]), None)


def read_place(text: str) -> tuple[str, int] | None:
    found = PLACE.fullmatch(text)
    return ("/{}/".format(found[1].replace(".", "/")), int(found[2])) if found else None


def written(place: tuple[str, int]) -> str:
    return "{}~{}".format(place[0].strip("/").replace("/", "."), place[1])


def _including(place: tuple[str, int], forwards: bool) -> tuple[str, int]:
    """The other way round the row at the place itself belongs to the page."""
    return place[0], max(0, place[1] + (1 if forwards else -1))


def _address(asked: QueryDict, direction: str, place: tuple[str, int]) -> str:
    query = asked.copy()
    for name in ("after", "before"):
        query.pop(name, None)
    query[direction] = written(place)
    return "?" + query.urlencode()
