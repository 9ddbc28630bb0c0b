"""The queue of what happens outside a request: kept in the database, in the transaction that causes it.

A job is a row of procrastinate (PostgreSQL, no server of its own); `manage.py worker` runs it. Whether the row was
written by Python (`enqueue`) or by a trigger, it goes through the database function `enqueue_job`: a rolled back
transaction leaves no job, a committed one never lacks it. Arguments are ids or sealed texts, nothing personal.

A job must be able to run twice: when a worker is killed between the work and its mark, another one does it again.
"""

from collections.abc import Iterable

from django.db import connection
from django.utils import timezone
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.contrib.django import app
from psycopg.types.json import Jsonb

from accounts.models import Session

URGENT, ORDINARY = 10, 0  # what people see on the page goes before what leaves the house


def enqueue(task: str, arguments: Iterable[dict], *, priority: int = ORDINARY) -> None:
    """Queue one job of `task` for each set of arguments, in the caller's transaction. One query.

    `task.defer()` of the library would do the same in a request, but in the worker it uses a connection of its own
    and so another transaction.
    """
    rows = list(arguments)
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT enqueue_job(%s, %s, arguments) FROM jsonb_array_elements(%s) AS arguments",
                [task, priority, Jsonb(rows)],
            )


class Patient(BaseRetryStrategy):
    """Try again after one minute, then ever later, for three days; then the job stays as failed (`manage.py outbox`)."""

    MINUTES = (1, 5, 15, 30, 60, 120, *[240] * 17)

    def is_last(self, attempts: int) -> bool:
        """Whether the try after `attempts` earlier ones is the last."""
        return attempts >= len(self.MINUTES)

    def get_retry_decision(self, *, exception: BaseException, job) -> RetryDecision | None:
        if self.is_last(job.attempts):
            return None
        return RetryDecision(retry_in={"minutes": self.MINUTES[job.attempts]})


PATIENT = Patient()


@app.periodic(cron="* * * * *", periodic_id="rescue")
@app.task(name="accounts.rescue", queueing_lock="rescue")
async def rescue(timestamp: int) -> None:
    """Give the jobs of a killed worker (no sign of life for 30 seconds) to another one."""
    for job in await app.job_manager.get_stalled_jobs():
        await app.job_manager.retry_job(job)


@app.periodic(cron="7 * * * *", periodic_id="sessions")
@app.task(name="accounts.forget_sessions", queueing_lock="sessions")
def forget_sessions(timestamp: int) -> None:
    """Delete sessions that are over: also who only looked at a form has one, and nobody else takes them away."""
    Session.objects.filter(expire_date__lt=timezone.now()).delete()


@app.periodic(cron="17 3 * * *", periodic_id="tidy")
@app.task(name="accounts.tidy", queueing_lock="tidy")
async def tidy(timestamp: int) -> None:
    """Forget failed jobs after 90 days. Jobs that succeeded are deleted at once."""
    await app.job_manager.delete_old_jobs(nb_hours=90 * 24, include_failed=True)
