-- What the roles of roles.sql may do with the tables as they are now. Plain SQL: `manage.py migrate` runs it by itself
-- at its end when it runs as cpe_owner. May be run any number of times.

GRANT USAGE ON SCHEMA public TO cpe_app, cpe_readonly;

-- --- the application: rows, no tables ------------------------------------------------------------
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO cpe_app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO cpe_app;
REVOKE TRUNCATE, REFERENCES, TRIGGER ON ALL TABLES IN SCHEMA public FROM cpe_app;

-- Records that are only ever added to: which they are is said by the triggers that refuse changes (refuse_change).
-- The trigger stops a mistake; without the privilege not even a changed program gets as far as the trigger.
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT tgrelid::regclass AS called, bool_or(tgtype & 16 > 0) AS no_update, bool_or(tgtype & 8 > 0) AS no_delete
          FROM pg_trigger
          JOIN pg_proc ON pg_proc.oid = tgfoid
         WHERE proname = 'refuse_change' AND tgqual IS NULL AND tgattr = ''::int2vector
         GROUP BY tgrelid
    LOOP
        IF one.no_update THEN
            EXECUTE format('REVOKE UPDATE ON %s FROM cpe_app', one.called);
        END IF;
        IF one.no_delete THEN
            EXECUTE format('REVOKE DELETE ON %s FROM cpe_app', one.called);
        END IF;
    END LOOP;
    -- History and who did what on whose behalf: the application adds, nothing more.
    FOR one IN
        SELECT c.oid::regclass AS called
          FROM pg_class c
         WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
           AND (relname LIKE '%\_historical%'
                OR relname IN ('accounts_secondfactorreset', 'orgs_accessentry', 'django_admin_log'))
    LOOP
        EXECUTE format('REVOKE UPDATE, DELETE ON %s FROM cpe_app', one.called);
    END LOOP;
    -- A rotation of keys is the owner's: what it says may be done to records that nobody else changes.
    IF to_regclass('public.accounts_indexstep') IS NOT NULL THEN
        REVOKE INSERT, UPDATE, DELETE ON accounts_indexstep FROM cpe_app;
    END IF;
    -- Which migrations were applied is the owner's to write.
    IF to_regclass('public.django_migrations') IS NOT NULL THEN
        REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM cpe_app;
    END IF;
END $$;

-- --- reading along: figures and reports, no secrets ------------------------------------------------
-- Neither tables of keys, sessions and one-time secrets, nor columns of passwords, sealed values and blind indexes.
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM cpe_readonly;
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT table_name, string_agg(quote_ident(column_name), ', ') AS columns
          FROM information_schema.columns
          JOIN pg_class ON pg_class.oid = to_regclass(quote_ident(table_schema) || '.' || quote_ident(table_name))
         WHERE table_schema = 'public' AND relkind IN ('r', 'p', 'v')
           AND table_name NOT LIKE 'procrastinate\_%'
           AND table_name !~ '(session|passwordreset|oneusesecret|authenticator|recoverycode|accounts_tally|providerkey|indexstep)$'
           AND data_type <> 'bytea' AND column_name NOT IN ('password', 'id_index', 'new_id_index', 'person_index', 'draft', 'token', 'secret')
         GROUP BY table_name
    LOOP
        EXECUTE format('GRANT SELECT (%s) ON %I TO cpe_readonly', one.columns, one.table_name);
    END LOOP;
END $$;
