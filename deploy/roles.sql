-- The roles of an installation, and what each may do. Run once, by an administrator of the server:
--
--     createdb --encoding=UTF8 --locale=C.UTF-8 --template=template0 cpe
--     psql --set=ON_ERROR_STOP=1 --dbname=cpe --file=deploy/roles.sql
--     psql --dbname=cpe        then  \password cpe_owner   \password cpe_app   \password cpe_readonly   \password cpe_backup
--
-- cpe_owner     owns the tables: migrations alone (manage.py migrate)
-- cpe_app       the website and the worker: rows, no tables; may not change what is only added to
-- cpe_readonly  reports by other means: no secrets, no writing
-- cpe_backup    deploy/backup.sh: copies the whole server, so its password is worth all of it
--
-- May be run any number of times. Timeouts stand here, because PgBouncer passes on no start-up options.

DO $$
DECLARE
    called text;
BEGIN
    FOREACH called IN ARRAY ARRAY['cpe_owner', 'cpe_app', 'cpe_readonly'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = called) THEN
            EXECUTE format('CREATE ROLE %I', called);
        END IF;
        EXECUTE format('ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', called);
    END LOOP;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'cpe_backup') THEN
        CREATE ROLE cpe_backup;
    END IF;
    ALTER ROLE cpe_backup LOGIN REPLICATION NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
    EXECUTE format('ALTER DATABASE %I OWNER TO cpe_owner', current_database());
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO cpe_app, cpe_readonly', current_database());
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO cpe_app', current_database()); -- imports sort themselves there
END $$;

ALTER SCHEMA public OWNER TO cpe_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;

ALTER ROLE cpe_app SET statement_timeout = '30s';
ALTER ROLE cpe_app SET lock_timeout = '5s';
ALTER ROLE cpe_app SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE cpe_owner SET lock_timeout = '5s';
ALTER ROLE cpe_readonly SET default_transaction_read_only = on;
ALTER ROLE cpe_readonly SET statement_timeout = '60s';
ALTER ROLE cpe_readonly SET idle_in_transaction_session_timeout = '60s';

-- A table that a migration makes is usable at once; grants.sql then takes back what is too much.
ALTER DEFAULT PRIVILEGES FOR ROLE cpe_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO cpe_app;
ALTER DEFAULT PRIVILEGES FOR ROLE cpe_owner IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO cpe_app;

\ir grants.sql
