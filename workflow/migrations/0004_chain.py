"""The log is a chain: each event carries a digest of what it says and of the event before it (workflow/chain.py).

The database reckons it itself, so that no writer can forget it and a decision stays at its number of statements. The
text that is hashed has no date, no number format and no setting of the session in it; workflow/chain.py writes the
same text in Python.
"""

from django.db import migrations

MAKE = r"""
CREATE FUNCTION event_digest(one workflow_event, previous bytea) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(convert_to(concat_ws(E'\n',
        'event 1', one.application_id, one.number, one.id, coalesce(one.step_id::text, ''),
        char_length(one.verb) || ':' || one.verb, one.user_id, coalesce(one.organization_id::text, ''),
        (extract(epoch FROM one.at) * 1000000)::bigint, encode(previous, 'hex'), one.comment), 'UTF8'))
$$;
CREATE FUNCTION chain_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    previous bytea;
BEGIN
    -- Volatile: the events that this very statement wrote before are seen, so several of one application are chained.
    SELECT number + 1, digest INTO NEW.number, previous FROM workflow_event
     WHERE application_id = NEW.application_id ORDER BY number DESC LIMIT 1;
    IF NOT FOUND THEN
        NEW.number := 1;
        previous := '';
    END IF;
    NEW.digest := event_digest(NEW, previous);
    RETURN NEW;
END $$;
CREATE TRIGGER workflow_event_chain BEFORE INSERT ON workflow_event
    FOR EACH ROW EXECUTE FUNCTION chain_event();
CREATE TRIGGER workflow_dayseal_append_only BEFORE UPDATE OR DELETE ON workflow_dayseal
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
UNMAKE = """
DROP TRIGGER workflow_dayseal_append_only ON workflow_dayseal;
DROP TRIGGER workflow_event_chain ON workflow_event;
DROP FUNCTION chain_event();
DROP FUNCTION event_digest(workflow_event, bytea);
"""


class Migration(migrations.Migration):
    dependencies = [("workflow", "0003_announce")]
    operations = [migrations.RunSQL(MAKE, UNMAKE)]
