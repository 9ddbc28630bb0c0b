"""deploy/roles.sql on a real server: the website's role runs the website and can change neither tables nor records."""

import os
import subprocess
import sys

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from psycopg.errors import InsufficientPrivilege, RestrictViolation

from config import embedded
from tests.cluster import BINARIES, Cluster

pytestmark = pytest.mark.skipif(embedded.fcntl is None, reason="a cluster of its own needs a Unix")
ROLES = settings.BASE_DIR / "deploy" / "roles.sql"

# What the pages' own tests do, as the role: log in, declare by the form, approve at every step; then the whole town.
LIFE = """
import django
django.setup()
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import setup_test_environment
setup_test_environment()
from tests import test_credits_pages as pages
from tests.town import Town
for loader in ("load_reference", "load_hours"):
    call_command(loader, verbosity=0)
with transaction.atomic():  # undone: the town that comes next has people of the same numbers
    town = Town()
    unit = town.employer(under=town.authority(name="市住建局"), name="市保障性住房管理服务中心")
    person = town.practitioner(at=unit)
    pages.test_from_the_form_to_verified_hours(town, person, town.login(person))
    transaction.set_rollback(True)
for loader in ("load_bureaus", "load_town"):
    call_command(loader, verbosity=0)
from accounts.queue import forget_sessions
forget_sessions(0)
call_command("outbox", verbosity=0)
call_command("purge_drafts", verbosity=0)
with connection.cursor() as cursor:
    cursor.execute("SELECT current_user")
    print(cursor.fetchone()[0])
"""


class Installation:
    """A server, its roles, and the schema that the owner made."""

    def __init__(self, folder):
        self.folder = folder
        self.server = Cluster(folder / "pg", fsync="off").make().start()
        self.server.sql("CREATE DATABASE cpe")
        self.apply_roles()

    def apply_roles(self) -> None:
        self.server.run(BINARIES / "psql", "--set=ON_ERROR_STOP=1", "--dbname=cpe", "--file", ROLES)

    def python(self, user: str, *arguments: str, **environment) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=settings.BASE_DIR,
            env={
                **os.environ,
                "DATABASE_URL": self.server.url("cpe", user),
                "CPE_DATA_DIR": str(self.folder / "data"),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def sql(self, user: str, statement: str) -> list:
        return self.server.sql(statement, "cpe", user)


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    one = Installation(tmp_path_factory.mktemp("roles"))
    try:
        done = one.python("cpe_owner", "manage.py", "migrate", "--no-input")
        assert done.returncode == 0, done.stderr
        yield one
    finally:
        one.server.stop()


@pytest.fixture(scope="module")
def lived(installation):
    """After people have worked with it, as the website's own role."""
    done = installation.python("cpe_app", "-c", LIFE)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == "cpe_app"
    return installation


def test_people_log_in_declare_and_approve(lived):
    assert lived.sql("cpe_app", "SELECT count(*) > 50 FROM workflow_event") == [(True,)]
    assert lived.sql("cpe_app", "SELECT count(*) > 5 FROM credits_ledgerentry") == [(True,)]


def test_the_worker_runs_as_the_role(lived):
    script = """
import asyncio, django
django.setup()
from config.management.commands.worker import work
asyncio.run(work(wait=False))
"""
    done = lived.python(
        "cpe_app", "-c", script, CPE_EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "permission denied" not in done.stderr
    left = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo' AND scheduled_at IS NULL AND attempts = 0"
    assert lived.sql("cpe_app", left) == [(0,)]
    assert lived.sql("cpe_app", "SELECT count(*) > 5 FROM accounts_message") == [(True,)]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE workflow_event ADD COLUMN x integer",
        "ALTER TABLE workflow_event DISABLE TRIGGER workflow_event_append_only",
        "DROP TRIGGER workflow_event_append_only ON workflow_event",
        "CREATE TRIGGER x BEFORE INSERT ON workflow_event FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
        "SET session_replication_role = replica",
        "SET ROLE cpe_owner",
        "DROP TABLE accounts_message",
        "CREATE TABLE mine (id integer)",
        "CREATE SCHEMA mine",
        "CREATE INDEX ON workflow_event (at)",
        "TRUNCATE workflow_event",
        "TRUNCATE accounts_message",
        "UPDATE workflow_event SET comment = 'x'",
        "DELETE FROM workflow_event",
        "UPDATE credits_ledgerentry SET hours = 1",
        "DELETE FROM credits_ledgerentry",
        "UPDATE orgs_historicalpractitioner SET history_change_reason = 'x'",
        "DELETE FROM accounts_secondfactorreset",
        "DELETE FROM registration_numbershown",
        "DELETE FROM django_migrations",
        "INSERT INTO django_migrations (app, name, applied) VALUES ('x', 'x', now())",
        "SELECT * FROM pg_authid",
        "COPY workflow_event TO '/tmp/x'",
    ],
)
def test_the_website_may_not(lived, statement):
    with pytest.raises(InsufficientPrivilege):
        lived.sql("cpe_app", statement)


def test_no_append_only_table_was_forgotten(lived):
    """Every table whose trigger refuses changes: the privilege is missing too."""
    tables = lived.sql(
        "postgres",
        "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger JOIN pg_proc p ON p.oid = tgfoid"
        " WHERE proname = 'refuse_change' AND tgtype & 8 > 0 AND tgqual IS NULL",
    )
    assert {"workflow_event", "credits_ledgerentry"} <= {name for (name,) in tables}
    for (name,) in tables:
        with pytest.raises(InsufficientPrivilege):
            lived.sql("cpe_app", f"DELETE FROM {name}")


def test_the_trigger_refuses_the_owner_too(lived):
    with pytest.raises(RestrictViolation):
        lived.sql("cpe_owner", "UPDATE workflow_event SET comment = 'x'")


def test_who_reads_along_sees_no_secret_and_writes_nothing(lived):
    allowed = "SELECT count(*), min(name) FROM accounts_user"
    assert lived.sql("cpe_readonly", allowed)[0][0] > 10
    for statement in (
        "SELECT password FROM accounts_user",
        "SELECT id_sealed FROM accounts_user",
        "SELECT id_index FROM accounts_user",
        "SELECT session_data FROM accounts_session",
        "SELECT args FROM procrastinate_jobs",
        "SELECT key_sealed FROM accounts_authenticator",
    ):
        with pytest.raises(InsufficientPrivilege):
            lived.sql("cpe_readonly", statement)
    for statement in (
        "UPDATE accounts_user SET name = 'x'",
        "DELETE FROM accounts_message",
        "CREATE TEMPORARY TABLE x (id integer)",
    ):
        writing = lived.server.connect("cpe", "cpe_readonly", options="-c default_transaction_read_only=off")
        with writing as connection, pytest.raises(InsufficientPrivilege):
            connection.execute(statement)


def test_no_column_of_ciphertext_is_readable(lived):
    """Also of tables that are added later: whatever is bytes is sealed."""
    found = lived.sql(
        "cpe_readonly",
        "SELECT table_name, column_name FROM information_schema.column_privileges"
        " WHERE grantee = 'cpe_readonly' AND column_name ~ '(_sealed$|password|secret|token)'",
    )
    assert found == []


def test_timeouts_come_with_the_role(lived):
    """PgBouncer passes on no start-up options."""
    show = "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"
    assert lived.sql("cpe_app", show) == [("30s", "5s")]


def test_a_table_made_later_is_tightened_by_migrate(lived):
    """What a migration adds is usable, and what refuses changes is so from the start."""
    lived.sql(
        "cpe_owner",
        "CREATE TABLE later (id integer); CREATE TRIGGER later_append_only BEFORE UPDATE OR DELETE ON later"
        " FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    )
    lived.sql("cpe_app", "INSERT INTO later VALUES (1)")
    with pytest.raises(RestrictViolation):
        lived.sql("cpe_app", "DELETE FROM later")
    assert lived.python("cpe_owner", "manage.py", "migrate").returncode == 0
    with pytest.raises(InsufficientPrivilege):
        lived.sql("cpe_app", "DELETE FROM later")
    lived.sql("cpe_owner", "DROP TABLE later")


def test_the_files_may_be_run_again(lived):
    lived.apply_roles()
    with pytest.raises(InsufficientPrivilege):
        lived.sql("cpe_app", "DELETE FROM workflow_event")


def test_the_website_may_not_migrate(lived):
    done = lived.python("cpe_app", "manage.py", "migrate", "credits", "zero")
    assert done.returncode != 0
    assert lived.sql("cpe_app", "SELECT count(*) > 0 FROM credits_ledgerentry") == [(True,)]


def test_every_table_belongs_to_the_owner(lived):
    found = lived.sql(
        "postgres",
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tableowner <> 'cpe_owner'",
    )
    assert found == []
    known = {
        name
        for (name,) in lived.sql("postgres", "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    }
    assert {model._meta.db_table for model in apps.get_models()} <= known


def test_a_stranger_does_not_get_in(lived):
    lived.server.sql("CREATE ROLE stranger LOGIN")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        lived.sql("stranger", "SELECT 1")
