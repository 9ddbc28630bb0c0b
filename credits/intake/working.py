"""What the jobs of a batch have in common: one worker at a time, several tries, progress, and a word to the uploader."""

import logging
import time
from collections.abc import Callable

from django.db import connection, connections, transaction
from django.urls import reverse
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.exceptions import JobAborted

from accounts.models import RoleAccount
from accounts.outbox import notify
from credits.models import BatchState, IntakeBatch

logger = logging.getLogger(__name__)

BATCH_LOCK = 722263  # the class of the advisory locks; orgs.tree and credits.tallies have their own
MOST_TRIES = 3
LOOK_EVERY = 0.5  # seconds between two looks at whether somebody cancelled
LONGEST = "10min"  # of one statement, and of reading between two
INTERRUPTED = f"处理中断了 {MOST_TRIES} 次，没有完成，什么都没有入账。请重新上传，仍不成功请联系技术支持。"


class Again(BaseRetryStrategy):
    """As often as `trying` allows."""

    def get_retry_decision(self, *, exception: BaseException, job) -> RetryDecision | None:
        return RetryDecision(retry_in={"seconds": 10})


class Superseded(Exception):
    """The batch is not in the state of this job any more: cancelled, or done by another worker."""


def one_try(context, batch_id: int, state: str, work: Callable[[], None]) -> None:
    """One try of the job that takes a batch out of `state`. Nothing of a failed try stays; the last one is told."""
    if context.job.attempts >= MOST_TRIES:  # killed each time: nobody was left to say so
        fail(batch_id, state, INTERRUPTED)
        return
    try:
        work()
    except Superseded:
        logger.info("batch %s: stopped", batch_id)
    except JobAborted:  # the worker was told to stop: another one begins anew
        raise
    except Exception as error:
        logger.warning("batch %s, try %s: %s", batch_id, context.job.attempts + 1, type(error).__name__)
        if context.job.attempts + 1 < MOST_TRIES:
            raise
        fail(batch_id, state, INTERRUPTED)


def hold(batch_id: int, state: str) -> IntakeBatch:
    """The batch, for this worker alone until the transaction ends. Superseded when it is not in `state` any more."""
    with connection.cursor() as cursor:
        for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute(f"SET LOCAL {name} = '{LONGEST}'")
        # Not the row's own lock: progress is written to it from outside.
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [BATCH_LOCK, batch_id])
    found = (
        IntakeBatch.objects.select_related("provider__bureau", "by").filter(pk=batch_id, state=state).first()
    )
    if found is None:
        raise Superseded
    return found


def leave(batch: IntakeBatch, state: str, **fields) -> None:
    """Take the batch out of the state it is held in. Superseded when somebody cancelled it meanwhile."""
    left = IntakeBatch.objects.filter(pk=batch.pk, state=batch.state)
    if not left.update(state=state, **fields):
        raise Superseded
    for name, value in {"state": state, **fields}.items():
        setattr(batch, name, value)


def fail(batch_id: int, state: str, sentence: str) -> None:
    """The end of a batch that cannot go on, with the sentence for who uploaded it."""
    with transaction.atomic():
        failed = IntakeBatch.objects.filter(pk=batch_id, state=state)
        if not failed.update(state=BatchState.FAILED, sentence=sentence):
            return
        batch = IntakeBatch.objects.select_related("by").get(pk=batch_id)
        batch.checked.all().delete()
        tell(batch, "没有完成", sentence)
    drop_file(batch)


def drop_file(batch: IntakeBatch) -> None:
    """Whole ID numbers lie in no file longer than needed."""
    if batch.file:
        batch.file.delete(save=False)
        IntakeBatch.objects.filter(pk=batch.pk).update(file="")


def tell(batch: IntakeBatch, what: str, text: str) -> None:
    """A message to who uploaded the batch, in the caller's transaction."""
    url = reverse("credits:intake_batch", args=[batch.pk])
    account = RoleAccount.objects.filter(user=batch.by, org_admin__organization=batch.organization_id).first()
    notify(
        batch.by,
        f"学时导入“{batch.name[:40]}”{what}",
        text,
        key=f"intake:{batch.pk}:{batch.state}:{batch.rows_wrong}",
        url=url,
        account=account,
    )


class Progress:
    """Shows how far the job is, on a connection of its own: the other one is in the middle of a transaction."""

    def __init__(self, context, batch: IntakeBatch):
        self.context, self.batch, self.looked = context, batch, 0.0

    def __enter__(self) -> "Progress":
        self.connection = connections["default"].copy()
        return self

    def __exit__(self, *error) -> None:
        self.connection.close()

    def at(self, rows: int, share: float) -> None:
        """So many rows are done, which is this share of the file."""
        if time.monotonic() - self.looked < LOOK_EVERY:
            return
        self.looked = time.monotonic()
        if self.context.should_abort():
            raise JobAborted
        with self.connection.cursor() as cursor:
            cursor.execute(
                "UPDATE credits_intakebatch SET rows_done = %s, rows_total = %s WHERE id = %s AND state = %s",
                [rows, max(rows, round(rows / share)) if share else rows, self.batch.pk, self.batch.state],
            )
            if not cursor.rowcount:
                raise Superseded
