"""What nobody needs any more: nonces of old requests, counts of old refusals, batches that nobody confirmed."""

import datetime

from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django import app

from credits.api.signing import LEEWAY
from credits.intake.working import drop_file, tell
from credits.models import BatchState, IntakeBatch, ProviderNonce, PushRefusal
from credits.years import today

CONFIRM_WITHIN = datetime.timedelta(days=7)
REFUSALS_FOR = datetime.timedelta(days=90)


@app.periodic(cron="23 * * * *", periodic_id="intake")
@app.task(name="credits.tidy_intake", queueing_lock="intake")
def tidy(timestamp: int = 0) -> None:
    """Safe to run twice."""
    # A request whose time stamp is too old is refused by that; twice the leeway, for clocks that run ahead.
    ProviderNonce.objects.filter(at__lt=timezone.now() - 2 * LEEWAY - datetime.timedelta(minutes=5)).delete()
    PushRefusal.objects.filter(day__lt=today() - REFUSALS_FOR).delete()
    old = IntakeBatch.objects.filter(state=BatchState.CHECKED, created_at__lt=timezone.now() - CONFIRM_WITHIN)
    for pk in old.values_list("pk", flat=True):
        _give_up(pk)


@transaction.atomic
def _give_up(pk: int) -> None:
    """Names and indexes of people are not kept for a batch that nobody confirms."""
    rows = IntakeBatch.objects.select_for_update(of=("self",), no_key=True).select_related("by")
    batch = rows.filter(pk=pk, state=BatchState.CHECKED).first()
    if batch is None:
        return
    batch.state = BatchState.CANCELLED
    batch.save(update_fields=["state"])
    batch.checked.all().delete()
    drop_file(batch)
    tell(
        batch,
        "已取消",
        f"检查后 {CONFIRM_WITHIN.days} 天没有确认，已自动取消，什么都没有入账。需要时请重新上传。",
    )
