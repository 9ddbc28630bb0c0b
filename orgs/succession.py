"""更换超级管理员 (F-74 … F-76): the super admin offers, an admin of the same organisation accepts, one transaction swaps.

At every moment an organisation has exactly one super admin: the old row goes and the new one is raised in the same
transaction, behind the lock of granting.held, and the constraint org_admin_one_super stands behind that. The old
super admin's account is closed (F-75); other roles of the person stay as they are.
"""

from django.db import transaction
from django.utils import timezone

from accounts.models import AccountStatus
from accounts.refused import Refused
from orgs import admin_notices
from orgs.actor import Actor
from orgs.appointment import close
from orgs.granting import end_sessions, held, locked_admins, locked_super, other_admin
from orgs.models import OrgAdmin, SuperSwap, SwapState

GONE = "这次更换已经撤销或已经办结，您不用再处理。"


@transaction.atomic
def offer(admin_id: int, *, by: Actor) -> SuperSwap:
    """Ask an active admin to take over. Nothing changes until that one accepts. Raises Refused.

    The caller has checked `by`'s password.
    """
    by = held(by)
    successor = other_admin(admin_id, by)
    if successor.account.status != AccountStatus.ACTIVE or not successor.user.is_active:
        raise Refused("所选管理员已停用，请先恢复，或另选一位。")
    if SuperSwap.objects.pending().filter(organization=by.organization).exists():
        raise Refused("已有一次更换在等待接任人接受，撤销后才能另选接任人。")
    swap = SuperSwap.objects.create(organization=by.organization, outgoing=by.user, successor=successor.user)
    admin_notices.swap_offered(swap)
    return swap


@transaction.atomic
def cancel(*, by: Actor) -> None:
    """Take the pending offer of `by`'s organisation back. Raises Refused when it was answered meanwhile."""
    by = held(by)
    swap = (
        SuperSwap.objects.pending().filter(organization=by.organization).select_related("successor").first()
    )
    if swap is None:
        raise Refused(GONE)
    _close(swap, SwapState.CANCELLED)
    admin_notices.swap_cancelled(swap)


@transaction.atomic
def accept(swap_id: int, *, by: Actor) -> OrgAdmin:
    """The successor takes over: the only moment at which rights change. Raises Refused."""
    swap, outgoing, successor = _answered(swap_id, by)
    close(outgoing, "更换超级管理员")
    end_sessions([successor])
    successor.is_super, successor.role, successor.duties = True, None, []
    successor._change_reason = "接任超级管理员"
    successor.save()
    _close(swap, SwapState.ACCEPTED)
    admin_notices.swap_accepted(swap)
    return successor


@transaction.atomic
def decline(swap_id: int, *, by: Actor) -> None:
    """The successor does not want to. Raises Refused."""
    swap, _, _ = _answered(swap_id, by)
    _close(swap, SwapState.DECLINED)
    admin_notices.swap_declined(swap)


def _answered(swap_id: int, by: Actor) -> tuple[SuperSwap, OrgAdmin, OrgAdmin]:
    """The pending offer to `by`, who gives way and who takes over, all as they are behind the lock."""
    outgoing = locked_super(by.organization.pk)
    swap = SuperSwap.objects.waiting_for(by.user).filter(pk=swap_id, organization=by.organization).first()
    if swap is None or outgoing is None or outgoing.user_id != swap.outgoing_id:
        raise Refused(GONE)
    successor = locked_admins().filter(organization=by.organization, account=by.account).first()
    if successor is None or successor.account.status != AccountStatus.ACTIVE:
        raise Refused(GONE)
    return swap, outgoing, successor


def _close(swap: SuperSwap, state: str) -> None:
    swap.state, swap.closed_at = state, timezone.now()
    swap.save(update_fields=["state", "closed_at"])
