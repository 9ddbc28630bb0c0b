"""临时代码: issued by the platform, revoked by it, replaced by the real code (F-92 … F-94).

The code is a register's entry: it counts while the register says so. A unit whose registration was refused after it
got its code may register again with it; nobody else can use it.
"""

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from accounts.models import User
from orgs import uscc
from orgs.actor import Actor, hold_right
from orgs.models import Division, OrgAdmin, Organization
from registration import letters
from registration.models.codes import TemporaryCode
from workflow.flow import Refused


@transaction.atomic
def issue(organization: Organization, name: str, division_id: str, by: User) -> TemporaryCode:
    """Give the organisation the next code of its division. Raises Refused when the division cannot have codes."""
    division = Division.objects.select_for_update(no_key=True).get(pk=division_id)  # one after the other
    last = TemporaryCode.objects.filter(division=division).aggregate(last=Max("serial"))["last"] or 0
    try:
        code = uscc.make_temporary(division.code, last + 1)
    except ValueError as error:
        raise Refused(f"“{division.name}”的区划代码不能用来编临时代码，请驳回并请对方另选区划。") from error
    return TemporaryCode.objects.create(
        code=code, division=division, serial=last + 1, name=name, organization=organization, issued_by=by
    )


def check_usable(code: str, name: str) -> None:
    """Raise ValidationError unless this code was issued for a unit of this name and still counts."""
    found = TemporaryCode.objects.filter(code=code).first()
    if found is None:
        raise ValidationError(
            "平台没有发放过这个临时代码，请逐位核对。没有代码的，请勾选下面的“申请临时代码”。"
        )
    if found.revoked_at:
        raise ValidationError("这个临时代码已被平台撤销，请填写统一社会信用代码，或重新申请临时代码。")
    if found.replaced_at:
        raise ValidationError("这个临时代码已换成统一社会信用代码，请填写统一社会信用代码。")
    if name and found.name != name:
        raise ValidationError("单位名称与临时代码证明上的不一致，请按证明填写。")


def hand_over(code: str, organization: Organization) -> None:
    """The code now belongs to this registration of the same unit. Raises Refused when it was revoked meanwhile."""
    if not TemporaryCode.objects.usable().filter(code=code).update(organization=organization):
        raise Refused(
            f"临时代码 {code} 已被平台撤销，不能通过。请驳回，并请对方填写统一社会信用代码或重新申请临时代码。"
        )


def replace(organization: Organization, real: str) -> None:
    """The real code takes the place of the temporary one."""
    TemporaryCode.objects.filter(code=organization.uscc, replaced_at__isnull=True).update(
        replaced_by=real, replaced_at=timezone.now()
    )


@transaction.atomic
def revoke(code_id: int, reason: str, by: Actor) -> TemporaryCode:
    """The code no longer counts; its unit's super admin is told. Raises Refused when it does not count already."""
    hold_right(by)
    # Whose it is, is read after the lock: it may be handed over meanwhile.
    found = TemporaryCode.objects.select_for_update(no_key=True).get(pk=code_id)
    if found.revoked_at:
        raise Refused("这个临时代码已经撤销，您不用再处理。")
    if found.replaced_at:
        raise Refused("这个临时代码已换成统一社会信用代码，不用撤销。")
    found.revoked_at, found.revoked_by, found.revoke_reason = timezone.now(), by.user, reason
    found.save(update_fields=["revoked_at", "revoked_by", "revoke_reason"])
    for admin in OrgAdmin.objects.filter(organization=found.organization, is_super=True).select_related(
        "user"
    ):
        letters.code_revoked(admin.user, found)
    return found
