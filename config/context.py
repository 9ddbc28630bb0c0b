"""What every page shows: the platform's name, the menu of the current role, who is logged in.

At most two queries, and only for who is logged in: what waits for them, and their further identities.
"""

from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from accounts.identities import identities_of
from accounts.models import RoleAccount
from desk import elder
from orgs.actor import NOBODY, Actor
from orgs.models import Duty, Kind
from workflow.inbox import shown_count, waiting_by_duty, waiting_count

MOST_OTHERS = 2  # further identities that stand in the header; more go to a page of their own


class Entry(NamedTuple):
    """One word of the menu (screens.md §3.1): the page it opens and the pages on which it is marked.

    `duty`: only for admins who hold it. `counts`: shows how much waits, all of it ("*") or of one duty.
    """

    label: str
    page: str
    also: tuple[str, ...] = ()
    query: str = ""
    duty: str = ""
    counts: str = ""


INBOX = ("workflow:done", "workflow:approve", "workflow:reject")
PEOPLE = ("desk:person", "desk:reset_password")
SETTINGS = Entry("安全设置", "accounts:password")

ANONYMOUS = [
    Entry("首页", "desk:home"),
    Entry(
        "注册",
        "registration:start",
        tuple(f"registration:{page}" for page in ("situations", "unit", "form", "check", "done", "again")),
    ),
    Entry("登录", "accounts:login", ("accounts:forgot", "accounts:sent", "accounts:reset")),
    Entry("综合查询", "registration:progress", ("registration:withdraw",)),
    Entry("常见问题", "desk:faq"),
]
PRACTITIONER = [
    Entry("首页", "desk:home"),
    Entry("学时申报", "credits:declare", ("credits:check", "credits:done")),
    Entry("我的申报", "credits:mine"),
    Entry("历年学时", "credits:years"),
    SETTINGS,
]
ADMIN = [
    Entry("首页", "desk:home"),
    Entry("待办审核", "workflow:inbox", INBOX, counts="*"),
    Entry("查询统计", "desk:people", PEOPLE, duty=Duty.PEOPLE),
    SETTINGS,
]
BUREAU = [
    Entry("首页", "desk:home"),
    Entry("审验", "workflow:inbox", query=f"duty={Duty.HOURS}", duty=Duty.HOURS, counts=Duty.HOURS),
    Entry(
        "机构注册",
        "workflow:inbox",
        query=f"duty={Duty.REGISTRATIONS}",
        duty=Duty.REGISTRATIONS,
        counts=Duty.REGISTRATIONS,
    ),
    Entry("待办审核", "workflow:inbox", INBOX, counts="*"),
    Entry("查询统计", "desk:people", PEOPLE, duty=Duty.PEOPLE),
    SETTINGS,
]
FOOTER = [
    ("网站声明", "desk:statement"),
    ("个人信息保护", "registration:privacy"),
    ("无障碍与长者版", "desk:accessibility"),
]


def page(request: HttpRequest) -> dict:
    """Variables of base.html, once per request however many templates it renders."""
    if not hasattr(request, "_page"):
        request._page = _page(request, getattr(request, "actor", NOBODY))
    return request._page


def _page(request: HttpRequest, actor: Actor) -> dict:
    footer = [{"label": label, "url": reverse(name)} for label, name in FOOTER]
    if actor:
        footer.insert(0, {"label": "常见问题", "url": reverse("desk:faq")})
    return {
        "site": settings.SITE,
        "nav": _nav(request, actor),
        "footer": footer,
        "actor": actor,
        "who": _who(request, actor) if actor else None,
        "elder": elder.is_on(request),
    }


def menu_of(actor: Actor) -> list[Entry]:
    """The entries that this person may open."""
    if not actor:
        return ANONYMOUS
    if actor.practitioner:
        return PRACTITIONER
    entries = BUREAU if actor.organization.kind == Kind.BUREAU else ADMIN
    return [entry for entry in entries if not entry.duty or actor.can(entry.duty)]


def _nav(request: HttpRequest, actor: Actor) -> list[dict]:
    entries = menu_of(actor)
    counts = _counts(request, actor, entries)
    current = _current(request, entries)
    return [
        {
            "label": entry.label,
            "url": reverse(entry.page) + (f"?{entry.query}" if entry.query else ""),
            "current": entry is current,
            "count": counts.get(entry.counts, ""),
        }
        for entry in entries
    ]


def _counts(request: HttpRequest, actor: Actor, entries: list[Entry]) -> dict[str, str]:
    wanted = {entry.counts for entry in entries if entry.counts}
    if not wanted:
        return {}
    counts = dict(getattr(request, "waiting", {}))  # a view that counted already leaves it there
    if not counts:
        counts = {"*": waiting_count(actor)} if wanted == {"*"} else waiting_by_duty(actor)
    counts.setdefault("*", sum(counts.values()))
    return {key: shown_count(count) for key, count in counts.items() if count}


def _current(request: HttpRequest, entries: list[Entry]) -> Entry | None:
    name = request.resolver_match.view_name if request.resolver_match else ""
    # The entry with the page's own filter comes before the one that shows everything.
    fitting = [
        entry
        for entry in entries
        if name == entry.page and entry.query and entry.query in request.GET.urlencode()
    ]
    fitting += [entry for entry in entries if (name == entry.page and not entry.query) or name in entry.also]
    return fitting[0] if fitting else None


def _who(request: HttpRequest, actor: Actor) -> dict:
    others = [one for one in identities_of(actor.user) if one.pk != actor.account.pk]
    role = actor.account.get_role_display()
    if actor.organization:
        role += "超级管理员" if actor.is_super else "管理员"
    return {
        "name": actor.user.name,
        "role": role,
        "organization": actor.organization or (actor.practitioner and actor.practitioner.employer),
        "others": [
            {"label": _label(one, others), "url": reverse("accounts:switch", args=[one.pk])} for one in others
        ]
        if len(others) <= MOST_OTHERS
        else [],
        "choose_url": reverse("accounts:choose") if len(others) > MOST_OTHERS else "",
        "logout_url": reverse("accounts:logout"),
    }


def _label(account: RoleAccount, others: list[RoleAccount]) -> str:
    """The role alone, with the place where two identities have the same role."""
    alike = [one for one in others if one.role == account.role]
    return account.get_role_display() if len(alike) == 1 else str(account)
