"""手机丢失: whoever has neither the telephone nor a recovery code is let in again by those above (P3).

The super admin of an organisation does it for the people and admins of that organisation and of everything below it,
the platform's for everybody. All roles of the person must lie there: who also works for another branch, or further
up, is that branch's matter, or a unit could open a bureau's account by way of somebody who is in both.
"""

from django.db import transaction

from accounts import second_factor
from accounts.id_number import IdNumber
from accounts.models import RoleAccount, User
from accounts.refused import Refused
from orgs.actor import Actor, hold_right

# One sentence for all reasons: it must not tell who is known here and who has a second factor.
NOBODY = "没有可以办理的人。请核对身份证号；此人的所有身份须在本机构或下级机构，并且已开启两步验证。"


def within_reach(actor: Actor, user: User) -> bool:
    """Whether this super admin stands above every role of the person (and is somebody else)."""
    if actor.organization is None or not actor.is_super or user.pk == actor.user.pk:
        return False
    accounts = user.accounts.live().select_related("practitioner", "org_admin__organization")
    return bool(accounts) and all(_is_below(actor, account) for account in accounts)


def _is_below(actor: Actor, account: RoleAccount) -> bool:
    mine = actor.organization.path
    if practitioner := getattr(account, "practitioner", None):
        return practitioner.path.startswith(mine)
    if admin := getattr(account, "org_admin", None):
        own_super = admin.is_super and admin.organization_id == actor.organization.pk
        return admin.organization.path.startswith(mine) and not own_super
    return False


@transaction.atomic
def take_away(number: IdNumber, reason: str, *, by: Actor) -> User:
    """Turn off the second factor of the person with this ID number, whose sessions end. Raises Refused."""
    hold_right(by)
    user = User.objects.by_id_number(number).select_for_update(no_key=True).first()
    if user is None or not within_reach(by, user) or not second_factor.has(user):
        raise Refused(NOBODY)
    second_factor.take_away(user, by=by.user, organization=by.organization.name, reason=reason)
    return user
