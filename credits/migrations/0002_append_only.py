"""学时账 is append only: the database itself refuses to change or delete an entry (decision 11)."""

from django.db import migrations

FORBID = """
CREATE TRIGGER credits_ledgerentry_append_only BEFORE UPDATE OR DELETE ON credits_ledgerentry
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
ALLOW = "DROP TRIGGER credits_ledgerentry_append_only ON credits_ledgerentry;"


class Migration(migrations.Migration):
    # refuse_change() comes with the workflow's own append-only log.
    dependencies = [("credits", "0001_initial"), ("workflow", "0002_append_only")]
    operations = [migrations.RunSQL(FORBID, ALLOW)]
