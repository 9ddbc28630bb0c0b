"""入账: a checked batch is entered as a whole, in one transaction. A job of the queue; it may run again at any time."""

from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django import app

from credits.intake.checking import conclude
from credits.intake.judging import of_batch
from credits.intake.working import Again, Superseded, hold, leave, one_try, tell
from credits.models import BatchState, IntakeBatch
from credits.posting import NotEntered, enter


@app.task(name="credits.commit_batch", retry=Again(), pass_context=True)
def commit_batch(context, batch_id: int) -> None:
    """Enter one batch that a person confirmed. What changed since the check is shown as problems; nothing is entered."""

    def work() -> None:
        try:
            with transaction.atomic():
                batch = hold(batch_id, BatchState.COMMITTING)
                _commit(batch)
        except NotEntered:
            with transaction.atomic():
                batch = hold(batch_id, BatchState.COMMITTING)
                conclude(batch, set(), batch.rows_total)

    one_try(context, batch_id, BatchState.COMMITTING, work)


def _commit(batch: IntakeBatch) -> None:
    if batch.checked.count() != batch.rows_total or batch.rows_wrong:
        raise Superseded  # nobody may confirm such a batch
    done = enter(of_batch(batch))
    batch.checked.all().delete()
    new, waiting = len(done.ids), done.waiting
    leave(
        batch,
        BatchState.DONE,
        rows_new=new,
        rows_known=done.known,
        rows_waiting=waiting,
        committed_at=timezone.now(),
    )
    known = f"，{done.known:,} 行以前已经入账" if done.known else ""
    later = f"，其中 {waiting:,} 行的人员还没有注册，注册后自动计入" if waiting else ""
    tell(batch, "已入账", f"入账 {new:,} 行{known}{later}。")
