"""提醒: people who have not completed a year are told so, on the page and by mail, at most once in seven days.

The message itself is the record: its key holds the year and the day, unique for each person, so that two admins who
remind the same people at the same moment send one message. What one click does is bounded: it looks at MOST_LOOKED
people and tells MOST_TOLD of them; the next click goes on from there.
"""

from dataclasses import dataclass
from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils import timezone

from accounts.models import Message
from accounts.outbox import message, notify_all
from desk import people, unmet
from orgs.actor import Actor, hold_right
from orgs.models import Organization, Practitioner
from workflow import reach

MOST_LOOKED = 5_000
MOST_TOLD = 1_000


@dataclass(frozen=True)
class Outcome:
    """How many were told, how many had been reminded within the week, how many had completed the year meanwhile.

    `onwards`: where the next click goes on, "" when everybody was looked at.
    """

    told: int = 0
    lately: int = 0
    met: int = 0
    onwards: str = ""


class Chosen(NamedTuple):
    people: list[int]
    onwards: str


@transaction.atomic
def remind(actor: Actor, chosen: list[int], year: int) -> Outcome:
    """Remind these people, as far as they are of the actor's branch and still have to be. Few queries."""
    hold_right(actor)
    found = Practitioner.objects.visible_to(actor).active().filter(pk__in=chosen[:MOST_TOLD])
    found = list(found.select_related("user", "account").order_by("pk"))
    still = people.standing_is(Practitioner.objects.filter(pk__in=[one.pk for one in found]), "unmet", year)
    still = set(still.values_list("pk", flat=True))
    lately = unmet.lately_reminded([one.user_id for one in found], year)
    to_tell = [one for one in found if one.pk in still and one.user_id not in lately]
    lacks = unmet.lacks_of(to_tell, year)
    notify_all(_message(one, lacks[one.pk], actor.organization, year) for one in to_tell)
    return Outcome(
        told=len(to_tell),
        lately=sum(one.pk in still and one.user_id in lately for one in found),
        met=len(found) - len(still),
    )


def remind_all(actor: Actor, unit: Organization | None, year: int, after: str = "") -> Outcome:
    """Remind everybody of the branch who has not completed the year, from a place on."""
    chosen = choose(actor, unit, year, after)
    outcome = remind(actor, chosen.people, year)
    return Outcome(outcome.told, outcome.lately, outcome.met, chosen.onwards)


def choose(actor: Actor, unit: Organization | None, year: int, after: str = "") -> Chosen:
    """Whom one click reminds: those who have not completed the year and were not reminded within the week."""
    steps, place = people.walk(actor, unmet.filters_of(year), unit), reach.read_place(after)
    end = reach.end_of_reach(steps, place, reach=MOST_LOOKED)
    fitting = Practitioner.objects.active().exclude(
        Exists(unmet.reminders(year).filter(user=OuterRef("user")))
    )
    fitting = people.standing_is(fitting, "unmet", year)
    fitting = reach.between(steps.alias(fits=reach.one_by_one(fitting)), place, end).filter(
        fits__isnull=False
    )
    rows = list(fitting.order_by("place", "person").values_list("place", "person")[: MOST_TOLD + 1])
    if len(rows) > MOST_TOLD:
        end = rows[MOST_TOLD - 1]
    return Chosen([person for _, person in rows[:MOST_TOLD]], reach.written(end) if end else "")


def _message(one: Practitioner, lack: unmet.Lack, by: Organization, year: int) -> Message:
    missing = f"，还差 {lack.words} 学时" if lack.words else ""
    return message(
        one.user,
        f"{year} 年度继续教育还没有达标",
        f"{by.name}提醒您：您的 {year} 年度继续教育已获 {lack.earned} 学时{missing}。"
        "已经参加的学习请在“学时申报”中申报；还没有参加的，请尽快到学习平台学习。",
        key=f"unmet:{year}:{timezone.localdate()}",
        url=f"{reverse('credits:years')}?year={year}",
        account=one.account,
    )
