"""The first screen of each role: one sentence, at most four numbers, then the work itself (screens.md §2.1).

Every function here is bounded: what is counted is either capped, or one grouped query over the own subtree by the
path's prefix.
"""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, Min, Q, Value
from django.urls import reverse
from django.utils import timezone

from accounts import replica
from accounts.models import Authenticator
from credits.certificates import current
from credits.deadlines import declaring_until
from credits.required import asked_in_words, packs_at, rules_among
from credits.snapshot import is_complete
from credits.standing import YearHours, standing_of
from credits.tallies import Count
from credits.unit_declaring import may_declare, offers_to
from credits.years import current_year
from desk import met
from orgs.actor import Actor
from orgs.models import Duty, Kind, OrgAdmin, Organization, Practitioner, SuperSwap
from workflow import inbox
from workflow.flow import flow_of
from workflow.models import Application, State, Step, StepState
from workflow.wording import NOTHING, days_waited, masked_name, percent, shown_date

FIRST_ROWS = 10  # of the inbox on the home page
TROUBLED = 5  # units shown as 无人审核的单位
RECENT_DAYS = 90  # how long a rejected matter stays under 请处理


# --- nobody yet ------------------------------------------------------------------------------------


def of_nobody() -> dict:
    """The public first page: this year's rule in one line."""
    year = current_year()
    rules = rules_among(packs_at("/"), "/", None, year)  # nobody's place: what holds everywhere
    return {"rule": f"{year} 年度{asked_in_words(rules)}。" if rules.minimums else "", "basis": rules.basis}


# --- everybody -------------------------------------------------------------------------------------


def offered_to(actor: Actor) -> list[dict]:
    """What somebody asks of this person: to take over as super admin (F-74), to confirm hours their unit declared.

    To-do rows, in one query; several declarations are one row that leads to all of them.
    """
    asked = SuperSwap.objects.waiting_for(actor.user).order_by()
    asked = asked.values_list(Value("swap"), "pk", "organization__name")
    if actor.practitioner:
        hours = offers_to(actor.practitioner).order_by()
        asked = asked.union(hours.values_list(Value("hours"), "pk", "unit_declaration__title"), all=True)
    asked = list(asked)
    rows = [
        {
            "url": reverse("orgs:answer_succession", args=[pk]),
            "title": f"接任{name}的超级管理员",
            "tag": ("next", "请答复"),
        }
        for what, pk, name in asked
        if what == "swap"
    ]
    declared = [(pk, title) for what, pk, title in asked if what == "hours"]
    if not declared:
        return rows
    pk, title = declared[0]
    several = len(declared) > 1
    return [
        *rows,
        {
            "url": reverse("credits:unit_offers") if several else reverse("credits:unit_offer", args=[pk]),
            "title": f"单位为您申报的学时 {len(declared)} 件" if several else title,
            "tag": ("next", "请确认"),
            "note": "单位为您申报，确认后进入审验。",
        },
    ]


def errands(actor: Actor) -> list[dict]:
    """常办事项: what lies on the menu's second level and is still one click away from home (J4, J5, J13 … J16)."""
    unit = actor.organization
    moves_people = unit and unit.kind == Kind.EMPLOYER and actor.can(Duty.TRANSFERS)
    found = [
        (actor.practitioner, "单位调转", "transfers:transfer"),
        (actor.practitioner, "基本信息修改", "registration:own_data"),
        (actor.practitioner, "更正姓名或身份证号", "registration:correction"),
        (moves_people, "人员调出", "transfers:release"),
        (unit and may_declare(actor), "单位申报学时", "credits:unit_declarations"),
        (actor.is_super, "更换上级部门", "transfers:superior"),
        (actor.is_super, "新增管理员", "orgs:add_admin"),
        (actor.is_super, "更换超级管理员", "orgs:succession"),
        (actor.can(Duty.PROFILE), "修改联系方式和审核时间", "registration:unit_profile"),
    ]
    return [{"title": title, "url": reverse(page)} for fits, title, page in found if fits]


# --- practitioner ----------------------------------------------------------------------------------


def of_practitioner(actor: Actor) -> dict:
    """Standing of the year, what to do, where one's matters are, whom to ask."""
    me = actor.practitioner
    since = timezone.now() - timedelta(days=RECENT_DAYS)
    recent = Application.objects.about(me).filter(Q(state=State.PENDING) | Q(closed_at__gte=since))
    matters = inbox.matters(recent.order_by("-submitted_at"), most=30)
    standing = standing_of(me)
    until = declaring_until(me.path, standing.year)
    complete = is_complete(standing)
    return {
        "standing": standing,
        "complete": complete,
        "certificate": current(me, standing.year) if complete else None,
        "deadline": shown_date(until.last_day),
        "days_left": until.days_left,
        "deadline_words": until.sentence,
        "employer": me.employer,
        "returned": [row for row in matters if row["tag"][0] == "back" and not _filed_anew(row, matters)],
        "matters": [row for row in matters if row["tag"][0] == "wait"],
        "closed": [row for row in matters if row["tag"][0] in ("ok", "draft")][:5],
        "helper": _helper(me),
        "errands": errands(actor) + reliefs_of(standing),
    }


def reliefs_of(standing: YearHours) -> list[dict]:
    """申请学时减免, where the rules in force know any."""
    return [{"title": "申请学时减免", "url": reverse("credits:relief")}] if standing.rules.reliefs else []


def _filed_anew(row: dict, matters: list[dict]) -> bool:
    """Whether a rejected matter was filed again since, so that nothing is left to do about it.

    That is said by the application which was started from it; of a kind that is one at a time every later one counts.
    """
    rejected = row["application"]
    later = [one["application"] for one in matters if one["application"].pk > rejected.pk]
    return any(
        one.again_of_id == rejected.pk or (one.kind == rejected.kind and flow_of(one).exclusive)
        for one in later
    )


def _helper(practitioner: Practitioner) -> dict:
    """有问题找谁: the unit's public contact, or its super admin's name where the unit has not said whom to ask."""
    unit = practitioner.employer
    name = unit.contact_name
    if not name:
        admin = (
            OrgAdmin.objects.active()
            .filter(organization=unit)
            .select_related("user")
            .order_by("-is_super")
            .first()
        )
        name = masked_name(admin.user.name) if admin else ""
    return {"unit": unit.name, "name": name, "phone": unit.phone, "hours": unit.office_hours}


# --- organisations ---------------------------------------------------------------------------------


def of_organization(actor: Actor) -> dict:
    """What waits, the numbers of the own subtree, and what the organisation itself waits for."""
    unit = actor.organization
    # One query for the rows and their capped count.
    rows = list(inbox.awaiting_rows(actor).order_by(*inbox.ORDER)[: inbox.MOST + 1])
    waiting, rows = len(rows), rows[:FIRST_ROWS]
    year = current_year()
    count = replica.read(met.of, [unit], year)[unit.pk]
    people, complete = count.people, count.complete
    may_look_up = actor.can(Duty.PEOPLE)
    people_url = reverse("desk:people") if may_look_up else ""
    tiles = [
        {"figure": inbox.shown_count(waiting), "label": "待办审核", "url": reverse("workflow:inbox")},
        {"figure": f"{people:,}", "label": "在册人员", "url": people_url},
    ]
    if people and met.is_asked(unit, year):
        share = {
            "figure": percent(complete / people),
            "label": f"{year} 年度已达标（{complete:,} 人）",
            "url": "",
        }
        left = {
            "figure": f"{people - complete:,}",
            "label": "未达标",
            "url": f"{people_url}?unmet=1" if people_url else "",
        }
        tiles += [share, left]
    return {
        "sentence": sentence(waiting, rows[0]["opened_at"] if rows else None),
        "waiting": {"*": waiting},
        "tiles": tiles,
        "rows": inbox.shown_rows(rows),
        "more": waiting > len(rows),
        "with_unit": unit.kind != Kind.EMPLOYER,
        "may_look_up": may_look_up,
        "is_new": not people and not waiting,
        "beginnings": beginnings(actor),
        "errands": errands(actor),
        "matters": inbox.matters(
            Application.objects.about(unit).visible_to(actor).pending().order_by("-submitted_at")
        ),
        "subordinates": _subordinates(unit) if unit.kind == Kind.AUTHORITY else [],
    }


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


def sentence(waiting: int, oldest) -> str:
    """The headline: how much waits, and how long the oldest of it."""
    if not waiting:
        return "没有等您审核的事项"
    days = days_waited(oldest)
    return f"{inbox.shown_count(waiting)} 项等您审核，" + (
        f"最久的已等 {days} 天" if days else "都是今天送达的"
    )


def _subordinates(unit: Organization) -> list[dict]:
    """Units right below in which something waits, the longest first."""
    waits = (
        Step.objects.filter(state=StepState.OPEN, approver__superior=unit)
        .values("approver_id", name=F("approver__name"), phone=F("approver__phone"))
        .annotate(count=models.Count("pk"), oldest=Min("opened_at"))
        .order_by("oldest")[:FIRST_ROWS]
    )
    return [
        {
            "name": one["name"],
            "url": reverse("desk:organization", args=[one["approver_id"]]),
            "phone": one["phone"],
            "count": one["count"],
            "days": days_waited(one["oldest"]),
        }
        for one in waits
    ]


# --- bureaus ---------------------------------------------------------------------------------------


def of_bureau(actor: Actor) -> dict:
    """The verification pool, the progress of each child, and the units that nobody looks after."""
    bureau = actor.organization
    year = current_year()
    waiting = inbox.waiting_by_duty(actor)
    late = _late(bureau)
    own_late = next((one["count"] for one in late if one["approver_id"] == bureau.pk), 0)
    troubled = _troubled(bureau, late)
    asked = met.is_asked(bureau, year)
    children, count = _children(bureau, late, year, asked)
    may_look_up = actor.can(Duty.PEOPLE)
    rows = (
        list(inbox.awaiting_rows(actor).order_by(*inbox.ORDER)[:FIRST_ROWS]) if any(waiting.values()) else []
    )
    labels = {Duty.HOURS: "待审验学时", Duty.REGISTRATIONS: "待审核注册"}
    tiles = [
        {
            "figure": inbox.shown_count(count),
            "label": labels[duty],
            "url": reverse("workflow:inbox") + f"?duty={duty}",
        }
        for duty, count in ((duty, waiting.get(duty)) for duty in labels)
        if count is not None
    ]
    if asked and count.people:
        url = reverse("desk:people") if may_look_up else ""
        tiles.append(
            {
                "figure": percent(count.complete / count.people),
                "label": f"{year} 年度达标率（在册 {count.people:,} 人）",
                "url": url,
            }
        )
    tiles.append(
        {
            "figure": inbox.shown_count(len(troubled)),
            "label": "无人审核的单位",
            "alarm": bool(troubled),
            "url": "#troubled",
        }
    )
    return {
        "sentence": _pool(waiting, own_late),
        "waiting": waiting,
        "tiles": tiles,
        "rows": inbox.shown_rows(rows),
        "more": sum(waiting.values()) > len(rows),
        "troubled": troubled[:TROUBLED],
        "troubled_more": len(troubled) - TROUBLED,
        "children": children,
        "may_look_up": may_look_up,
        "promised": settings.PROMISED_DAYS,
        "unattended": settings.UNATTENDED_DAYS,
        "year": year,
    }


def _pool(waiting: dict, late: int) -> str:
    hours, total = waiting.get(Duty.HOURS, 0), sum(waiting.values())
    if not total:
        return "没有等您审核的事项"
    head = (
        f"审验池 {inbox.shown_count(hours)} 项"
        if hours == total
        else f"{inbox.shown_count(total)} 项等您审核"
    )
    return head + (f"，其中 {inbox.shown_count(late)} 项已超承诺时限" if late else "，都在承诺时限内")


def _late(bureau: Organization) -> list[dict]:
    """What waits longer than promised in this bureau's subtree, by organisation, the longest first."""
    limit = timezone.now() - timedelta(days=settings.PROMISED_DAYS)
    return list(
        Step.objects.filter(state=StepState.OPEN, opened_at__lt=limit, approver__path__startswith=bureau.path)
        .values("approver_id", path=F("approver__path"), name=F("approver__name"), phone=F("approver__phone"))
        .annotate(count=models.Count("pk"), oldest=Min("opened_at"))
        .order_by("oldest")
    )


def _troubled(bureau: Organization, late: list[dict]) -> list[dict]:
    """无人审核的单位: something waits there for very long, or there is no admin at all (decision 12)."""
    found = [
        {
            "name": one["name"],
            "url": reverse("desk:organization", args=[one["approver_id"]]),
            "phone": one["phone"],
            "note": f"积压 {one['count']} 项",
            "days": days_waited(one["oldest"]),
        }
        for one in late
        if one["approver_id"] != bureau.pk and days_waited(one["oldest"]) > settings.UNATTENDED_DAYS
    ]
    headless = (
        Organization.objects.active()
        .filter(path__startswith=bureau.path)
        .exclude(pk=bureau.pk)
        .exclude(admins__account__status="active")
        .order_by("path")
        .values("pk", "name", "phone")[: inbox.MOST + 1]
    )
    return found + [
        {**one, "url": reverse("desk:organization", args=[one["pk"]]), "note": "没有管理员", "days": None}
        for one in headless
    ]


def _children(bureau: Organization, late: list[dict], year: int, asked: bool) -> tuple[list[dict], Count]:
    """Bureaus and authorities right below with their subtree's numbers, then all other units in one line.

    And the count of the bureau itself.
    """
    found = Organization.objects.active().filter(superior=bureau, kind__in=[Kind.BUREAU, Kind.AUTHORITY])
    children = sorted(found, key=lambda one: (one.kind != Kind.BUREAU, one.division_id or "", one.pk))
    counts = replica.read(met.of, [bureau, *children], year)
    whole = counts.pop(bureau.pk)
    rows = {
        child.pk: {
            "name": child.name,
            "url": reverse("desk:organization", args=[child.pk]),
            "people": counts[child.pk].people,
            "met": counts[child.pk].complete,
            "late": 0,
        }
        for child in children
    }
    rest = {
        "name": "直接管理的用人单位",
        "url": reverse("desk:tree"),
        "people": whole.people - sum(one.people for one in counts.values()),
        "met": whole.complete - sum(one.complete for one in counts.values()),
        "late": 0,
    }
    depth = len(bureau.ancestor_ids) + 1
    for one in late:
        ids = [int(part) for part in one["path"].strip("/").split("/")]
        if len(ids) > depth:
            rows.get(ids[depth], rest)["late"] += one["count"]
    shown = [*rows.values(), *([rest] if rest["people"] or rest["late"] else [])]
    for row in shown:
        row["rate"] = percent(row["met"] / row["people"]) if asked and row["people"] else NOTHING
    return shown, whole
