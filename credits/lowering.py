"""认定学时: a reviewer may recognise fewer hours than were declared, never more, and says why (F-103)."""

from decimal import Decimal

from credits.models import Declaration, Lowering
from workflow.flow import Refused
from workflow.models import Step
from workflow.wording import hours as shown

LEAST_HOURS = Decimal("0.1")  # caps may leave as little


def lower(declaration: Declaration, step: Step, hours: Decimal) -> None:
    """Recognise so many hours with the signature of `step`, whose comment is the reason. The same number changes nothing.

    Refused without a reason, above what stands now, and at nothing: that is a rejection.
    """
    before = declaration.recognised
    if hours == before:
        return
    if not LEAST_HOURS <= hours < before:
        raise Refused(f"认定学时请填 {shown(LEAST_HOURS)} 到 {shown(before)} 之间的数；完全不认定请驳回。")
    if not step.comment.strip():
        raise Refused("调低学时请在审核意见里写明理由。")
    Lowering.objects.create(
        step=step,
        declaration=declaration,
        before=before,
        after=hours,
        reason=step.comment,
        by=step.decided_by,
        at=step.decided_at,
    )
    declaration.lowered_to = hours
    declaration.save(update_fields=["lowered_to"])
