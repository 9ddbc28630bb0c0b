"""查看记录 is append only, and what a person no longer needs to be kept for can be forgotten by the application.

Both functions run with the owner's rights, because the application itself may neither delete from a log nor touch
history tables (deploy/grants.sql). Each holds its own rule: no entry younger than half a year, nobody with a live role.
"""

from django.db import migrations

FORBID = """
CREATE FUNCTION refuse_access_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.at < now() - interval '183 days' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is append only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER orgs_accessentry_append_only BEFORE UPDATE OR DELETE ON orgs_accessentry
    FOR EACH ROW EXECUTE FUNCTION refuse_access_change();

CREATE FUNCTION forget_access(before timestamptz) RETURNS bigint LANGUAGE sql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
    WITH gone AS (
        DELETE FROM orgs_accessentry WHERE at < least(before, now() - interval '183 days') RETURNING 1
    )
    SELECT count(*) FROM gone
$$;

-- The history of a person, and their name as the contact in that of organisations which they administered.
CREATE FUNCTION forget_history(person bigint, called text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM accounts_roleaccount WHERE user_id = person AND status <> 'closed') THEN
        RAISE EXCEPTION 'user % has a live role', person USING ERRCODE = 'restrict_violation';
    END IF;
    DELETE FROM orgs_historicalpractitioner WHERE user_id = person;
    UPDATE orgs_historicalorganization SET contact_name = '' WHERE contact_name = called
       AND id IN (SELECT organization_id FROM orgs_historicalorgadmin WHERE user_id = person);
    UPDATE accounts_secondfactorreset SET reason = replace(reason, called, '本人') WHERE user_id = person;
END $$;
"""
ALLOW = """
DROP FUNCTION forget_history(bigint, text);
DROP FUNCTION forget_access(timestamptz);
DROP TRIGGER orgs_accessentry_append_only ON orgs_accessentry;
DROP FUNCTION refuse_access_change();
"""


class Migration(migrations.Migration):
    dependencies = [("orgs", "0002_person_keys")]
    operations = [migrations.RunSQL(FORBID, ALLOW)]
