"""Migrations: one process at a time, never in the way of who works (migrate), and which are safe (check_migrations)."""

import os
import secrets
import subprocess
import sys
import time
from urllib.parse import urlsplit

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently
from django.core.management import call_command
from django.db import migrations, models
from django.db.migrations.state import ModelState, ProjectState

from config.management.commands.migrate import LOCK
from config.safe_migrations import BIG, RULES, findings, is_judged, judge

# --- one at a time -----------------------------------------------------------------------------------


class Scratch:
    """An empty database of its own on the tests' server."""

    def __init__(self):
        self.name = f"scratch_{secrets.token_hex(6)}"
        self.server = os.environ["DATABASE_URL"]
        self.url = urlsplit(self.server)._replace(path=f"/{self.name}").geturl()
        self._on_server(f'CREATE DATABASE "{self.name}"')

    def _on_server(self, statement: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(statement)

    def connect(self, **how):
        return psycopg.connect(self.url, **how)

    def migrate(self, *arguments: str, **environment: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "manage.py", "migrate", "--no-input", *arguments],
            cwd=settings.BASE_DIR,
            env={**os.environ, "DATABASE_URL": self.url, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def drop(self) -> None:
        self._on_server(f'DROP DATABASE "{self.name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def scratch():
    database = Scratch()
    yield database
    database.drop()


@pytest.fixture(scope="module")
def race(scratch):
    """Two processes on the empty database; what each of them said."""
    both = [scratch.migrate("--wait", "300"), scratch.migrate("--wait", "300")]
    said = [process.communicate(timeout=300) for process in both]
    return [(process.returncode, out, err) for process, (out, err) in zip(both, said, strict=True)]


def test_of_two_at_once_one_waits_and_finds_nothing_to_do(race, scratch):
    assert [code for code, _, _ in race] == [0, 0], race
    idle, busy = sorted(race, key=lambda one: len(one[1]))
    assert "另一个进程正在迁移数据库，最多等待 300 秒" in idle[2]
    assert "No migrations to apply." in idle[1]
    assert "Applying workflow.0001" in busy[1]
    assert busy[2] == ""
    with scratch.connect() as connection:
        twice = "SELECT app, name FROM django_migrations GROUP BY 1, 2 HAVING count(*) > 1"
        assert connection.execute(twice).fetchall() == []


def test_who_waits_in_vain_says_so_and_has_done_nothing():
    database = Scratch()
    try:
        with database.connect(autocommit=True) as other:
            other.execute("SELECT pg_advisory_lock(%s)", [LOCK])
            process = database.migrate("--wait", "1")
            _, err = process.communicate(timeout=180)
            assert process.returncode == 1
            assert "另一个进程正在迁移数据库，等了 1 秒还没有结束。请等它结束后再运行一次" in err
            assert "Traceback" not in err
            assert other.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (
                0,
            )
    finally:
        database.drop()


def test_a_killed_process_leaves_no_lock(scratch, race):
    with scratch.connect(autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        process = scratch.migrate()
        process.stderr.readline()  # it waits
        other.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
        process.kill()
        process.communicate()
        deadline = time.monotonic() + 10
        while not other.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()[0]:
            assert time.monotonic() < deadline
            time.sleep(0.05)


# An app of the test's own, whose one migration changes a table of ours.
LATER = {
    "later_settings.py": "from config.settings import *\nINSTALLED_APPS = [*INSTALLED_APPS, 'later']\n",
    "later/__init__.py": "",
    "later/migrations/__init__.py": "",
    "later/migrations/0001_column.py": """
from django.db import migrations

class Migration(migrations.Migration):
    dependencies = [("credits", "0001_initial")]
    operations = [migrations.RunSQL("ALTER TABLE credits_ledgerentry ADD COLUMN later integer", "SELECT 1")]
""",
}


def test_a_table_in_use_is_not_waited_for_long(scratch, race, tmp_path):
    """A long report reads the ledger: the migration gives up, and others were not queued behind it for ever."""
    for name, text in LATER.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    later = {"DJANGO_SETTINGS_MODULE": "later_settings", "PYTHONPATH": f"{settings.BASE_DIR}:{tmp_path}"}
    column = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'later'"
    with scratch.connect() as report:
        report.execute("LOCK TABLE credits_ledgerentry IN ACCESS SHARE MODE")
        process = scratch.migrate("later", **later)
        _, err = process.communicate(timeout=180)
        assert process.returncode == 1
        assert "有一张表正在使用，等了 3 秒没有等到，这一步迁移没有执行" in err
        assert "Traceback" not in err
        assert report.execute(column).fetchone() == (0,)
    process = scratch.migrate("later", **later)
    _, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    with scratch.connect() as report:
        assert report.execute(column).fetchone() == (1,)


def test_looking_needs_no_lock(scratch, race):
    with scratch.connect(autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        process = scratch.migrate("--plan")
        out, _ = process.communicate(timeout=180)
        assert process.returncode == 0
        assert "Planned operations" in out


# --- which are safe ----------------------------------------------------------------------------------

# A big table and a small one, as they are before the migration.
BEFORE = (
    ModelState(
        "workflow",
        "Step",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("title", models.CharField(max_length=40)),
            ("order", models.IntegerField()),
            ("hours", models.DecimalField(max_digits=5, decimal_places=1)),
            ("note", models.TextField(null=True)),
        ],
    ),
    ModelState(
        "workflow", "Small", [("id", models.BigAutoField(primary_key=True)), ("n", models.IntegerField())]
    ),
)
CHECK = models.CheckConstraint(condition=models.Q(order__gte=0), name="c")
UNIQUE = models.UniqueConstraint(fields=["title"], name="u")
INDEX = models.Index(fields=["title"], name="i")
SMALL_FK = models.ForeignKey("workflow.Small", models.PROTECT, null=True)
NOOP = migrations.RunPython.noop

FORBIDDEN = {
    "column without default": ("not-null", migrations.AddField("Step", "x", models.IntegerField(default=0))),
    "the same on a small table": ("not-null", migrations.AddField("Small", "x", models.IntegerField(default=0))),
    "column renamed": ("rename", migrations.RenameField("Small", "n", "m")),
    "model renamed": ("rename", migrations.RenameModel("Small", "Tiny")),
    "table renamed": ("rename", migrations.AlterModelTable("Small", "tiny")),
    "column dropped": ("drop", migrations.RemoveField("Small", "n")),
    "table dropped": ("drop", migrations.DeleteModel("Small")),
    "index": ("index", migrations.AddIndex("Step", INDEX)),
    "unique constraint": ("index", migrations.AddConstraint("Step", UNIQUE)),
    "index by the field": (
        "index",
        migrations.AlterField("Step", "title", models.CharField(max_length=40, db_index=True)),
    ),
    "index of a foreign key": ("index", migrations.AddField("Step", "x", SMALL_FK)),
    "unique together": ("index", migrations.AlterUniqueTogether("Step", {("title", "order")})),
    "check": ("constraint", migrations.AddConstraint("Step", CHECK)),
    "other type": ("type", migrations.AlterField("Small", "n", models.CharField(max_length=9))),
    "shorter text": ("type", migrations.AlterField("Step", "title", models.CharField(max_length=20))),
    "more decimals": ("type", migrations.AlterField("Step", "hours", models.DecimalField(max_digits=6, decimal_places=2))),
    "no longer empty": ("type", migrations.AlterField("Step", "note", models.TextField())),
    "no way back": ("reverse", migrations.RunPython(NOOP)),
    "no way back in SQL": ("reverse", migrations.RunSQL("SELECT 1")),
    "SQL index": ("index", migrations.RunSQL("CREATE INDEX i ON workflow_step (title)", NOOP)),
    "SQL rename": ("rename", migrations.RunSQL("ALTER TABLE workflow_small RENAME COLUMN n TO m", NOOP)),
    "SQL drop": ("drop", migrations.RunSQL("SELECT 1; DROP TABLE workflow_small", NOOP)),
    "SQL type": ("type", migrations.RunSQL("ALTER TABLE workflow_step ALTER COLUMN title TYPE text", NOOP)),
    "SQL not null": ("type", migrations.RunSQL(["ALTER TABLE workflow_step ALTER note SET NOT NULL"], NOOP)),
    "SQL check": ("constraint", migrations.RunSQL("ALTER TABLE workflow_step ADD CONSTRAINT c CHECK (true)", NOOP)),
    "hidden in SeparateDatabaseAndState": (
        "drop",
        migrations.SeparateDatabaseAndState(database_operations=[migrations.RemoveField("Small", "n")]),
    ),
}  # fmt: skip
ALLOWED = {
    "column that may be empty": migrations.AddField("Step", "x", models.IntegerField(null=True)),
    "column with a default of the database": migrations.AddField(
        "Step", "x", models.IntegerField(db_default=0)
    ),
    "index beside the work": AddIndexConcurrently("Step", INDEX),
    "index on a small table": migrations.AddIndex("Small", models.Index(fields=["n"], name="i")),
    "check in two steps": AddConstraintNotValid("Step", CHECK),
    "check on a small table": migrations.AddConstraint("Small", CHECK),
    "longer text": migrations.AlterField("Step", "title", models.CharField(max_length=80)),
    "unlimited text": migrations.AlterField("Step", "title", models.TextField()),
    "other words": migrations.AlterField("Step", "title", models.CharField("环节", max_length=40)),
    "may be empty now": migrations.AlterField("Step", "order", models.IntegerField(null=True)),
    "foreign key without index": migrations.AddField(
        "Step", "x", models.ForeignKey("workflow.Small", models.PROTECT, null=True, db_index=False)
    ),
    "new table": migrations.CreateModel("New", [("id", models.BigAutoField(primary_key=True))]),
    "there and back": migrations.RunPython(NOOP, NOOP),
    "SQL beside the work": migrations.RunSQL("CREATE INDEX CONCURRENTLY i ON workflow_step (title)", NOOP),
    "SQL inside a function": migrations.RunSQL(
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DROP TABLE workflow_step $$", NOOP
    ),
    "of Python's side only": migrations.SeparateDatabaseAndState(
        state_operations=[migrations.RemoveField("Small", "n")]
    ),
}


def rules_broken(*operations, **attributes) -> list[str]:
    state = ProjectState()
    for one in BEFORE:
        state.add_model(one.clone())
    migration = type("Migration", (migrations.Migration,), {"operations": list(operations), **attributes})
    return [one.rule for one in judge(migration("0009_next", "workflow"), state)]


@pytest.mark.parametrize(("rule", "operation"), FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_forbidden(rule, operation):
    assert rules_broken(operation) == [rule]


@pytest.mark.parametrize("operation", ALLOWED.values(), ids=ALLOWED.keys())
def test_allowed(operation):
    assert rules_broken(operation) == []


def test_every_rule_has_a_forbidden_example():
    mixed = rules_broken(migrations.RunPython(NOOP, NOOP), ALLOWED["column that may be empty"])
    assert mixed == ["mixed"]
    assert {rule for rule, _ in FORBIDDEN.values()} | {"mixed"} == set(RULES)


def test_a_table_made_in_the_same_release_is_free():
    made = migrations.CreateModel("New", [("id", models.BigAutoField(primary_key=True))])
    assert rules_broken(made, migrations.AddField("New", "x", models.IntegerField(default=0))) == []


def test_who_knows_better_says_why():
    drop = migrations.RemoveField("Small", "n")
    assert rules_broken(drop, reviewed={"drop": "unread since release 3"}) == []
    assert rules_broken(drop, reviewed={"drop": " "}) == ["drop"]
    assert rules_broken(drop, reviewed={"rename": "another rule"}) == ["drop"]


def test_the_first_of_each_app_is_exempt_and_nothing_else():
    assert not is_judged("workflow", "0001_initial")
    assert is_judged("workflow", "0002_append_only")
    assert not is_judged("auth", "0012_alter_user_first_name_max_length")


def test_the_big_tables_exist():
    assert {model._meta.db_table for model in apps.get_models()} >= BIG


def test_the_models_are_what_the_migrations_say(db):
    """`makemigrations --check`: exits where a model was changed without its migration."""
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_our_migrations_are_safe():
    assert list(map(str, findings())) == []
