"""What the worker would send, sent inside the test's own transaction, which no worker can see into.

The worker itself is run for real in tests/test_messages_worker.py.
"""

import json
from types import SimpleNamespace

from django.db import connection

from accounts import outbox


def newest() -> int:
    """The id of the job that was queued last."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM procrastinate_jobs")
        return cursor.fetchone()[0]


def deliver(*, after: int = 0) -> None:
    """Run the mails and SMS queued after that job once, in order; what a server refuses is dropped, as far as the
    test goes.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH gone AS (DELETE FROM procrastinate_jobs WHERE id > %s AND task_name = ANY(%s) RETURNING *)"
            " SELECT task_name, args FROM gone ORDER BY id",
            [after, ["accounts.mail_message", "accounts.send_sealed"]],
        )
        jobs = cursor.fetchall()
    context = SimpleNamespace(job=SimpleNamespace(attempts=0))
    for name, text in jobs:
        arguments = json.loads(text)
        try:
            if name == "accounts.mail_message":
                outbox.mail_message.func(context, **arguments)
            else:
                outbox.send_sealed.func(**arguments)
        except outbox.NotSent:
            pass
