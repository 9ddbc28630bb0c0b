"""What may never be changed: the ledger, lowered hours, certificates and their events, draws, platforms' records.

The database itself refuses (decision 11, trust.md §3.11). Of a platform's record one thing may be filled in, once:
the practitioner, when the person registers. And the index of the person may become what a rotation of keys says it is
(accounts_indexstep, filled by the rotation alone, which runs as the owner of the tables: deploy/grants.sql).
"""

from django.db import migrations

TABLES = ["ledgerentry", "lowering", "certificate", "certificateevent", "sampledraw", "sampleitem"]

FORBID = "".join(
    f"""
CREATE TRIGGER credits_{table}_append_only BEFORE UPDATE OR DELETE ON credits_{table}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
    for table in TABLES
)
ALLOW = "".join(f"DROP TRIGGER credits_{table}_append_only ON credits_{table};" for table in TABLES)

ATTACH_ONCE = """
CREATE FUNCTION credits_attach_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.practitioner_id IS NULL AND NEW.practitioner_id IS NOT NULL
       AND to_jsonb(NEW) - 'practitioner_id' = to_jsonb(OLD) - 'practitioner_id' THEN
        RETURN NEW;
    END IF;
    IF NEW.person_index <> OLD.person_index
       AND to_jsonb(NEW) - 'person_index' = to_jsonb(OLD) - 'person_index'
       AND EXISTS (SELECT FROM accounts_indexstep WHERE before = OLD.person_index AND after = NEW.person_index) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'append only: %', TG_TABLE_NAME;
END $$;
CREATE TRIGGER credits_intakerecord_attach_once BEFORE UPDATE ON credits_intakerecord
    FOR EACH ROW EXECUTE FUNCTION credits_attach_once();
CREATE TRIGGER credits_intakerecord_append_only BEFORE DELETE ON credits_intakerecord
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
ATTACH_FREELY = """
DROP TRIGGER credits_intakerecord_append_only ON credits_intakerecord;
DROP TRIGGER credits_intakerecord_attach_once ON credits_intakerecord;
DROP FUNCTION credits_attach_once();
"""


class Migration(migrations.Migration):
    # refuse_change() comes with the workflow's own append-only log.
    dependencies = [
        ("credits", "0001_initial"),
        ("workflow", "0002_append_only"),
        ("accounts", "0002_queue"),
    ]
    operations = [migrations.RunSQL(FORBID, ALLOW), migrations.RunSQL(ATTACH_ONCE, ATTACH_FREELY)]
