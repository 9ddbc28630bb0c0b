"""Jobs are queued by the database itself, in the transaction that causes them (accounts/queue.py).

`enqueue_job` is the one place that knows how the library's table is written to. The trigger queues the mail of each
new message; a message that was there already (ON CONFLICT DO NOTHING) queues none.
"""

from django.db import migrations

MAKE = """
CREATE FUNCTION enqueue_job(task text, priority integer, arguments jsonb) RETURNS void LANGUAGE sql AS $$
    SELECT procrastinate_defer_jobs_v1(
        ARRAY[ROW('default', task, priority, NULL, NULL, arguments, NULL)::procrastinate_job_to_defer_v1]
    )
$$;
CREATE FUNCTION queue_mail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM enqueue_job('accounts.mail_message', 0, jsonb_build_object('message_id', NEW.id));
    RETURN NULL;
END $$;
CREATE TRIGGER accounts_message_mail AFTER INSERT ON accounts_message
    FOR EACH ROW WHEN (NEW.by_mail) EXECUTE FUNCTION queue_mail();
"""
UNMAKE = """
DROP TRIGGER accounts_message_mail ON accounts_message;
DROP FUNCTION queue_mail();
DROP FUNCTION enqueue_job(text, integer, jsonb);
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial"), ("procrastinate", "0041_post_retry_failed_job")]
    operations = [migrations.RunSQL(MAKE, UNMAKE)]
