"""Pages of a long list without OFFSET and without counting it: each page starts where the last one ended.

The place is the order's values of one row, written into the address (`after`, `before`). Deep pages cost as much
as the first one (speed.md, "Reading").
"""

import datetime
from dataclasses import dataclass
from operator import itemgetter

from django.db.models import Q, QuerySet
from django.http import QueryDict

SIZE = 50
SEPARATOR = "~"


@dataclass
class Page:
    """`rows` in the list's order; `newer` and `older` are query strings of the neighbours, "" at the ends."""

    rows: list
    newer: str = ""
    older: str = ""


def page(rows: QuerySet | list[QuerySet], order: tuple[str, ...], asked: QueryDict, size: int = SIZE) -> Page:
    """The page that the address asks for, in one query (one of each, when `rows` are several lists shown as one).

    `rows` gives dicts (`.values()`) that hold the fields of `order` (each with a leading "-" when descending; all
    of them together unique). A place that does not read is the first page.
    """
    forwards = "before" not in asked
    place = _read(asked.get("after" if forwards else "before", ""), len(order))
    steps = order if forwards else tuple(_turned(field) for field in order)
    found = []
    sources = [source.order_by(*steps) for source in (rows if isinstance(rows, list) else [rows])]
    if place:
        try:
            sources = [source.filter(_beyond(steps, place)) for source in sources]
        except (TypeError, ValueError):  # a moment where a number belongs, or a number where a moment does
            place = None
    for source in sources:
        found += source[: size + 1]
    if isinstance(rows, list):
        for field in reversed(steps):  # a stable sort by the last field first
            found.sort(key=itemgetter(field.removeprefix("-")), reverse=field.startswith("-"))
    found = found[: size + 1]
    more = len(found) > size
    found = found[:size] if forwards else found[:size][::-1]
    if not found:
        return Page([])
    has_newer = bool(place) if forwards else more
    has_older = more if forwards else True
    return Page(
        found,
        _address(asked, "before", order, found[0]) if has_newer else "",
        _address(asked, "after", order, found[-1]) if has_older else "",
    )


def _turned(field: str) -> str:
    return field[1:] if field.startswith("-") else f"-{field}"


def _beyond(order: tuple[str, ...], place: list) -> Q:
    """Rows after `place`: greater in the first field, or equal there and greater in the next, and so on."""
    condition = Q()
    for field, value in reversed(list(zip(order, place, strict=True))):
        name, sign = field.removeprefix("-"), "lt" if field.startswith("-") else "gt"
        # The plain bound beside the alternatives is what an index can use.
        condition = Q(**{f"{name}__{sign}e": value}) & (Q(**{f"{name}__{sign}": value}) | condition)
    return condition


def _address(asked: QueryDict, direction: str, order: tuple[str, ...], row: dict) -> str:
    query = asked.copy()
    for name in ("after", "before"):
        query.pop(name, None)
    query[direction] = SEPARATOR.join(_written(row[field.removeprefix("-")]) for field in order)
    return "?" + query.urlencode()


def _written(value) -> str:
    return value.isoformat() if isinstance(value, datetime.datetime) else str(value)


def _read(text: str, length: int) -> list | None:
    parts = text.split(SEPARATOR) if text else []
    if len(parts) != length:
        return None
    try:
        return [_value(part) for part in parts]
    except (ValueError, OverflowError):
        return None


def _value(text: str):
    if text.isdecimal() and text.isascii() and len(text) < 19:
        return int(text)
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    # In one zone: PostgreSQL knows no time zone of 23 hours, Python does.
    return moment.astimezone(datetime.UTC)
