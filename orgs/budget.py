"""How many different people one person may open in an hour (trust.md §3.13): nobody reads a whole unit that way.

Counted are the pages that say who somebody is: the person's own, of one of their matters, of a certificate. The work
itself is not: a matter that waits for oneself, or that one has signed. The same person again costs nothing. Half of the budget is said in the log, once an hour: somebody may ask why.
"""

import logging
from functools import wraps

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts import throttle
from accounts.throttle import wait_in_words
from orgs.actor import Actor
from orgs.models import Kind, Practitioner

logger = logging.getLogger(__name__)


class BudgetSpent(Exception):
    """The message is the sentence to show."""


def within_budget(view):
    """A view that opens people: where the budget is spent, the page that says when it goes on."""

    @wraps(view)
    def guarded(request: HttpRequest, *args, **kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except BudgetSpent as spent:
            return render(request, "people_budget.html", {"sentence": str(spent)}, status=429)

    return guarded


def open_person(actor: Actor, person: Practitioner) -> None:
    """Count that this person is opened; oneself costs nothing. Raises BudgetSpent."""
    if person.user_id == actor.user.pk:
        return
    limit = limit_of(actor)
    try:
        count = throttle.spend_once("person-opened", actor.user.pk, person.pk, limit=limit, per=throttle.HOUR)
    except throttle.TooMany as too_many:
        raise BudgetSpent(
            f"一小时内最多查看 {limit} 人，您已看满，{wait_in_words(too_many.wait)}后可以继续。"
            "刚才看过的人仍可打开。名单和统计不受影响；要一次看很多人，请用导出。"
        ) from too_many
    if count == settings.PERSONS_ALERT:
        organization = actor.organization.pk if actor.organization else None
        logger.warning(
            "user %s opened %s different people within an hour",
            actor.user.pk,
            count,
            extra={"user": actor.user.pk, "organization": organization, "people": count, "limit": limit},
        )


def limit_of(actor: Actor) -> int:
    offices = (Kind.BUREAU, Kind.OPERATOR)
    is_office = actor.organization is not None and actor.organization.kind in offices
    return settings.PERSONS_PER_HOUR_OFFICE if is_office else settings.PERSONS_PER_HOUR
