"""Of a platform's record one more thing may change: the index of the person, to what a rotation of keys says it is.

accounts_indexstep is filled by the rotation alone, which runs as the owner of the tables (deploy/grants.sql).
"""

from django.db import migrations

ALSO = """
CREATE OR REPLACE FUNCTION credits_attach_once() RETURNS trigger LANGUAGE plpgsql AS $$
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
"""
ONLY = """
CREATE OR REPLACE FUNCTION credits_attach_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.practitioner_id IS NULL AND NEW.practitioner_id IS NOT NULL
       AND to_jsonb(NEW) - 'practitioner_id' = to_jsonb(OLD) - 'practitioner_id' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'append only: %', TG_TABLE_NAME;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0003_tallies"), ("accounts", "0003_index_steps_and_forgetting")]
    operations = [migrations.RunSQL(ALSO, ONLY)]
