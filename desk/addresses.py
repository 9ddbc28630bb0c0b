"""Addresses of the rows of a list: looked up once for all of them, since each look-up costs as much as a cell."""

from collections.abc import Callable
from functools import cache

from django.urls import reverse

from desk.wanted import query

_ANY = 10**17  # stands for the id while the address is looked up


@cache
def for_each(page: str) -> Callable[[int], str]:
    """From an id to the address of its page, for a page whose address holds one id."""
    before, after = reverse(page, args=[_ANY]).split(str(_ANY))
    return lambda pk: f"{before}{pk}{after}"


def narrowed_for_each(page: str, **asked) -> Callable[[int], str]:
    """From a unit's id to the address of a list narrowed to it."""
    narrowed = query(asked)
    start = f"{reverse(page)}?{narrowed}{'&' if narrowed else ''}unit="
    return lambda pk: f"{start}{pk}"
