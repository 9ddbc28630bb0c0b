"""导出日志 is append only: the database itself refuses to change or delete a row (trust.md §3.13)."""

from django.db import migrations

FORBID = """
CREATE TRIGGER desk_exportaccess_append_only BEFORE UPDATE OR DELETE ON desk_exportaccess
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
ALLOW = "DROP TRIGGER desk_exportaccess_append_only ON desk_exportaccess;"


class Migration(migrations.Migration):
    # refuse_change() comes with the workflow's own append-only log.
    dependencies = [("desk", "0001_initial"), ("workflow", "0002_append_only")]
    operations = [migrations.RunSQL(FORBID, ALLOW)]
