"""查看完整号码 is append only, not only in the code."""

from django.db import migrations

FORBID = """
CREATE TRIGGER registration_numbershown_append_only BEFORE UPDATE OR DELETE ON registration_numbershown
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
ALLOW = "DROP TRIGGER registration_numbershown_append_only ON registration_numbershown;"


class Migration(migrations.Migration):
    dependencies = [("registration", "0001_initial"), ("workflow", "0002_append_only")]
    operations = [migrations.RunSQL(FORBID, ALLOW)]
