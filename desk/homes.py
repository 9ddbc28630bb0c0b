"""The first screen of each role: one sentence, at most four numbers, then the work itself (screens.md §2.1).

Here nobody's and a practitioner's; those of organisations and bureaus are in offices.py.
"""

from datetime import timedelta

from django.db.models import Q, Value
from django.urls import reverse
from django.utils import timezone

from credits.certificates import current
from credits.deadlines import declaring_until
from credits.required import asked_in_words, packs_at, rules_among
from credits.snapshot import is_complete
from credits.standing import YearHours, standing_of
from credits.unit_declaring import may_declare, offers_to
from credits.years import current_year
from orgs.actor import Actor
from orgs.models import Duty, Kind, OrgAdmin, Practitioner, SuperSwap
from workflow import inbox
from workflow.flow import flow_of
from workflow.models import Application, State
from workflow.wording import masked_name, shown_date

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
