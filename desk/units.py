"""下级机构, 下属单位, 单位树: who is below an organisation, level by level, and how each of them fares (A10, B6).

Every figure is of the page's rows alone: two queries, whatever their number. People and who has met the year come
from the rolled-up counters, what waits from desk/waiting.py; how many are below is counted up to MOST_BELOW.
"""

from typing import NamedTuple

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.http import QueryDict
from django.urls import reverse

from accounts import replica
from accounts.id_number import normalise
from accounts.models import AccountStatus
from credits.tallies import NONE, Count
from credits.years import current_year
from desk import met
from desk.addresses import for_each, narrowed_for_each
from desk.wanted import query
from orgs.actor import Actor
from orgs.choosing import CODE_LENGTH
from orgs.level import RANK
from orgs.models import Duty, Kind, OrgAdmin, Organization, Status
from orgs.name_parts import holding
from workflow import reach
from workflow.inbox import MOST, detail_url, shown_count
from workflow.models import Step, StepState
from workflow.wording import NOTHING, days_waited, masked_name, percent, shown_date, shown_time

ORDER = ("rank", "pk")
MOST_BELOW = 50
FEW = 1_000  # organisations of a name that are read all at once
SUB_UNIT = "二级单位"


class Row(NamedTuple):
    """One line of the tree, ready to print. `tags` are (kind, words); a url is "" where there is nothing to open."""

    url: str
    name: str
    above: str
    kind: str
    tags: tuple
    below: str
    below_url: str
    people: str
    people_url: str
    rate: str
    rate_url: str
    waiting: str
    waiting_url: str
    last_login: str
    review_url: str


class Figures(NamedTuple):
    """What is counted of one organisation. `people` and who met the year with everybody below it; `below` at most
    MOST_BELOW + 1; `last_login` is "" when no admin ever logged in."""

    count: Count = NONE
    below: int = 0
    waiting: int = 0
    oldest: object = None
    admins: int = 0
    last_login: object = None


def label_of(organization: Organization) -> str:
    """What this organisation calls what is below it (menus of screens.md §3.1)."""
    return {Kind.EMPLOYER: "下级机构", Kind.AUTHORITY: "下属单位"}.get(organization.kind, "单位树")


def kind_of(kind: str, superior_kind: str | None) -> str:
    """机构类型, with the sub-unit told apart from other employers."""
    return SUB_UNIT if kind == superior_kind == Kind.EMPLOYER else Kind(kind).label


def there(actor: Actor) -> QuerySet:
    """The organisations that are worth a line: all but registrations that came to nothing."""
    return Organization.objects.visible_to(actor).exclude(status=Status.VOID)


_COLUMNS = ("pk", "name", "kind", "status", "path", "superior__kind")


def level(top: Organization) -> QuerySet:
    """What is right below `top`, as dicts for `keyset.page` by ORDER."""
    rows = Organization.objects.filter(superior=top).exclude(status=Status.VOID)
    below = Organization.objects.filter(superior=OuterRef("pk")).exclude(status=Status.VOID)
    return rows.values(*_COLUMNS, rank=RANK, has_below=Exists(below))


def found(top: Organization, text: str, asked: QueryDict) -> reach.Page:
    """A page of whatever in the subtree of `top` is named so, or has this credit code, in the order of the tree.

    Few of this name anywhere: the index over names holds them all. Many: the subtree is looked at one by one, as far
    as a page goes. Three queries at most.
    """
    below = Organization.objects.filter(superior=OuterRef("pk")).exclude(status=Status.VOID)
    rows = (
        Organization.objects.filter(path__startswith=top.path).exclude(status=Status.VOID).exclude(pk=top.pk)
    )
    rows = rows.values(*_COLUMNS, place=F("path"), person=F("pk"), has_below=Exists(below))
    named = Organization.objects.filter(searched(text))
    few = list(named.values_list("pk", flat=True)[: FEW + 1])
    if len(few) <= FEW:
        return reach.page(rows.filter(pk__in=few), asked)
    walk = Organization.objects.filter(path__startswith=top.path).exclude(pk=top.pk)
    fits = Subquery(named.filter(pk=OuterRef("person")).exclude(status=Status.VOID).values("pk")[:1])
    return reach.page(rows, asked, walk.values(place=F("path"), person=F("pk")).alias(fits=fits))


def searched(text: str) -> Q:
    """Organisations whose name holds all words of the text, or whose credit code it is. The text is not blank."""
    code = normalise(text)
    if len(code) == CODE_LENGTH and code.isascii():
        # In the words of the unique constraint, so that its index serves.
        return Q(kind__in=Kind.values, uscc=code, status__in=[Status.PENDING, Status.ACTIVE]) & ~Q(uscc="")
    return holding("name", text)


def shown(rows: list[dict], actor: Actor, with_path: bool = False) -> list[Row]:
    """The lines, ready to print; `with_path` for hits from anywhere in the subtree."""
    year = current_year()
    figures = figures_of([row["pk"] for row in rows], year)
    above = _paths(rows, actor.organization) if with_path else {}
    reviews = registrations(actor, [row["pk"] for row in rows if row["status"] == Status.PENDING])
    asked = bool(rows) and met.is_asked(actor.organization, year)
    lines = _Lines(actor, asked, reviews)
    return [lines.row(row, figures[row["pk"]], above.get(row["pk"], "")) for row in rows]


def registrations(actor: Actor, organizations: list[int]) -> dict[int, int]:
    """The applications for registration of these organisations that wait for this admin. One query at most."""
    if not organizations:
        return {}
    steps = Step.objects.awaiting(actor).filter(
        application__organization__in=organizations, application__duty=Duty.REGISTRATIONS
    )
    return dict(steps.values_list("application__organization", "application"))


class _Lines:
    """How the lines of one page are made. `asked`: whether the year asks for anything; `reviews`: see registrations()."""

    def __init__(self, actor: Actor, asked: bool, reviews: dict[int, int]):
        self.asked, self.reviews, self.may_look_up = asked, reviews, actor.can(Duty.PEOPLE)
        self.organization, self.below = for_each("desk:organization"), for_each("desk:below")
        self.matters = for_each("desk:waiting_at")
        self.people, self.statistics = narrowed_for_each("desk:people"), narrowed_for_each("desk:statistics")

    def row(self, row: dict, one: Figures, above: str) -> Row:
        pk, is_active, count = row["pk"], row["status"] == Status.ACTIVE, one.count
        may_open = self.may_look_up and is_active and count.people > 0
        has_rate = self.asked and is_active and count.people
        return Row(
            url=self.organization(pk),
            name=row["name"],
            above=above,
            kind=kind_of(row["kind"], row["superior__kind"]),
            tags=_tags(row["status"], one if is_active else None),
            below=shown_below(one.below) if one.below else NOTHING,
            below_url=self.below(pk) if one.below else "",
            people=f"{count.people:,}" if is_active else NOTHING,
            people_url=self.people(pk) if may_open else "",
            rate=percent(count.complete / count.people) if has_rate else NOTHING,
            rate_url=self.statistics(pk) if has_rate and may_open else "",
            waiting=_waiting(one) if is_active else NOTHING,
            waiting_url=self.matters(pk) if is_active and one.waiting else "",
            last_login=last_login(one) if is_active else NOTHING,
            review_url=detail_url(self.reviews[pk]) if pk in self.reviews else "",
        )


def shown_below(count: int) -> str:
    return f"{MOST_BELOW}+" if count > MOST_BELOW else str(count)


def _waiting(figures: Figures) -> str:
    days = days_waited(figures.oldest) if figures.oldest else 0
    return f"{figures.waiting:,}" + (f"，最久 {days} 天" if days else "")


def _tags(status: str, figures: Figures | None) -> tuple:
    if status == Status.PENDING:
        return (("wait", Status.PENDING.label),)
    if status != Status.ACTIVE:
        return (("draft", Status(status).label),)
    return () if figures and figures.admins else (("back", "没有管理员"),)


def last_login(figures: Figures) -> str:
    """When one of its admins logged in last."""
    if not figures.admins:
        return NOTHING
    return shown_date(figures.last_login) if figures.last_login else "从未登录"


def people_url(pk: int) -> str:
    """专技人员信息查询, narrowed to this organisation and what is below it."""
    return f"{reverse('desk:people')}?unit={pk}"


def tags_of(organization: Organization, figures: Figures | None) -> tuple:
    """The state of one organisation as tags; none when all is well."""
    return _tags(organization.status, figures)


def figures_of(organizations: list[int], year: int) -> dict[int, Figures]:
    """The figures of these organisations: two queries, whatever their number."""
    if not organizations:
        return {}
    counts = replica.read(met.of, [Organization(pk=pk) for pk in organizations], year)
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES, {"ids": organizations, "most": MOST_BELOW + 1})
        return {pk: Figures(counts[pk], *rest) for pk, *rest in cursor.fetchall()}


# LIMIT keeps each of these a look-up of its own: no plan reads a whole table for fifty rows.
_FIGURES = """
SELECT one.id, below.count, coalesce(waits.waiting, 0), waits.oldest, admins.count, admins.last
  FROM unnest(%(ids)s::bigint[]) AS one (id)
 CROSS JOIN LATERAL (SELECT count(*) FROM (SELECT FROM orgs_organization o
                      WHERE o.superior_id = one.id AND o.status <> 'void' LIMIT %(most)s) capped) below
  LEFT JOIN LATERAL (SELECT w.waiting, w.oldest FROM desk_waiting w
                      WHERE w.organization_id = one.id LIMIT 1) waits ON true
 CROSS JOIN LATERAL (SELECT count(*), max(u.last_login) AS last
                       FROM orgs_orgadmin a JOIN accounts_roleaccount r ON r.id = a.account_id AND r.status = 'active'
                       JOIN accounts_user u ON u.id = a.user_id
                      WHERE a.organization_id = one.id) admins
"""


def own_queue(organization: Organization) -> tuple[int, object]:
    """How much waits at an organisation at this moment, at most MOST + 1, and since when. One query."""
    steps = Step.objects.filter(state=StepState.OPEN, approver=organization).order_by("opened_at", "pk")
    opened = list(steps.values_list("opened_at", flat=True)[: MOST + 1])
    return len(opened), opened[0] if opened else None


def _paths(rows: list[dict], top: Organization) -> dict[int, str]:
    """The names between `top` and each organisation, in one line. One query."""
    between = {row["pk"]: [pk for pk in _ids(row["path"])[:-1] if pk not in _ids(top.path)] for row in rows}
    wanted = {pk for ids in between.values() for pk in ids}
    names = dict(Organization.objects.filter(pk__in=wanted).values_list("pk", "name"))
    return {row: " › ".join(names[pk] for pk in ids) for row, ids in between.items()}


def _ids(path: str) -> list[int]:
    return [int(part) for part in path.strip("/").split("/") if part]


def way_to(actor: Actor, organization: Organization) -> list[dict]:
    """Breadcrumbs from the own level of the tree down to this organisation, without it. One query at most."""
    own = actor.organization
    between = [pk for pk in organization.ancestor_ids if pk not in own.ancestor_ids and pk != own.pk]
    names = Organization.objects.in_bulk(between) if between else {}
    top = {"name": label_of(own), "url": reverse("desk:tree")}
    return [top, *({"name": names[pk].name, "url": reverse("desk:below", args=[pk])} for pk in between)]


def tiles(organization: Organization, figures: Figures, actor: Actor, year: int) -> list[dict]:
    """The figures of one organisation's page. Two queries."""
    waiting, oldest = own_queue(organization)
    count, may_open = figures.count, actor.can(Duty.PEOPLE) and figures.count.people > 0
    waited = f"，最久的已等 {days_waited(oldest)} 天" if oldest else ""
    own = organization == actor.organization
    found = [
        {
            "figure": shown_below(figures.below),
            "label": "直接下级",
            "url": reverse("desk:below", args=[organization.pk]) if figures.below else "",
        },
        {
            "figure": f"{count.people:,}",
            "label": "在册人员（含下级）" if figures.below else "在册人员",
            "url": people_url(organization.pk) if may_open else "",
        },
        {
            "figure": shown_count(waiting),
            "label": f"待办审核{waited}",
            "url": reverse("workflow:inbox")
            if own
            else reverse("desk:waiting_at", args=[organization.pk])
            if waiting
            else "",
        },
    ]
    if count.people and met.is_asked(organization, year):
        rate = {
            "figure": percent(count.complete / count.people),
            "label": f"{year} 年度达标率",
            "url": f"{reverse('desk:statistics')}?{query({}, unit=organization.pk)}" if may_open else "",
        }
        found.insert(2, rate)
    return found


def admin_row(admin: OrgAdmin) -> dict:
    """One admin for the page of the organisation: the name masked, what this one may do, the last login."""
    return {
        "name": masked_name(admin.user.name),
        "role": "超级管理员" if admin.is_super else admin.role.name if admin.role else "单独授权",
        "duties": "全部权限" if admin.is_super else "、".join(Duty(duty).label for duty in admin.duties),
        "last_login": shown_time(admin.user.last_login) if admin.user.last_login else "从未登录",
        "tag": ("ok", "正常")
        if admin.account.status == AccountStatus.ACTIVE
        else ("draft", admin.account.get_status_display()),
    }
