"""What people are found by is kept by the database itself, whoever writes a name, a number, a place or a status.

Only approved people have keys. A row is taken away by the name, number and place that it was made of, so no further
index is needed. Both sides meet at the practitioner's row: a change of the name locks it first, so that of a move and
a change of name at the same moment the second sees what the first left.
"""

from django.db import migrations

FUNCTIONS = """
CREATE FUNCTION orgs_person_keys(name text, last_four text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT orgs_name_parts(coalesce(name, ''))
           || CASE WHEN last_four <> '' THEN ARRAY['#' || last_four] ELSE '{}'::text[] END
$$;
"""
NO_FUNCTIONS = "DROP FUNCTION orgs_person_keys(text, text);"

TRIGGERS = """
CREATE FUNCTION orgs_keys_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO orgs_personkey (key, path, practitioner_id)
    SELECT unnest(orgs_person_keys(u.name, u.id_last4)), p.path, p.id
      FROM come p JOIN accounts_user u ON u.id = p.user_id WHERE p.status = 'active';
    RETURN NULL;
END $$;
CREATE FUNCTION orgs_keys_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM orgs_personkey k
     USING (SELECT g.id, g.path, unnest(orgs_person_keys(u.name, u.id_last4)) AS key
              FROM gone g JOIN come c ON c.id = g.id JOIN accounts_user u ON u.id = g.user_id
             WHERE g.status = 'active'
               AND (g.path, g.status, g.user_id) IS DISTINCT FROM (c.path, c.status, c.user_id)) was
     WHERE k.key = was.key AND k.path = was.path AND k.practitioner_id = was.id;
    INSERT INTO orgs_personkey (key, path, practitioner_id)
    SELECT unnest(orgs_person_keys(u.name, u.id_last4)), c.path, c.id
      FROM gone g JOIN come c ON c.id = g.id JOIN accounts_user u ON u.id = c.user_id
     WHERE c.status = 'active'
       AND (g.path, g.status, g.user_id) IS DISTINCT FROM (c.path, c.status, c.user_id);
    RETURN NULL;
END $$;
CREATE FUNCTION orgs_keys_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM orgs_personkey k
     USING (SELECT g.id, g.path, unnest(orgs_person_keys(u.name, u.id_last4)) AS key
              FROM gone g JOIN accounts_user u ON u.id = g.user_id WHERE g.status = 'active') was
     WHERE k.key = was.key AND k.path = was.path AND k.practitioner_id = was.id;
    RETURN NULL;
END $$;
CREATE TRIGGER orgs_keys_inserted AFTER INSERT ON orgs_practitioner
    REFERENCING NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION orgs_keys_inserted();
CREATE TRIGGER orgs_keys_updated AFTER UPDATE ON orgs_practitioner
    REFERENCING OLD TABLE AS gone NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION orgs_keys_updated();
CREATE TRIGGER orgs_keys_deleted AFTER DELETE ON orgs_practitioner
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION orgs_keys_deleted();

CREATE FUNCTION orgs_keys_renamed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE person record;
BEGIN
    SELECT id, path, status INTO person FROM orgs_practitioner WHERE user_id = NEW.id FOR NO KEY UPDATE;
    IF person.status = 'active' THEN
        DELETE FROM orgs_personkey
         WHERE key = ANY(orgs_person_keys(OLD.name, OLD.id_last4))
           AND path = person.path AND practitioner_id = person.id;
        INSERT INTO orgs_personkey (key, path, practitioner_id)
        SELECT unnest(orgs_person_keys(NEW.name, NEW.id_last4)), person.path, person.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER orgs_keys_renamed AFTER UPDATE ON accounts_user FOR EACH ROW
    WHEN ((OLD.name, OLD.id_last4) IS DISTINCT FROM (NEW.name, NEW.id_last4))
    EXECUTE FUNCTION orgs_keys_renamed();
"""
NO_TRIGGERS = """
DROP TRIGGER orgs_keys_renamed ON accounts_user;
DROP FUNCTION orgs_keys_renamed();
""" + "".join(
    f"DROP TRIGGER orgs_keys_{verb} ON orgs_practitioner; DROP FUNCTION orgs_keys_{verb}();"
    for verb in ("inserted", "updated", "deleted")
)


class Migration(migrations.Migration):
    dependencies = [("orgs", "0001_initial"), ("accounts", "0001_initial")]
    operations = [
        migrations.RunSQL(FUNCTIONS, NO_FUNCTIONS),
        migrations.RunSQL(TRIGGERS, NO_TRIGGERS),
    ]
