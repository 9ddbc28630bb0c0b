"""综合查询: one box for a receipt number, a person, a unit (A19). Everything stays within the own branch.

What stands in the box may be a whole ID number: it comes by POST, and only a text that cannot be one goes into an
address. What is not found and what lies outside the own branch read alike.
"""

import re
from dataclasses import dataclass, field

from django.http import QueryDict
from django.urls import reverse
from django.utils.http import urlencode

from accounts.id_number import IdNumber, InvalidIdNumber, normalise
from desk import people as looking_up
from desk import units
from orgs.actor import Actor
from orgs.choosing import CODE_LENGTH, Hit, with_paths
from orgs.models import Duty, Organization
from workflow.inbox import detail_url
from workflow.models import Application

MOST = 10  # of each kind; the full lists are a link away
RECEIPT = re.compile(r"(\d{8})0*([1-9]\d{0,17})")
LAST_FOUR = re.compile(r"\d{3}[\dX]")
LIKE_A_NUMBER = re.compile(r"\d{7}")


@dataclass
class Found:
    """Lines for the page; `people_query` asks the people's list for the same; `more_people` and `more_units` tell that there are others."""

    people: list[looking_up.Row] = field(default_factory=list)
    units: list[Hit] = field(default_factory=list)
    people_query: str = ""
    more_people: bool = False
    more_units: bool = False

    @property
    def with_reset(self) -> bool:
        """Whether any of these people's passwords may be reset here."""
        return any(row.reset_url for row in self.people)

    def __bool__(self) -> bool:
        return bool(self.people or self.units)


def may_stand_in_address(text: str) -> bool:
    """Whether the text is surely no ID number of any kind, nor most of one; a credit code has a letter among 18."""
    normal = normalise(text)
    if len(normal) == CODE_LENGTH and re.search("[A-Z]", normal[:-1]):
        return True
    return not LIKE_A_NUMBER.search(normal)


def exactly(actor: Actor, text: str) -> str:
    """The page of the one thing that a receipt number or a whole ID number names, "" when there is none to see."""
    receipt = RECEIPT.fullmatch(normalise(text)) if "-" in text or len(normalise(text)) == 14 else None
    if receipt:
        application = Application.objects.visible_to(actor).filter(pk=receipt[2]).first()
        if application and application.receipt.startswith(receipt[1]):
            return detail_url(application.pk)
    if actor.can(Duty.PEOPLE):
        try:
            person = looking_up.with_number(actor, IdNumber.read(text))
        except InvalidIdNumber:
            return ""
        return reverse("desk:person", args=[person]) if person else ""
    return ""


def found(actor: Actor, text: str) -> Found:
    """People by a part of their name or the last four of their number, organisations by name or code."""
    result = Found()
    if actor.can(Duty.PEOPLE):
        last_four = normalise(text) if LAST_FOUR.fullmatch(normalise(text)) else ""
        filters = {"last_four": last_four} if last_four else {"name": text[:50]}
        page, result.people_query = looking_up.page(actor, filters, QueryDict()), urlencode(filters)
        result.people = looking_up.shown(page.rows[:MOST], actor)
        result.more_people = len(page.rows) > MOST or bool(page.older)
    page = units.found(actor.organization, text, QueryDict())
    hits = Organization.objects.filter(pk__in=[row["pk"] for row in page.rows])
    hits = sorted(hits, key=lambda one: (len(one.name), one.name, one.pk))
    result.units, result.more_units = with_paths(hits[:MOST]), len(hits) > MOST or bool(page.older)
    return result
