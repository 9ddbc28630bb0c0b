"""下级机构, 下属单位, 单位树: who is below an organisation, level by level, and how each of them fares (A10, B6).

Every figure is of the page's rows alone: two queries, whatever their number. People are
counted in the whole subtree, and no further than MOST_PEOPLE, since nobody needs the exact size of a large branch
here (speed.md, "What follows").
"""

from typing import NamedTuple

from django.db import connection
from django.db.models import Case, Count, IntegerField, Max, Min, OuterRef, QuerySet, Subquery, When
from django.db.models.functions import Coalesce
from django.urls import reverse

from accounts.models import AccountStatus
from orgs.actor import Actor
from orgs.choosing import named
from orgs.models import Duty, Kind, OrgAdmin, Organization, Practitioner, Status
from workflow.inbox import detail_url, shown_count
from workflow.models import Step, StepState
from workflow.wording import NOTHING, days_waited, masked_name, shown_date, shown_time

ORDER = ("rank", "pk")
MOST_PEOPLE = 1000
SUB_UNIT = "二级单位"

# What waits for approval comes first, then bureaus, authorities and employers, what was closed at the end.
_RANK = Case(
    When(status=Status.PENDING, then=0),
    When(status=Status.CLOSED, then=4),
    When(kind=Kind.BUREAU, then=1),
    When(kind=Kind.AUTHORITY, then=2),
    default=3,
    output_field=IntegerField(),
)


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
    waiting: str
    last_login: str
    review_url: str


class Figures(NamedTuple):
    """What is counted of one organisation. `last_login` is "" when no admin ever logged in."""

    people: str = "0"
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


def found(actor: Actor, top: Organization, text: str = "") -> QuerySet:
    """What is right below `top`, or with a text whatever in its subtree is named so; dicts for `keyset.page`."""
    below = Organization.objects.exclude(status=Status.VOID).filter(superior=OuterRef("pk")).order_by()
    registration = Step.objects.awaiting(actor).filter(
        application__organization=OuterRef("pk"), application__duty=Duty.REGISTRATIONS
    )
    rows = there(actor)
    if text:
        rows = rows.filter(named(text), path__startswith=top.path).exclude(pk=top.pk)
    else:
        rows = rows.filter(superior=top)
    return rows.values(
        "pk",
        "name",
        "kind",
        "status",
        "path",
        "superior__kind",
        rank=_RANK,
        below=Subquery(below.values("superior").annotate(count=Count("pk")).values("count")),
        application=Subquery(registration.values("application")[:1]),
    )


def shown(rows: list[dict], actor: Actor, with_path: bool = False) -> list[Row]:
    """The lines, ready to print; `with_path` for hits from anywhere in the subtree."""
    figures = figures_of({row["pk"]: row["path"] for row in rows if row["status"] == Status.ACTIVE})
    above = _paths(rows, actor.organization) if with_path else {}
    may_look_up = actor.can(Duty.PEOPLE)
    return [_row(row, figures.get(row["pk"]), above.get(row["pk"], ""), may_look_up) for row in rows]


def _row(row: dict, figures: Figures | None, above: str, may_look_up: bool) -> Row:
    pk = row["pk"]
    tags, one = _tags(row["status"], figures), figures or Figures(people=NOTHING)
    return Row(
        url=reverse("desk:organization", args=[pk]),
        name=row["name"],
        above=above,
        kind=kind_of(row["kind"], row["superior__kind"]),
        tags=tags,
        below=str(row["below"]) if row["below"] else NOTHING,
        below_url=reverse("desk:below", args=[pk]) if row["below"] else "",
        people=one.people,
        people_url=people_url(pk) if may_look_up and figures and one.people != "0" else "",
        waiting=_waiting(one) if figures else NOTHING,
        last_login=last_login(one) if figures else NOTHING,
        review_url=detail_url(row["application"]) if row["application"] else "",
    )


def _waiting(figures: Figures) -> str:
    days = days_waited(figures.oldest) if figures.oldest else 0
    return shown_count(figures.waiting) + (f"，最久 {days} 天" if days else "")


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


def figures_of(paths: dict[int, str]) -> dict[int, Figures]:
    """The figures of these organisations (id -> path): two queries, whatever their number."""
    if not paths:
        return {}
    people = _people(paths)
    waits = Step.objects.filter(state=StepState.OPEN, approver=OuterRef("pk")).order_by().values("approver")
    admins = OrgAdmin.objects.active().filter(organization=OuterRef("pk")).order_by().values("organization")
    counted = Organization.objects.filter(pk__in=paths).values_list(
        "pk",
        Coalesce(Subquery(waits.annotate(count=Count("pk")).values("count")), 0),
        Subquery(waits.annotate(oldest=Min("opened_at")).values("oldest")),
        Coalesce(Subquery(admins.annotate(count=Count("pk")).values("count")), 0),
        Subquery(admins.annotate(last=Max("user__last_login")).values("last")),
    )
    return {pk: Figures(people[pk], *figures) for pk, *figures in counted}


def _people(paths: dict[int, str]) -> dict[int, str]:
    """The approved people of each subtree, at most MOST_PEOPLE + 1 read of each.

    The bounds say "begins with this path" in a way that the index over paths understands for a path that is not
    known beforehand: "0" is the character after "/".
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT unit.id, counted.people
              FROM unnest(%s::bigint[], %s::text[]) AS unit (id, path),
                   LATERAL (SELECT count(*) AS people
                              FROM (SELECT 1 FROM {Practitioner._meta.db_table} person
                                     WHERE person.path ~>=~ unit.path
                                       AND person.path ~<~ (rtrim(unit.path, '/') || '0')
                                       AND person.status = %s LIMIT %s) AS capped) AS counted
            """,  # noqa: S608, the table's name is ours
            [list(paths), list(paths.values()), Status.ACTIVE, MOST_PEOPLE + 1],
        )
        counts = dict(cursor.fetchall())
    return {pk: f"{MOST_PEOPLE:,}+" if count > MOST_PEOPLE else f"{count:,}" for pk, count in counts.items()}


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


def tiles(organization: Organization, figures: Figures, actor: Actor) -> list[dict]:
    """The figures of one organisation's page. One query."""
    below = organization.subordinates.exclude(status=Status.VOID).count()
    page = reverse("desk:below", args=[organization.pk]) if below else ""
    may_open = actor.can(Duty.PEOPLE) and figures.people != "0"
    waited = f"，最久的已等 {days_waited(figures.oldest)} 天" if figures.oldest else ""
    return [
        {"figure": str(below), "label": "直接下级", "url": page},
        {
            "figure": figures.people,
            "label": "在册人员（含下级）" if below else "在册人员",
            "url": people_url(organization.pk) if may_open else "",
        },
        {"figure": shown_count(figures.waiting), "label": f"待办审核{waited}", "url": ""},
    ]


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
