"""What waits in this installation, and for how long: out of the database, for /ready/ and /metrics."""

from typing import NamedTuple

from django.db import connection, transaction

PATIENCE = "2s"  # a figure is not worth more of the database's time


class Steps(NamedTuple):
    """Sign-offs that are open: how many, and the seconds since the oldest was opened."""

    open: int
    oldest: int


class Jobs(NamedTuple):
    """Jobs of one task: not done yet, given up, and the seconds since the oldest not done one was queued."""

    task: str
    waiting: int
    failed: int
    oldest: int


def ask(sql: str) -> list[tuple]:
    """Rows of a question that gives up after PATIENCE. Raises DatabaseError."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{PATIENCE}'")
        cursor.execute(sql)
        return cursor.fetchall()


def steps() -> Steps:
    """Open sign-offs: a scan of the partial index of the inboxes."""
    [row] = ask(
        "SELECT count(*), coalesce(extract(epoch FROM now() - min(opened_at)), 0)::bigint "
        "FROM workflow_step WHERE state = 'open'"
    )
    return Steps(*row)


def jobs() -> list[Jobs]:
    """The queue of messages, mail and SMS (accounts/queue.py). What succeeded is not in it any more."""
    rows = ask("""
        SELECT task_name, count(*) FILTER (WHERE status IN ('todo', 'doing')),
               count(*) FILTER (WHERE status = 'failed'),
               coalesce(extract(epoch FROM now() - min(queued.at) FILTER (WHERE status IN ('todo', 'doing'))), 0)::bigint
          FROM procrastinate_jobs job
          LEFT JOIN procrastinate_events queued ON queued.job_id = job.id AND queued.type = 'deferred'
         GROUP BY task_name ORDER BY task_name""")
    return [Jobs(*row) for row in rows]


def queue_lag() -> int:
    """Seconds since the first job that could be done now became due: more than a minute says that no worker works."""
    rows = ask("""
        SELECT greatest(extract(epoch FROM now() - coalesce(job.scheduled_at, queued.at)), 0)::bigint
          FROM procrastinate_jobs job
          LEFT JOIN procrastinate_events queued ON queued.job_id = job.id AND queued.type = 'deferred'
         WHERE status = 'todo' AND (job.scheduled_at IS NULL OR job.scheduled_at <= now())
         ORDER BY job.id LIMIT 1""")
    return (rows[0][0] or 0) if rows else 0
