"""The first screen of organisations and bureaus: what waits, the numbers of the branch, and each number's own list.

Nothing here counts a branch: the own queue is counted as far as MOST, people and hours come from the rolled-up
counters (credits/tallies.py), what waits below from desk/waiting.py.
"""

from django.conf import settings
from django.db import models
from django.db.models import Exists, Q
from django.urls import reverse

from accounts import replica
from accounts.models import Authenticator
from credits.certificates import is_office
from credits.tallies import NONE, Count
from credits.years import current_year
from desk import due, met, quiet, waiting
from desk.homes import errands
from desk.issued_today import issued_today
from desk.wanted import query
from orgs.actor import Actor
from orgs.models import Duty, Kind, Organization
from workflow import inbox
from workflow.models import Application, Step
from workflow.wording import NOTHING, days_waited, percent

FIRST_ROWS = 10  # of the inbox, and of the units where something waits
TROUBLED = 5  # units shown as 无人审核的单位
MOST_CHILDREN = (
    40  # bureaus and authorities right below that the table shows; 学时统计 pages through all of them
)


def link(page: str, may: bool = True, **asked) -> str:
    """The address of a list, "" for who may not open it."""
    narrowed = query(asked)
    return (reverse(page) + (f"?{narrowed}" if narrowed else "")) if may else ""


# --- units and authorities ---------------------------------------------------------------------------


def of_organization(actor: Actor) -> dict:
    """What waits, the numbers of the own subtree, and what the organisation itself waits for."""
    unit = actor.organization
    # One query for the rows and their capped count.
    rows = list(inbox.awaiting_rows(actor).order_by(*inbox.ORDER)[: inbox.MOST + 1])
    own, rows = len(rows), rows[:FIRST_ROWS]
    year = current_year()
    count = replica.read(met.of, [unit], year)[unit.pk]
    may_look_up = actor.can(Duty.PEOPLE)
    below = (
        list(waiting.below(unit).order_by("place")[: inbox.MOST + 1]) if unit.kind == Kind.AUTHORITY else []
    )
    return {
        "sentence": sentence(own, rows[0]["opened_at"] if rows else None),
        "waiting": {"*": own},
        "tiles": [
            {"figure": inbox.shown_count(own), "label": "待办审核", "url": reverse("workflow:inbox")},
            *_people_tiles(count, year, may_look_up, met.is_asked(unit, year)),
        ],
        "rows": inbox.shown_rows(rows),
        "more": own > len(rows),
        "with_unit": unit.kind != Kind.EMPLOYER,
        "may_look_up": may_look_up,
        "is_new": not count.people and not own,
        "beginnings": beginnings(actor),
        "errands": errands(actor),
        "matters": inbox.matters(
            Application.objects.about(unit).visible_to(actor).pending().order_by("-submitted_at")
        ),
        "subordinates": waiting.shown(waiting.longest_first(below)[:FIRST_ROWS]),
        "subordinates_more": len(below) > FIRST_ROWS,
        "dates": due.dates_at(unit),
        **_quiet(unit),
    }


def _quiet(unit: Organization) -> dict:
    """Units of an authority where nobody logged in lately: the first of them, and how many there are in words."""
    found = quiet.quiet_below(unit) if unit.kind == Kind.AUTHORITY else []
    return {
        "quiet": found[:TROUBLED],
        "quiet_count": inbox.shown_count(len(found)) if found else "",
        "quiet_more": len(found) > TROUBLED,
        "quiet_days": quiet.DAYS,
    }


def _people_tiles(count: Count, year: int, may_look_up: bool, asked: bool) -> list[dict]:
    tiles = [
        {"figure": f"{count.people:,}", "label": "在册人员", "url": link("desk:people", may_look_up)},
    ]
    if count.people and asked:
        tiles += [
            {
                "figure": percent(count.complete / count.people),
                "label": f"{year} 年度已达标（{count.complete:,} 人）",
                "url": link("desk:people", may_look_up, standing="met"),
            },
            {
                "figure": f"{count.people - count.complete:,}",
                "label": "未达标",
                "url": link("desk:unmet", may_look_up),
            },
        ]
    return tiles


def beginnings(actor: Actor) -> list[dict]:
    """What a new super admin does first, as a task list; [] once all of it is done (A1). One query."""
    unit = actor.organization
    if not actor.is_super:
        return []
    there = Organization.objects.annotate(
        count=models.Count("admins", filter=Q(admins__account__status="active")),
        second_factor=Exists(Authenticator.objects.filter(user=actor.user)),
        decided=Exists(Step.objects.filter(approver=unit, decided_at__isnull=False)),
    )
    admins, second_factor, decided = there.values_list("count", "second_factor", "decided").get(pk=unit.pk)
    tasks = [
        {
            "title": "核对单位信息",
            "url": reverse("registration:unit_profile"),
            "done": bool(unit.contact_name and unit.phone and unit.office_hours),
            "tag": ("wait", "缺联系方式"),
        },
        {
            "title": "设置第二管理员",
            "url": reverse("orgs:admins"),
            "done": admins > 1,
            "tag": ("next", "未完成"),
        },
        {
            "title": "打开两步验证",
            "url": reverse("accounts:security"),
            "done": second_factor,
            "tag": ("next", "未完成"),
        },
        {
            "title": "处理第一件",
            "url": reverse("workflow:inbox"),
            "done": decided,
            "tag": ("next", "未完成"),
        },
    ]
    if settings.SECOND_FACTOR == "off":
        del tasks[2]
    return [] if all(task["done"] for task in tasks) else tasks


def sentence(count: int, oldest) -> str:
    """The headline: how much waits, and how long the oldest of it."""
    if not count:
        return "没有等您审核的事项"
    days = days_waited(oldest)
    return f"{inbox.shown_count(count)} 项等您审核，" + (
        f"最久的已等 {days} 天" if days else "都是今天送达的"
    )


# --- bureaus -----------------------------------------------------------------------------------------


def of_bureau(actor: Actor) -> dict:
    """The verification pool, the progress of each child, and the units that nobody looks after."""
    bureau = actor.organization
    year = current_year()
    queue = inbox.waiting_by_duty(actor)
    asked = met.is_asked(bureau, year)
    may_look_up = actor.can(Duty.PEOPLE)
    children, count, more = _children(bureau, year, asked, may_look_up)
    unattended = list(waiting.below(bureau, "unattended").order_by("place")[: inbox.MOST + 1])
    rows = list(inbox.awaiting_rows(actor).order_by(*inbox.ORDER)[:FIRST_ROWS]) if any(queue.values()) else []
    labels = {Duty.HOURS: "待审验学时", Duty.REGISTRATIONS: "待审核注册"}
    if actor.is_operator:
        labels = {Duty.CHANGES: "待核实更正", Duty.REGISTRATIONS: "待审核注册"}
    tiles = [
        {
            "figure": inbox.shown_count(queue[duty]),
            "label": label,
            "url": reverse("workflow:inbox") + f"?duty={duty}",
        }
        for duty, label in labels.items()
        if duty in queue
    ]
    if asked and count.people:
        tiles.append(
            {
                "figure": percent(count.complete / count.people),
                "label": f"{year} 年度达标率（在册 {count.people:,} 人）",
                "url": link("desk:statistics", may_look_up),
            }
        )
    tiles.append(
        {
            "figure": inbox.shown_count(len(unattended)),
            "label": "无人审核的单位",
            "alarm": bool(unattended),
            "url": link("desk:waiting", only="unattended"),
        }
    )
    return {
        "sentence": _pool(queue, _own_late(actor) if any(queue.values()) else 0),
        "waiting": queue,
        "tiles": tiles,
        "rows": inbox.shown_rows(rows),
        "more": sum(queue.values()) > len(rows),
        "troubled": waiting.shown(waiting.longest_first(unattended)[:TROUBLED]),
        "troubled_more": len(unattended) > TROUBLED,
        "children": children,
        "children_more": more,
        "may_look_up": may_look_up,
        "certificates": inbox.shown_count(issued_today(bureau)) if is_office(actor) else "",
        "promised": settings.PROMISED_DAYS,
        "unattended": settings.UNATTENDED_DAYS,
        "year": year,
    }


def _pool(queue: dict, late: int) -> str:
    hours, total = queue.get(Duty.HOURS, 0), sum(queue.values())
    if not total:
        return "没有等您审核的事项"
    head = (
        f"审验池 {inbox.shown_count(hours)} 项"
        if hours == total
        else f"{inbox.shown_count(total)} 项等您审核"
    )
    return head + (f"，其中 {inbox.shown_count(late)} 项已超承诺时限" if late else "，都在承诺时限内")


def _own_late(actor: Actor) -> int:
    """How much of the own queue waits longer than promised, at most MOST + 1: of this very moment."""
    late = Step.objects.awaiting(actor).filter(opened_at__lt=waiting.begin_of(settings.PROMISED_DAYS))
    return len(late.values_list("pk")[: inbox.MOST + 1])


def _children(
    bureau: Organization, year: int, asked: bool, may_look_up: bool
) -> tuple[list[dict], Count, bool]:
    """Bureaus and authorities right below with their branch's numbers, then all other units in one line.

    And the count of the bureau itself, and whether there are more children than the table shows.
    """
    found = Organization.objects.active().filter(superior=bureau, kind__in=[Kind.BUREAU, Kind.AUTHORITY])
    found = found.order_by("-kind", "pk")[: MOST_CHILDREN + 1]  # bureaus before authorities
    children = sorted(found, key=lambda one: (one.kind != Kind.BUREAU, one.division_id or "", one.pk))
    more, children = len(children) > MOST_CHILDREN, children[:MOST_CHILDREN]
    counts = replica.read(met.of, [bureau, *children], year)
    late = waiting.late_in([bureau.pk, *counts])
    whole = counts.pop(bureau.pk, NONE)
    rows = [_child(one, counts[one.pk], late[one.pk].below, may_look_up) for one in children]
    rest = Count(
        people=whole.people - sum(one.people for one in counts.values()),
        complete=whole.complete - sum(one.complete for one in counts.values()),
    )
    rest_late = late[bureau.pk].below - late[bureau.pk].own - sum(late[one.pk].below for one in children)
    if rest.people or rest_late:
        name = "其他下级" if more else "直接管理的用人单位"
        rows.append(_rest(name, bool(children), rest, max(rest_late, 0), may_look_up))
    for row in rows:
        count = row.pop("count")
        row["people"], row["met"] = f"{count.people:,}", f"{count.complete:,}"
        row["rate"] = percent(count.complete / count.people) if asked and count.people else NOTHING
    return rows, whole, more


def _rest(name: str, beside: bool, count: Count, late: int, may_look_up: bool) -> dict:
    """The line of everybody else. Alone it is the whole branch, whose lists are its own; beside others there is no list of
    these people without those, so that its numbers lead to the units that they are the sum of."""
    people = link("desk:people", may_look_up and count.people > 0)
    met = link("desk:people", may_look_up and count.complete > 0, standing="met")
    each = link("desk:statistics", may_look_up and count.people > 0)
    return {
        "name": name,
        "url": reverse("desk:tree"),
        "count": count,
        "late": late,
        "people_url": each if beside else people,
        "met_url": (each if beside else met) if count.complete > 0 else "",
        "rate_url": each,
        "late_url": link("desk:waiting", late > 0, only="late"),
    }


def _child(one: Organization, count: Count, late: int, may_look_up: bool) -> dict:
    return {
        "name": one.name,
        "url": reverse("desk:organization", args=[one.pk]),
        "count": count,
        "late": late,
        "people_url": link("desk:people", may_look_up and count.people, unit=one.pk),
        "met_url": link("desk:people", may_look_up and count.complete, unit=one.pk, standing="met"),
        "rate_url": link("desk:statistics", may_look_up and count.people, unit=one.pk),
        "late_url": link("desk:waiting", bool(late), unit=one.pk, only="late"),
    }
