"""What an exportable list says of itself: a subclass of `Sheet`, named in lists.py; asking and making know no more.

A sheet reads through the same querysets as its page, so an export holds what the page shows this person, no more.
"""

from collections.abc import Sequence
from typing import NamedTuple

from django.db.models import QuerySet
from django.http import QueryDict

from orgs.actor import Actor
from orgs.models import Organization


class Column(NamedTuple):
    """`width` in half-width characters, as Excel counts."""

    title: str
    width: int = 12


class Sheet:
    """One exportable list. `page` is the URL name of the list itself, `duty` what an admin needs to export it."""

    name: str
    label: str
    duty: str
    page: str
    columns: Sequence[Column]

    def filters(self, asked: QueryDict, actor: Actor) -> dict:
        """What the address of the list narrows it to, as JSON. Http404 when it names what this actor may not see."""
        raise NotImplementedError

    def query(self, filters: dict) -> str:
        """The filters as a query string of the list's address."""
        raise NotImplementedError

    def words(self, filters: dict) -> str:
        """The filters in words, "" when there are none."""
        raise NotImplementedError

    def scope(self, actor: Actor, filters: dict) -> Organization:
        """The organisation below which the rows lie. Refused when the actor may not look there any more."""
        raise NotImplementedError

    def rows(self, actor: Actor, filters: dict, *, masked: bool) -> QuerySet:
        """Ordered tuples (`values_list`), read by a server-side cursor. Masked ones hold no sealed number."""
        raise NotImplementedError

    def people(self, rows: list[tuple]) -> list[int]:
        """Ids of the users whose names stand in these rows, none where no person is named. For unmasked rows alone."""
        return []

    def cells(self, row: tuple, *, masked: bool) -> list:
        """One row as cells, one for each column: str, int, Decimal, date or None."""
        raise NotImplementedError
