"""变更记录 in plain words: who changed what, when, on which application (A7, A10).

Read from the history tables of the tree (django-simple-history). What the history keeps is the state after each
change, so a change is the difference between a row and the one before it; labels are the fields' verbose names, values
are what people read, never a key. People are masked.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.postgres.fields import ArrayField
from django.db.models import F, IntegerField, Model, OuterRef, QuerySet, Subquery, Value
from django.http import QueryDict

from accounts.models import User
from orgs.actor import Actor
from orgs.models import AdminRole, Duty, OrgAdmin, Organization, Practitioner, Status
from workflow import keyset
from workflow.inbox import detail_url
from workflow.models import Application, State
from workflow.wording import masked_name, shown_date, shown_time

ORDER = ("-history_date", "-source", "-history_id")
RECEIPT = re.compile(r"\d{8}-0*([1-9]\d{0,17})")  # what the engine writes as the reason of a change
CREATED, DELETED = "+", "-"

LABELS = {"superior": "上级"}
# Told by a sentence of their own, or never changed.
UNTOLD = {"id", "status", "created_at", "account", "user", "organization", "is_super"}


@dataclass(frozen=True)
class Entry:
    """One change: a moment, a sentence, and the application's number with its page ("" where there is none to see)."""

    at: str
    text: str
    receipt: str = ""
    url: str = ""


@dataclass(frozen=True)
class Change:
    """One field's old and new value as the history keeps them."""

    field: object
    old: object
    new: object


def of_practitioner(
    practitioner: Practitioner, actor: Actor, asked: QueryDict, size: int = keyset.SIZE
) -> keyset.Page:
    """A page of what happened to this person's data, the newest first. The caller has checked who may see them."""
    return _page(
        [Practitioner.history.filter(id=practitioner.pk)], actor, asked, size, own=practitioner.user_id
    )


def of_organization(
    organization: Organization, actor: Actor, asked: QueryDict, size: int = keyset.SIZE
) -> keyset.Page:
    """A page of what happened to this organisation's data and its admins. The caller has checked who may see it."""
    kept = [
        Organization.history.filter(id=organization.pk),
        OrgAdmin.history.filter(organization_id=organization.pk),
    ]
    return _page(kept, actor, asked, size)


def _page(kept: list[QuerySet], actor: Actor, asked: QueryDict, size: int, own: int | None = None):
    """Few queries whatever the size: each table's rows and those before them, one per kind of name, the applications."""
    page = keyset.page([_rows(rows, number) for number, rows in enumerate(kept)], ORDER, asked, size)
    before = {}
    for number, rows in enumerate(kept):
        wanted = [row["before_id"] for row in page.rows if row["source"] == number and row["before_id"]]
        if wanted:
            earlier = rows.model.objects.filter(history_id__in=wanted).values()
            before |= {(number, row["history_id"]): row for row in earlier}
    told = [
        _Told(row, before.get((row["source"], row["before_id"])), kept[row["source"]].model)
        for row in page.rows
    ]
    names = _names(told)
    applications = _applications(told, actor)
    page.rows = [_entry(one, names, applications, own) for one in told]
    return page


def _rows(rows: QuerySet, source: int) -> QuerySet:
    earlier = rows.model.objects.filter(id=OuterRef("id"), history_id__lt=OuterRef("history_id"))
    return rows.values(
        *(field.attname for field in rows.model._meta.concrete_fields),
        source=Value(source, IntegerField()),
        by=F("history_user__name"),
        before_id=Subquery(earlier.order_by("-history_id").values("history_id")[:1]),
    )


class _Told:
    """A history row with the one before it and what differs."""

    def __init__(self, row: dict, before: dict | None, model: type[Model]):
        self.row, self.before, self.model = row, before, model.instance_type
        self.changes = [
            Change(field, before[field.attname], row[field.attname])
            for field in self.model._meta.concrete_fields
            if before and field.name not in UNTOLD and field.attname in row
            if before[field.attname] != row[field.attname]
        ]
        reason = RECEIPT.fullmatch(row["history_change_reason"] or "")
        self.application_id = int(reason[1]) if reason else None
        self.receipt = reason[0] if reason else ""

    def moved_to(self, field: str):
        """The field's new value when this row changed it, None otherwise."""
        if self.before is None or self.before[field] == self.row[field]:
            return None
        return self.row[field]


# --- names ------------------------------------------------------------------------------------------


def _names(told: Iterable[_Told]) -> dict[tuple[type[Model], object], str]:
    """What people read for every key in these rows: one query for each table named."""
    wanted: dict[type[Model], set] = defaultdict(set)
    for one in told:
        for change in one.changes:
            if change.field.is_relation:
                wanted[change.field.related_model] |= {change.old, change.new} - {None}
        if one.model is OrgAdmin:
            wanted[User].add(one.row["user_id"])
            wanted[AdminRole] |= {one.row["role_id"]} - {None}
        if one.model is Practitioner and one.row["history_type"] == CREATED:
            wanted[Organization].add(one.row["employer_id"])
    names = {}
    for model, keys in wanted.items():
        if keys:
            for pk, name in model.objects.filter(pk__in=keys).values_list("pk", "name"):
                names[model, pk] = masked_name(name) if model is User else name
    return names


def _applications(told: Iterable[_Told], actor: Actor) -> dict[int, str]:
    """The applications named here that this admin may open, with their state."""
    wanted = {one.application_id for one in told if one.application_id}
    if not wanted:
        return {}
    return dict(Application.objects.visible_to(actor).filter(pk__in=wanted).values_list("pk", "state"))


def _shown(field, value, names: dict) -> str:
    """A value in the page's words, "" for nothing."""
    if value is None or value == "" or value == []:
        return ""
    if field.is_relation:
        return names.get((field.related_model, value), "已删除的条目")
    if isinstance(field, ArrayField):
        return "、".join(dict(field.base_field.flatchoices).get(one, str(one)) for one in value)
    if field.flatchoices:
        return str(dict(field.flatchoices).get(value, value))
    return shown_date(value) if field.get_internal_type() == "DateField" else str(value)


# --- sentences ----------------------------------------------------------------------------------------


def _entry(one: _Told, names: dict, applications: dict[int, str], own: int | None) -> Entry:
    what = {Practitioner: _of_person, Organization: _of_unit, OrgAdmin: _of_admin}[one.model](
        one, names, applications.get(one.application_id)
    )
    text = f"{_who(one, own)}{'，'.join(what) if what else '保存了一次，内容没有变化'}"
    url = detail_url(one.application_id) if one.application_id in applications else ""
    return Entry(shown_time(one.row["history_date"]), text, one.receipt, url)


def _who(one: _Told, own: int | None) -> str:
    """Who did it. Nobody is logged in at a registration, nor when the platform loads what it knows beforehand."""
    by = one.row["history_user_id"]
    if one.model is OrgAdmin and by in (None, one.row["user_id"]):
        return ""  # the sentence names the person already
    if by:
        return "本人" if by == own else f"{masked_name(one.row['by'])} "
    if _is_filed(one):
        return "本人" if one.model is Practitioner else "注册人"
    return "平台"


def _is_filed(one: _Told) -> bool:
    """Whether this row came with a registration that was filed."""
    if one.row["status"] != Status.PENDING:
        return False
    return one.row["history_type"] == CREATED or bool(one.moved_to("status"))


def _of_person(one: _Told, names: dict, state: str | None) -> list[str]:
    if one.row["history_type"] == CREATED:
        unit = names.get((Organization, one.row["employer_id"]), "")
        done = "提交了注册" if one.row["status"] == Status.PENDING else "登记了人员"
        return [f"{done}，用人单位为“{unit}”"]
    return [*_life(one, state), *_fields(one, names)]


def _of_unit(one: _Told, names: dict, state: str | None) -> list[str]:
    if one.row["history_type"] == CREATED:
        done = "提交了注册" if one.row["status"] == Status.PENDING else "录入了机构"
        return [f"{done}，名称为“{one.row['name']}”"]
    return [*_life(one, state), *_fields(one, names)]


def _life(one: _Told, state: str | None) -> list[str]:
    """What a new status means, in words."""
    status = one.moved_to("status")
    if status is None:
        return []
    if status == Status.VOID:
        ends = {State.REJECTED: "驳回了注册", State.WITHDRAWN: "撤回了注册"}
        return [ends.get(state, "结束了注册，未通过或已撤回")]
    if status == Status.PENDING:
        return ["重新提交了注册"]
    if status == Status.CLOSED:
        return [f"办理了{one.row['history_change_reason'] or '注销'}"]
    return ["审核通过了注册" if one.before["status"] == Status.PENDING else "恢复了账户"]


def _fields(one: _Told, names: dict) -> list[str]:
    parts = []
    for change in one.changes:
        label = LABELS.get(change.field.name) or change.field.verbose_name
        old, new = (_shown(change.field, value, names) for value in (change.old, change.new))
        if old and new:
            parts.append(f"把{label}由“{old}”改为“{new}”")
        else:
            parts.append(f"填写了{label}“{new}”" if new else f"清除了{label}“{old}”")
    return parts


def _of_admin(one: _Told, names: dict, state: str | None) -> list[str]:
    name = names.get((User, one.row["user_id"]), "")
    reason = one.row["history_change_reason"] or ""
    if one.row["history_type"] == DELETED:
        return [f"{reason or '移除'}，{name} 不再是管理员"]
    if one.row["history_type"] == CREATED:
        if one.row["is_super"]:
            return [f"{name} 登记为超级管理员"]
        return [f"添加 {name} 为管理员，{_right(one, names)}"]
    if one.moved_to("is_super"):
        return [f"{reason or '接任超级管理员'}，{name} 成为超级管理员"]
    if one.moved_to("role_id") is not None:
        return [f"更改管理员 {name} 的角色，现在{_right(one, names)}"]
    if one.changes:
        duties = next(change for change in one.changes if isinstance(change.field, ArrayField))
        old, new = (_shown(duties.field, value, names) or "无" for value in (duties.old, duties.new))
        return [f"把管理员 {name} 的权限由“{old}”改为“{new}”"]
    return [f"{reason}管理员 {name}"] if reason else []


def _right(one: _Told, names: dict) -> str:
    role = names.get((AdminRole, one.row["role_id"]))
    if role:
        return f"角色为“{role}”"
    duties = "、".join(Duty(duty).label for duty in one.row["duties"] if duty in Duty.values)
    return f"权限为“{duties}”" if duties else "没有权限"
