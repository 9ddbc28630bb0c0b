"""What every page shows: the platform's name, the menu of the current role, who is logged in.

At most three queries, and only for who is logged in: what waits for them, what they have not read, and their further
identities.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from accounts import replica
from accounts.identities import identities_of
from accounts.models import RoleAccount
from desk import elder
from orgs.actor import NOBODY, Actor
from orgs.models import Duty, Kind
from workflow.inbox import shown_count, waiting_by_duty, waiting_count

MOST_OTHERS = 2  # further identities that stand in the header; more go to a page of their own


class Entry(NamedTuple):
    """One word of the menu (screens.md §3.1): the page it opens and the pages on which it is marked.

    `under` is its second level, shown as a row of its own while one of these pages is open; then the entry itself
    opens the first of them. `to` says who sees it. `counts`: how much waits, all of it ("*") or of one duty, or what
    is not read ("messages").
    """

    label: str
    page: str = ""
    also: tuple[str, ...] = ()
    query: str = ""
    to: Callable[[Actor], bool] = bool
    counts: str = ""
    under: tuple["Entry", ...] = ()


def _holds(duty: str) -> Callable[[Actor], bool]:
    return lambda actor: actor.can(duty)


def _is_super(actor: Actor) -> bool:
    return actor.is_super


def _moves_people(actor: Actor) -> bool:
    return actor.organization.kind == Kind.EMPLOYER and actor.can(Duty.TRANSFERS)


def _declares_for_people(actor: Actor) -> bool:
    return actor.organization.kind == Kind.EMPLOYER and actor.can(Duty.HOURS)


def _pages(app: str, names: str) -> tuple[str, ...]:
    return tuple(f"{app}:{name}" for name in names.split())


HOME = Entry("首页", "desk:home")
SETTINGS = Entry(
    "安全设置",
    "accounts:security",
    (
        *_pages(
            "accounts",
            "password set_up_second_factor turn_off_second_factor recovery_codes renew_recovery_codes",
        ),
        *_pages("registration", "contacts correction close_account"),
        *_pages("desk", "my_data my_data_copy my_data_seen"),
    ),
)
PROFILE = Entry(
    "单位基本信息",
    "registration:unit_profile",
    _pages("registration", "replace_code code_document"),
    to=_holds(Duty.PROFILE),
)
MESSAGES = Entry("消息", "accounts:messages", counts="messages")
WAITING = Entry("待办审核", "workflow:inbox", _pages("workflow", "done approve reject"), counts="*")
PEOPLE = Entry(
    "专技人员信息查询",
    "desk:people",
    (*_pages("desk", "person person_number person_history reset_password"), "registration:dismiss"),
    to=_holds(Duty.PEOPLE),
)
STATISTICS = Entry("学时统计", "desk:statistics", to=_holds(Duty.PEOPLE))
UNMET = Entry("未达标名单", "desk:unmet", _pages("desk", "remind remind_all"), to=_holds(Duty.PEOPLE))
SEARCH = Entry("综合查询", "desk:search")
EXPORTS = Entry("导出记录", "desk:exports", _pages("desk", "export export_job"), to=_holds(Duty.PEOPLE))
FIGURES = Entry("查询统计", under=(PEOPLE, STATISTICS, UNMET, SEARCH, EXPORTS))


def _tree(label: str, kind: str | None = None) -> Entry:
    """What is below the own organisation, in the words of its kind."""
    return Entry(
        label,
        "desk:tree",
        _pages("desk", "below organization organization_history waiting"),
        to=lambda actor: kind in (None, actor.organization.kind),
    )


ACCOUNTS = Entry(
    "账户管理",
    under=(
        # First, so that 账户管理 opens it: the most frequent of these (J13).
        Entry(
            "人员调转",
            "transfers:release",
            _pages("transfers", "released incoming records"),
            to=_moves_people,
        ),
        Entry(
            "管理单位管理员",
            "orgs:admins",
            _pages(
                "orgs", "admin add_admin appoint remove succession cancel_succession turn_off_second_factor"
            ),
            to=_is_super,
        ),
        Entry("角色管理", "orgs:roles", _pages("orgs", "add_role edit_role"), to=_is_super),
        _tree("下级机构", Kind.EMPLOYER),
        _tree("下属单位", Kind.AUTHORITY),
    ),
)
# Bureaus and the platform have no word of their own for these in the first row.
ACCOUNTS_AND_OWN = ACCOUNTS._replace(under=(*ACCOUNTS.under, PROFILE, SETTINGS))
PEOPLE_AND_UNITS = Entry("人员与单位", under=(PEOPLE, _tree("单位树"), STATISTICS, UNMET, SEARCH, EXPORTS))

CERTIFICATES = Entry(
    "证书",
    under=(
        Entry("签发", "credits:issuing", _pages("credits", "certificate_batch"), to=_holds(Duty.HOURS)),
        Entry(
            "已签发、撤销",
            "credits:issued_certificates",
            _pages("credits", "certificate revoke_certificate"),
            to=_holds(Duty.HOURS),
        ),
        Entry("查验记录", "credits:certificate_checks", to=_holds(Duty.HOURS)),
    ),
)

RULES = Entry(
    "规则与年度",
    under=(
        Entry(
            "政策包",
            "credits:packs",
            _pages(
                "credits",
                "start_pack pack pack_changes new_version publish_pack retire_pack pack_head pack_year pack_caps"
                " pack_text add_activity pack_activity pack_conversion pack_relief try_pack trial",
            ),
            to=_is_super,
        ),
        Entry(
            "时间窗口",
            "credits:windows",
            _pages("credits", "add_window window remove_window"),
            to=_is_super,
        ),
    ),
)

INTAKE = Entry(
    "平台学时",
    under=(
        Entry(
            "学时导入",
            "credits:intake",
            _pages("credits", "intake_upload intake_batch"),
            to=_holds(Duty.HOURS),
        ),
        Entry("未注册人员", "credits:intake_waiting", to=_holds(Duty.HOURS)),
        Entry(
            "学习平台管理",
            "credits:providers",
            _pages("credits", "provider add_provider edit_provider add_key"),
            to=_holds(Duty.HOURS),
        ),
    ),
)
STUDY = Entry("学习平台", "credits:platforms")

ANONYMOUS = [
    HOME,
    Entry("注册", "registration:start", _pages("registration", "situations unit form check done again")),
    Entry("登录", "accounts:login", _pages("accounts", "forgot sent reset second_factor")),
    Entry(
        "综合查询",
        "registration:progress",
        under=(
            Entry("注册审核进度查询", "registration:progress", _pages("registration", "withdraw")),
            Entry("电子证书查验", "credits:verify", _pages("credits", "verifying_keys")),
        ),
    ),
    STUDY,
    Entry("常见问题", "desk:faq"),
]
PRACTITIONER = [
    HOME,
    Entry(
        "学时申报",
        under=(
            Entry("新申报", "credits:declare", _pages("credits", "check done")),
            Entry("我的申报", "credits:mine", _pages("credits", "unit_offers unit_offer")),
            Entry("历年学时", "credits:years", _pages("credits", "relief relief_check")),
            STUDY,
        ),
    ),
    Entry(
        "我的证书",
        under=(
            Entry("我的证书", "credits:certificates", _pages("credits", "certificate")),
            Entry("职称申报材料", "credits:filing"),
        ),
    ),
    Entry(
        "用户资料管理",
        under=(
            Entry("基本信息修改", "registration:own_data", _pages("registration", "contacts close_account")),
            Entry("单位调转", "transfers:transfer"),
            Entry("更正姓名或身份证号", "registration:correction"),
            Entry("我的数据", "desk:my_data", _pages("desk", "my_data_copy my_data_seen")),
            SETTINGS,
        ),
    ),
    MESSAGES,
]
ADMIN = [
    HOME,
    WAITING,
    Entry(
        "学时申报",
        under=(
            Entry(
                "单位申报",
                "credits:unit_declarations",
                _pages("credits", "unit_new unit_people unit_check unit_declaration unit_cancel"),
                to=_declares_for_people,
            ),
        ),
    ),
    ACCOUNTS,
    Entry("单位资料管理", under=(PROFILE, Entry("更换上级部门", "transfers:superior", to=_is_super))),
    FIGURES,
    MESSAGES,
    SETTINGS,
]
# At most eight words in the first row: what bureaus do rarely stands on the second level.
BUREAU = [
    HOME,
    Entry(
        "审验",
        query=f"duty={Duty.HOURS}",
        counts=Duty.HOURS,
        under=(
            Entry("学时审验", "workflow:inbox", query=f"duty={Duty.HOURS}", to=_holds(Duty.HOURS)),
            Entry(
                "抽查",
                "credits:sampling",
                _pages("credits", "draw_sample sample verification_policies overturned"),
                to=_holds(Duty.HOURS),
            ),
        ),
    ),
    WAITING,
    ACCOUNTS_AND_OWN,
    PEOPLE_AND_UNITS,
    CERTIFICATES,
    RULES._replace(label="规则与平台", under=(*RULES.under, *INTAKE.under)),
    MESSAGES,
]
OPERATOR = [
    HOME,
    WAITING,
    ACCOUNTS_AND_OWN,
    PEOPLE_AND_UNITS._replace(
        under=(
            *PEOPLE_AND_UNITS.under,
            Entry(
                "更正申请",
                "registration:corrections",
                ("registration:correction_numbers",),
                to=_holds(Duty.CHANGES),
            ),
            Entry(
                "临时代码", "registration:codes", ("registration:revoke_code",), to=_holds(Duty.REGISTRATIONS)
            ),
        )
    ),
    INTAKE,
    RULES,
    Entry("基础数据", "admin:index", to=lambda actor: actor.user.is_staff),
    MESSAGES,
]
FOOTER = [
    ("网站声明", "desk:statement"),
    ("个人信息处理告知", "registration:privacy"),
    ("无障碍与长者版", "desk:accessibility"),
]


def page(request: HttpRequest) -> dict:
    """Variables of base.html, once per request however many templates it renders."""
    if not hasattr(request, "_page"):
        with (
            replica.primary()
        ):  # what waits and who is here is of this moment, also on pages that read a replica
            request._page = _page(request, getattr(request, "actor", NOBODY))
    return request._page


def _page(request: HttpRequest, actor: Actor) -> dict:
    footer = [{"label": label, "url": _address(name)} for label, name in FOOTER]
    if actor:
        footer.insert(0, {"label": "常见问题", "url": _address("desk:faq")})
    return {
        "site": settings.SITE,
        **_nav(request, actor),
        "footer": footer,
        "actor": actor,
        "who": _who(request, actor) if actor else None,
        "elder": elder.is_on(request),
    }


def menu_of(actor: Actor) -> list[Entry]:
    """The entries that this person may open, with the second level cut down likewise."""
    if not actor:
        return ANONYMOUS
    if actor.practitioner:
        entries = PRACTITIONER
    else:
        entries = {Kind.BUREAU: BUREAU, Kind.OPERATOR: OPERATOR}.get(actor.organization.kind, ADMIN)
    found = []
    for entry in entries:
        if entry.under:
            under = tuple(one for one in entry.under if one.to(actor))
            if under:
                found.append(entry._replace(page=under[0].page, under=under))
        elif entry.to(actor):
            found.append(entry)
    return found


def _nav(request: HttpRequest, actor: Actor) -> dict:
    entries = menu_of(actor)
    counts = _counts(request, actor, entries)
    under = next((entry for entry in entries if _current(request, entry.under)), None)
    current = under or _current(request, entries)
    nav = {"nav": [_shown(entry, entry is current, counts.get(entry.counts, "")) for entry in entries]}
    if under and len(under.under) > 1:
        here = _current(request, under.under)
        nav["subnav"] = [_shown(entry, entry is here) for entry in under.under]
        nav["subnav_label"] = under.label
    return nav


def _shown(entry: Entry, current: bool, count: str = "") -> dict:
    url = _address(entry.page) + (f"?{entry.query}" if entry.query else "")
    return {"label": entry.label, "url": url, "current": current, "count": count}


# Two dozen addresses of every page, always the same.
_address = cache(reverse)


def _counts(request: HttpRequest, actor: Actor, entries: list[Entry]) -> dict[str, str]:
    wanted = {entry.counts for entry in entries if entry.counts}
    counts = dict(getattr(request, "waiting", {}))  # a view that counted already leaves it there
    waiting = wanted - {"messages"}
    if waiting and not counts:
        counts = {"*": waiting_count(actor)} if waiting == {"*"} else waiting_by_duty(actor)
    counts.setdefault("*", sum(counts.values()))
    if "messages" in wanted:
        counts["messages"] = actor.unread
    return {key: shown_count(count) for key, count in counts.items() if count}


def _current(request: HttpRequest, entries: Iterable[Entry]) -> Entry | None:
    name = request.resolver_match.view_name if request.resolver_match else ""
    # The entry with the page's own filter comes before the one that shows everything.
    asked = request.GET.urlencode()
    fitting = [one for one in entries if one.page == name and one.query and one.query in asked]
    fitting += [one for one in entries if (one.page == name and not one.query) or name in one.also]
    return fitting[0] if fitting else None


def _who(request: HttpRequest, actor: Actor) -> dict:
    others = (
        [one for one in identities_of(actor.user) if one.pk != actor.account.pk] if actor.has_others else []
    )
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
        "choose_url": _address("accounts:choose") if len(others) > MOST_OTHERS else "",
        "add_url": "" if actor.is_operator else _address("registration:another_role"),
        "logout_url": _address("accounts:logout"),
    }


def _label(account: RoleAccount, others: list[RoleAccount]) -> str:
    """The role alone, with the place where two identities have the same role."""
    alike = [one for one in others if one.role == account.role]
    return account.get_role_display() if len(alike) == 1 else str(account)
