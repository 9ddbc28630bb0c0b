"""角色管理: what a role allows, and who may give it to whom (F-73, F-77; trust.md §3.7).

What counts for an admin is `OrgAdmin.duties`; a role is a name for a set of them. Whatever changes either goes
through here, so that nobody is ever given more than the giver has.

Everything that changes the admins of one organisation, here and in appointment.py and succession.py, first locks the
row of its super admin (`held`): one change at a time, and who acts is looked at again behind the lock. A changed
right moves the account's epoch on, which ends the open sessions and stops a decision under way (orgs/actor.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from simple_history.utils import bulk_update_with_history

from accounts.models import AccountStatus, RoleAccount
from accounts.refused import Refused
from orgs import admin_notices
from orgs.actor import Actor, actor_of
from orgs.models import AdminRole, Duty, OrgAdmin

CHANGED_MEANWHILE = "您的权限或本机构的管理员刚刚发生变更，这次操作没有执行，请刷新页面后核对。"

# 此角色能做什么, in the words of the pages where it is done.
CAN_DO = {
    Duty.REGISTRATIONS: "审核人员和下级机构的注册",
    Duty.HOURS: "审核、审验学时申报",
    Duty.CHANGES: "审核职称等信息的变更",
    Duty.TRANSFERS: "审核人员调入调出、下级机构更换上级，办理人员调出",
    Duty.PEOPLE: "查询专业技术人员信息，为本单位人员重置密码",
    Duty.PROFILE: "修改本机构的联系人、电话和审核时间",
}
# What no role can give: it belongs to the super admin (F-66, F-72, F-77).
NEVER = "管理单位管理员和角色、更换上级部门、更换超级管理员只能由超级管理员办理。"

READY_MADE = {
    "全部业务": list(Duty),
    "全部审核": [Duty.REGISTRATIONS, Duty.HOURS, Duty.CHANGES, Duty.TRANSFERS],
    "注册审核员": [Duty.REGISTRATIONS],
    "学时审核员": [Duty.HOURS],
    "人员管理员": [Duty.CHANGES, Duty.TRANSFERS, Duty.PEOPLE],
    "资料管理员": [Duty.PROFILE],
}


def in_words(duties: Iterable[str]) -> list[str]:
    """此角色能做什么: one phrase per duty, in the order of Duty."""
    held = set(duties)
    return [CAN_DO.get(duty, duty.label) for duty in Duty if duty in held]


def may_manage(actor: Actor) -> bool:
    """Whether this admin may change roles and admins at all: the super admin alone (F-72, F-77)."""
    return actor.organization is not None and actor.is_super


def may_grant(granter: Actor, duties: Iterable[str]) -> bool:
    """Whether these duties, all known ones, are a subset of what the granter holds."""
    return granter.organization is not None and all(
        duty in Duty.values and granter.can(duty) for duty in duties
    )


def locked_super(organization_id: int) -> OrgAdmin | None:
    """The organisation's super admin, locked until the transaction ends: the key to every change of its admins."""
    return locked_admins().filter(organization=organization_id, is_super=True).first()


def locked_admins():
    """Admins whose rows stay locked until the transaction ends."""
    return OrgAdmin.objects.select_for_update(of=("self",), no_key=True).select_related("account", "user")


def held(by: Actor) -> Actor:
    """Lock the admins of `by`'s organisation and return `by` as the database knows them now.

    Raises Refused when this person may not change admins any more, or the rights moved on since the page was opened.
    """
    boss = locked_super(by.organization.pk) if by.organization else None
    now = actor_of(by.account) if boss else None
    if not now or not _is_as_it_was(now, by) or not may_manage(now):
        raise Refused(CHANGED_MEANWHILE)
    return now


def _is_as_it_was(now: Actor, then: Actor) -> bool:
    return now.account.status == AccountStatus.ACTIVE and now.account.epoch == then.account.epoch


@dataclass(frozen=True)
class Saved:
    """A saved role and how many admins' rights changed with it."""

    role: AdminRole
    affected: int


@transaction.atomic
def save_role(name: str, duties: Iterable[str], *, by: Actor, role_id: int | None = None) -> Saved:
    """Make a role of `by`'s organisation, or change the one with `role_id`; its admins follow at once.

    Raises Refused when `by` lacks one of the duties, holds the role, or the name is taken.
    """
    by = held(by)
    duties = _in_order(duties)
    if not duties:
        raise Refused("请至少勾选一项权限。")
    if not may_grant(by, duties):
        raise Refused("只能授予您自己拥有的权限。")
    role = _own_role(role_id, by) if role_id else AdminRole(organization=by.organization)
    if is_name_taken(name, by, role.pk):
        raise Refused(f"已有名为“{name}”的角色，请换一个名称。")
    holders = list(role.holders.select_related("account", "user", "organization")) if role.pk else []
    if any(holder.user_id == by.user.pk for holder in holders):
        raise Refused("不能修改您自己正在使用的角色。")
    changed = holders if role.duties != duties else []
    role.name, role.duties = name, duties
    role.save()
    _hand_on(role, changed)
    return Saved(role, len(changed))


@transaction.atomic
def delete_role(role_id: int, *, by: Actor) -> None:
    """Delete an own role that no admin holds. Raises Refused when one does, or it is gone already."""
    role = _own_role(role_id, held(by))
    if role.holders.exists():
        raise Refused("还有管理员在使用这个角色，请先为他们更换角色，再删除。")
    role.delete()


@transaction.atomic
def assign(admin_id: int, role_id: int, *, by: Actor) -> OrgAdmin:
    """Give an admin of `by`'s organisation another role; effective at once. Raises Refused."""
    by = held(by)
    admin = other_admin(admin_id, by)
    role = grantable_role(role_id, by)
    if admin.role_id != role.pk or admin.duties != role.duties:
        end_sessions([admin])
        admin.role, admin.duties = role, role.duties
        admin._change_reason = "更改角色"
        admin.save()
        admin_notices.role_changed(admin)
    return admin


def grantable_role(role_id: int, by: Actor) -> AdminRole:
    """The role, when it is offered to `by`'s organisation and `by` may give it. Raises Refused."""
    role = AdminRole.objects.offered_to(by).filter(pk=role_id).first()
    if role is None:
        raise Refused("所选角色已被删除，请另选一个。")
    if not may_grant(by, role.duties):
        raise Refused("只能授予您自己拥有的权限，请选择其他角色。")
    return role


def other_admin(admin_id: int, by: Actor) -> OrgAdmin:
    """An admin of `by`'s organisation who is neither its super admin nor `by`, locked. Raises Refused."""
    admin = locked_admins().filter(organization=by.organization, pk=admin_id).first()
    if admin is None:
        raise Refused("这位管理员已被移除。")
    if admin.is_super or admin.user_id == by.user.pk:
        raise Refused("超级管理员的身份只能通过“更换超级管理员”改变。")
    admin.organization = by.organization
    return admin


def is_name_taken(name: str, by: Actor, role_id: int | None) -> bool:
    """Whether another role offered to this organisation has the name."""
    return AdminRole.objects.offered_to(by).filter(name=name).exclude(pk=role_id).exists()


def end_sessions(admins: Iterable[OrgAdmin]) -> None:
    """Rights change: open sessions of these admins end, and decisions under way are refused.

    Called before the rights are written: it waits for a decision under way, so that the history's times are in order.
    """
    RoleAccount.objects.filter(pk__in=[admin.account_id for admin in admins]).end_sessions()


@transaction.atomic
def load_ready_made() -> tuple[int, int, int]:
    """Write the ready-made roles; returns how many are new, changed and as before. Their admins follow."""
    known = {role.name: role for role in AdminRole.objects.ready_made()}
    new = changed = 0
    for name, duties in READY_MADE.items():
        role = known.get(name) or AdminRole(name=name)
        if role.duties == duties:
            continue
        new, changed = new + (role.pk is None), changed + (role.pk is not None)
        role.duties = duties
        role.save()
        _hand_on(role, list(role.holders.select_related("account", "user", "organization")))
    return new, changed, len(READY_MADE) - new - changed


def _hand_on(role: AdminRole, holders: list[OrgAdmin]) -> None:
    end_sessions(holders)
    for holder in holders:
        holder.duties = role.duties
        holder.role = role
        admin_notices.role_changed(holder)
    bulk_update_with_history(holders, OrgAdmin, ["duties"], default_change_reason="修改角色")


def _own_role(role_id: int, by: Actor) -> AdminRole:
    role = AdminRole.objects.own(by).select_for_update(of=("self",), no_key=True).filter(pk=role_id).first()
    if role is None:
        raise Refused("这个角色已被删除。")
    return role


def _in_order(duties: Iterable[str]) -> list[str]:
    """As Duty lists them; what is no duty stays at the end, for may_grant to refuse."""
    given = dict.fromkeys(duties)
    return [duty for duty in Duty.values if duty in given] + [
        duty for duty in given if duty not in Duty.values
    ]
