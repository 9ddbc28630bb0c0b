"""管理单位管理员: who becomes an admin and who ceases to be one (F-72, F-73, F-78).

An admin who is removed loses the OrgAdmin row: it is deleted, and with it every filter over admins is right without a
word about former ones. Nothing signed hangs on it (steps and events name the person and the organisation), its own
history keeps every state with the moment and who did it, and the role account stays, closed, as the person's record.
Adding the same person again makes a new row and a new account, so nothing of the old sessions comes back.
"""

import datetime
from collections.abc import Callable
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from accounts import password
from accounts.closing import retire
from accounts.id_number import IdNumber
from accounts.models import AccountStatus, RoleAccount, User
from accounts.refused import Refused
from orgs import admin_notices
from orgs.actor import Actor
from orgs.granting import end_sessions, grantable_role, held, other_admin
from orgs.models import OrgAdmin, Organization, SuperSwap

INVITATION_LASTS = datetime.timedelta(days=3)
APPEARED = "此人刚刚在平台上注册，请核对姓名后再次添加。"


@dataclass(frozen=True)
class Entry:
    """What is entered about a person whom the platform does not know: at least one of the two contacts."""

    name: str
    mobile: str = ""
    email: str = ""


Link = Callable[[str], str]  # the address of the page that a token opens


def candidate(number: IdNumber, organization: Organization) -> User | None:
    """The person of the platform with this ID number, None for one to be entered anew.

    Somebody whose registrations were all refused or closed counts as unknown, as at the login: nobody vouched for
    what that row says. Raises Refused when the person cannot become an admin here now.
    """
    user = User.objects.by_id_number(number).first()
    if user is None:
        return None
    admin = OrgAdmin.objects.filter(organization=organization, user=user).select_related("account").first()
    if admin and admin.account.status == AccountStatus.SUSPENDED:
        raise Refused("此人已是本机构的管理员，现在停用中，可在管理员列表中恢复。")
    if admin:
        raise Refused("此人已是本机构的管理员，无需重复添加。")
    if not user.is_active:
        raise Refused("此人的账号已被平台停用，不能添加为管理员。")
    statuses = set(user.accounts.live().values_list("status", flat=True))
    if statuses == {AccountStatus.PENDING}:
        raise Refused("此人的注册还在审核中，审核通过后才能添加为管理员。")
    return user if statuses else None


@transaction.atomic
def appoint(number: IdNumber, role_id: int, *, by: Actor, link: Link, entry: Entry | None = None) -> OrgAdmin:
    """Make a person an admin of `by`'s organisation with this role, without further review.

    `entry` is for a person whom the platform does not know, and None for one it knows. Who has no password yet is
    sent an invitation to set one. Raises Refused.
    """
    by = held(by)
    role = grantable_role(role_id, by)
    user = candidate(number, by.organization)
    if user and entry:
        raise Refused(APPEARED)
    if user is None:
        if entry is None:
            raise Refused("请填写此人的姓名和联系方式。")
        user = enter_person(number, entry)
    account = RoleAccount.objects.create(
        user=user,
        role=by.organization.role,
        status=AccountStatus.ACTIVE,
        place=by.organization.name,
    )
    admin = OrgAdmin.objects.create(
        account=account, user=user, organization=by.organization, role=role, duties=role.duties
    )
    if user.has_usable_password():
        admin_notices.added(admin)
    else:
        _invite(admin, link)
    return admin


def enter_person(number: IdNumber, entry: Entry) -> User:
    """The person with this number, made or written anew, without a password. Raises Refused when known meanwhile."""
    fields = {"name": entry.name, "mobile": entry.mobile, "email": entry.email}
    user = User.objects.by_id_number(number).select_for_update(no_key=True).first()
    if user is None:
        try:
            with transaction.atomic():
                return User.objects.create_user(number, None, **fields)
        except IntegrityError as error:
            if "user_id_number_once" not in str(error):
                raise
            raise Refused(APPEARED) from error
    if user.accounts.live().exists():
        raise Refused(APPEARED)
    # Whoever registered in vain under this number gets no admin's right and reads nothing of it.
    retire(user)
    user.messages.all().delete()
    for name, value in fields.items():
        setattr(user, name, value)
    user.save()
    return user


@transaction.atomic
def invite_again(admin_id: int, *, by: Actor, link: Link) -> None:
    """A fresh invitation for an admin who never set a password. Raises Refused when one was set."""
    admin = other_admin(admin_id, held(by))
    if admin.user.has_usable_password():
        raise Refused("此人已设置过密码，无需再次邀请；忘记密码可在登录页找回。")
    _invite(admin, link)


def _invite(admin: OrgAdmin, link: Link) -> None:
    # Without an address the token would go nowhere: the SMS names 忘记登录密码 instead.
    token, _ = password.start_reset(
        admin.user if admin.user.email else None, with_code=False, lasts=INVITATION_LASTS
    )
    admin_notices.invited(admin, link(token))


@transaction.atomic
def suspend(admin_id: int, *, by: Actor) -> OrgAdmin:
    """Stop an admin for the time being; open sessions end at once. Raises Refused."""
    admin = other_admin(admin_id, held(by))
    _to(admin, AccountStatus.ACTIVE, AccountStatus.SUSPENDED, "这位管理员已经停用。")
    end_sessions([admin])
    SuperSwap.objects.pending().filter(organization=by.organization, successor=admin.user).cancel()
    admin_notices.suspended(admin)
    return admin


@transaction.atomic
def restore(admin_id: int, *, by: Actor) -> OrgAdmin:
    """Let a suspended admin work again. Raises Refused."""
    admin = other_admin(admin_id, held(by))
    _to(admin, AccountStatus.SUSPENDED, AccountStatus.ACTIVE, "这位管理员没有停用，无需恢复。")
    admin_notices.restored(admin)
    return admin


@transaction.atomic
def remove(admin_id: int, *, by: Actor) -> OrgAdmin:
    """End an admin's right for good; other roles of the person stay. Raises Refused."""
    admin = other_admin(admin_id, held(by))
    SuperSwap.objects.pending().filter(organization=by.organization, successor=admin.user).cancel()
    close(admin, "移除")
    admin_notices.removed(admin)
    return admin


def close(admin: OrgAdmin, reason: str) -> None:
    """Close the account, end its sessions, delete the row (its history stays, with the reason)."""
    RoleAccount.objects.filter(pk=admin.account_id).update(status=AccountStatus.CLOSED)
    end_sessions([admin])
    admin._change_reason = reason
    admin.delete()


def _to(admin: OrgAdmin, old: str, new: str, otherwise: str) -> None:
    """From one state to the other, once."""
    if not RoleAccount.objects.filter(pk=admin.account_id, status=old).update(status=new):
        raise Refused(otherwise)
    admin._change_reason = "停用" if new == AccountStatus.SUSPENDED else "恢复"
    admin.save()  # nothing of the row changes: who did it, and when, stands in its history
