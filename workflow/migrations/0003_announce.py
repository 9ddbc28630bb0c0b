"""Each entry of 办理记录 queues its announcement (workflow/announce.py), at no round trip of the one who decides.

Who loads old records in bulk disables the trigger workflow_event_announce meanwhile: old news is nobody's mail.
"""

from django.db import migrations

MAKE = """
CREATE FUNCTION queue_announcement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM enqueue_job('workflow.announce', 10, jsonb_build_object('event_id', NEW.id));
    RETURN NULL;
END $$;
CREATE TRIGGER workflow_event_announce AFTER INSERT ON workflow_event
    FOR EACH ROW EXECUTE FUNCTION queue_announcement();
"""
UNMAKE = """
DROP TRIGGER workflow_event_announce ON workflow_event;
DROP FUNCTION queue_announcement();
"""


class Migration(migrations.Migration):
    dependencies = [("workflow", "0002_append_only"), ("accounts", "0002_queue")]
    operations = [migrations.RunSQL(MAKE, UNMAKE)]
