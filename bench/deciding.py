"""What a decision costs: the engine against pgbench with the same statements, 8 against 32 clients, many at once.

Works on the large province's own queue and puts nothing back: each measurement takes declarations of its own.
"""

import multiprocessing
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.servers import Browser

SINGLE = 300  # approvals of one measurement at one connection
OF_EACH = 480  # approvals of one measurement at 8 and at 32 clients
WARM = 3  # decisions of each client before the measuring
BULK = 10_000


def django_on(env: dict[str, str]):
    """Set Django up in this process for that province."""
    os.environ.update(env)
    import django

    django.setup()


def new_declarations(count: int) -> list[int]:
    """So many declarations of the first city's people that wait for its bureau; returns the steps. Straight SQL."""
    from django.db import connection

    from credits.years import current_year

    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE workflow_event DISABLE TRIGGER workflow_event_announce")
        cursor.execute(_NEW, {"count": count, "year": current_year()})
        steps = [row[0] for row in cursor.fetchall()]
        cursor.execute("ALTER TABLE workflow_event ENABLE TRIGGER workflow_event_announce")
    return steps


_NEW = """
WITH bureau AS (
    SELECT o.id, o.path FROM orgs_organization o WHERE o.kind = 'bureau' AND o.division_id LIKE '37__00'
       AND o.division_id <> '370000' ORDER BY o.id LIMIT 1
), person AS (
    SELECT p.id, p.user_id, p.employer_id, b.id AS bureau, a.user_id AS admin
      FROM bureau b JOIN orgs_practitioner p ON p.path LIKE b.path || '%%'
      JOIN orgs_orgadmin a ON a.organization_id = p.employer_id AND a.is_super
     ORDER BY random() LIMIT %(count)s
), filed AS (
    INSERT INTO workflow_application (kind, duty, state, summary, exclusive_key, confidential, submitted_at, person_id,
        practitioner_id, submitted_by_id)
    SELECT 'hours-declaration', 'hours', 'pending', '参加学术论坛：测量（专业 8 学时）', '', false, now(), user_id, id, user_id
      FROM person RETURNING id, practitioner_id, person_id
), declared AS (
    INSERT INTO credits_declaration (application_id, practitioner_id, year, subject, kind_id, title, organiser, started_on,
        ended_on, level, variant, certificate_number, number_key, note, hours, reckoning)
    SELECT id, practitioner_id, %(year)s, 'professional', (SELECT id FROM credits_activitykind WHERE code = 'academic-forum'),
           '测量', '示例学会', make_date(%(year)s, 1, 2), make_date(%(year)s, 1, 2), '', '', '', '', '', 8, '{}' FROM filed
), first AS (
    INSERT INTO workflow_step (application_id, "order", title, duty, approver_id, person_id, state, opened_at, decided_by_id,
        decided_at, comment)
    SELECT f.id, 1, '用人单位审核', 'hours', p.employer_id, f.person_id, 'approved', now(), p.admin, now(), ''
      FROM filed f JOIN person p ON p.id = f.practitioner_id
    RETURNING id, application_id, decided_by_id, approver_id
), logged AS (
    INSERT INTO workflow_event (application_id, step_id, verb, user_id, organization_id, comment, at)
    SELECT id, NULL, 'submit', person_id, NULL, '', now() FROM filed
     UNION ALL SELECT application_id, id, 'approve', decided_by_id, approver_id, '', now() FROM first
)
INSERT INTO workflow_step (application_id, "order", title, duty, approver_id, person_id, state, opened_at, comment)
SELECT f.id, 2, '人社部门审验', 'hours', p.bureau, f.person_id, 'open', now(), ''
  FROM filed f JOIN person p ON p.id = f.practitioner_id
RETURNING id
"""


def reviewer():
    """The city's admin."""
    from orgs.actor import actor_of
    from orgs.models import Kind, OrgAdmin

    admins = OrgAdmin.objects.filter(
        organization__kind=Kind.BUREAU, organization__division__code__endswith="00", is_super=True
    ).exclude(organization__division="370000")
    return actor_of(admins.select_related("account").order_by("organization").first().account)


def colleagues(count: int) -> list:
    """So many admins of the city's bureau, each a person of its own: one person decides one matter at a time, since the
    right is held until the decision is written."""
    from accounts.models import AccountStatus, Role, RoleAccount
    from orgs.actor import actor_of
    from orgs.models import Duty, OrgAdmin

    bureau = reviewer().organization
    below = OrgAdmin.objects.filter(
        organization__path__startswith=bureau.path, organization__kind="employer", is_super=True
    )
    found = []
    for admin in below.order_by("pk")[:count]:
        account, _ = RoleAccount.objects.get_or_create(
            user_id=admin.user_id, role=Role.BUREAU, defaults={"status": AccountStatus.ACTIVE}
        )
        values = {"user_id": admin.user_id, "organization": bureau, "duties": [Duty.HOURS]}
        OrgAdmin.objects.get_or_create(account=account, defaults=values)
        found.append(actor_of(account))
    return found


# --- one connection: the engine against pgbench ---------------------------------------------------------------


def single(people: int) -> dict:
    """Transactions per second, engine and pgbench in turn; pgbench runs the statements that the engine was seen to run."""
    pgbench = _pgbench()
    rates = []
    for _ in range(3):
        ours, theirs = new_declarations(SINGLE), new_declarations(SINGLE)
        rates.append((_engine(ours), _replayed(pgbench, _statements(theirs))))
    ours, theirs = (median(column) for column in zip(*rates, strict=True))
    return _result(ours, theirs, "transactions/s, one connection", people)


def website(people: int, port: int, number: str) -> dict:
    """The same through the website: one browser of that bureau's admin, one click after the other."""
    pgbench, browser = _pgbench(), Browser(port).log_in("bureau", number)
    rates = []
    for _ in range(3):
        ours, theirs = new_declarations(SINGLE), new_declarations(SINGLE)
        rates.append((_clicked(browser, ours), _replayed(pgbench, _statements(theirs))))
    ours, theirs = (median(column) for column in zip(*rates, strict=True))
    return _result(ours, theirs, "transactions/s, one connection", people)


def _clicked(browser: Browser, steps: list[int]) -> float:
    begun = time.perf_counter()
    for step in steps:
        status, said = browser.ask(f"/steps/{step}/approve/", {"comment": ""})
        if status != 302:
            raise SystemExit(f"approving step {step}: {status} {said[:200]}")
    return len(steps) / (time.perf_counter() - begun)


def _engine(steps: list[int]) -> float:
    from workflow import engine

    by = reviewer()
    begun = time.perf_counter()
    for step in steps:
        engine.approve(step, by=by)
    return len(steps) / (time.perf_counter() - begun)


def _statements(steps: list[int]) -> list[list[str]]:
    """What the engine runs for each step, seen in a transaction that is rolled back."""
    from django.db import connection, transaction
    from django.test.utils import CaptureQueriesContext

    from workflow import engine

    by, scripts = reviewer(), []
    for step in steps:
        connection.queries_log.clear()  # it forgets the oldest by itself, and with them where a capture began
        with transaction.atomic():
            with CaptureQueriesContext(connection) as caught:
                engine.approve(step, by=by)
            transaction.set_rollback(True)
        # Savepoints belong to the rollback here: an approval of its own begins and commits once.
        scripts.append([one["sql"] for one in caught if "SAVEPOINT" not in one["sql"]])
    return scripts


def _replayed(pgbench: str, scripts: list[list[str]]) -> float:
    def written(sql: str) -> str:
        # pgbench reads one statement per line end; a colon before a word would be a variable of its own.
        return re.sub(r"\s*\n\s*", " ", sql.strip()).rstrip(";") + ";\n"

    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "approve.sql"
        script.write_text(
            "".join("BEGIN;\n" + "".join(map(written, one)) + "COMMIT;\n" for one in scripts),
            encoding="utf-8",
        )
        Path(folder).chmod(0o755)
        begun = time.perf_counter()
        done = subprocess.run(
            [pgbench, "-n", "-f", str(script), "-t", "1", "-c", "1", os.environ["DATABASE_URL"]],
            capture_output=True,
            text=True,
        )
        spent = time.perf_counter() - begun
    if done.returncode or "number of failed transactions: 0" not in done.stdout:
        raise SystemExit(f"pgbench: {done.stdout}{done.stderr}")
    return len(scripts) / spent


def _pgbench() -> str:
    beside = Path("/usr/lib/postgresql")
    found = shutil.which("pgbench") or next(map(str, sorted(beside.glob("*/bin/pgbench"), reverse=True)), "")
    if not found:
        raise SystemExit("pgbench is needed: Debian's postgresql package has it")
    return found


# --- many clients in one bureau's tree ----------------------------------------------------------------------------


def crowd(people: int) -> dict:
    """Approvals per second in all: 32 clients against 8, each an admin of the same bureau; the median of three."""
    colleagues(32)
    rates = [(_clients(32), _clients(8)) for _ in range(3)]
    ours, theirs = (median(column) for column in zip(*rates, strict=True))
    return _result(ours, theirs, "transactions/s, 32 clients against 8", people)


def _clients(count: int) -> float:
    steps = new_declarations(OF_EACH + WARM * count)
    context = multiprocessing.get_context("spawn")
    start, done = context.Barrier(count + 1), context.Barrier(count + 1)
    workers = [
        context.Process(target=_client, args=(dict(os.environ), number, steps[number::count], start, done))
        for number in range(count)
    ]
    for one in workers:
        one.start()
    start.wait(timeout=300)
    begun = time.perf_counter()
    done.wait(timeout=600)
    spent = time.perf_counter() - begun
    for one in workers:
        one.join()
        if one.exitcode:
            raise SystemExit("a client of the crowd failed")
    return OF_EACH / spent


def _client(env: dict[str, str], number: int, steps: list[int], start, done) -> None:
    django_on(env)
    from django.db import connection

    from workflow import engine

    by = colleagues(number + 1)[number]
    # A new process and a new session of the database read what they know of the tables at their first decisions.
    for step in steps[:WARM]:
        engine.approve(step, by=by)
    start.wait(timeout=300)
    for step in steps[WARM:]:
        engine.approve(step, by=by)
    done.wait(timeout=600)
    connection.close()


# --- ten thousand at once --------------------------------------------------------------------------------------------


def many(people: int) -> dict:
    """Seconds for 10,000 items: the workbench's bulk approval against the bare statements for the same rows."""
    from workflow import bulk

    by = reviewer()
    times = []
    for _ in range(3):
        ours, theirs = new_declarations(BULK), new_declarations(BULK)
        begun = time.perf_counter()
        outcomes = bulk.approve_all(ours, by=by)
        spent = time.perf_counter() - begun
        if sum(one.done for one in outcomes) != BULK:
            raise SystemExit("bulk approval left items out")
        times.append((spent, _bare(theirs, by)))
    ours, theirs = (median(column) for column in zip(*times, strict=True))
    return _result(ours, theirs, f"s for {BULK} approvals", people)


def _bare(steps: list[int], by) -> float:
    """Sign, log, close, enter, sum: the fewest statements that leave the same rows, without any rule."""
    from django.db import connection, transaction

    begun = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        values = {"steps": steps, "user": by.user.pk, "organization": by.organization.pk}
        for statement in _BARE:
            cursor.execute(statement, values)
    return time.perf_counter() - begun


_BARE = [
    "UPDATE workflow_step SET state = 'approved', decided_by_id = %(user)s, decided_at = now() WHERE id = ANY(%(steps)s)",
    """INSERT INTO workflow_event (application_id, step_id, verb, user_id, organization_id, comment, at)
       SELECT application_id, id, 'approve', %(user)s, %(organization)s, '', now() FROM workflow_step
        WHERE id = ANY(%(steps)s)""",
    """UPDATE workflow_application SET state = 'approved', closed_at = now()
        WHERE id IN (SELECT application_id FROM workflow_step WHERE id = ANY(%(steps)s))""",
    """INSERT INTO credits_ledgerentry (practitioner_id, year, subject, hours, verb, source, declaration_id, step_id,
           decided_by_id, organization_id, reason, at)
       SELECT d.practitioner_id, d.year, d.subject, d.hours, 'granted', 'declaration', d.application_id, s.id, %(user)s,
              %(organization)s, '', now()
         FROM workflow_step s JOIN credits_declaration d ON d.application_id = s.application_id
        WHERE s.id = ANY(%(steps)s)""",
    """INSERT INTO credits_standing AS old (practitioner_id, year, hours, imported, total, complete, relief)
       SELECT d.practitioner_id, d.year, jsonb_build_object('professional', sum(d.hours)::text), '{}', sum(d.hours), false,
              '[]'
         FROM workflow_step s JOIN credits_declaration d ON d.application_id = s.application_id
        WHERE s.id = ANY(%(steps)s) GROUP BY d.practitioner_id, d.year
       ON CONFLICT (practitioner_id, year) DO UPDATE
          SET hours = credits_hours_add(old.hours, EXCLUDED.hours), total = old.total + EXCLUDED.total,
              complete = (coalesce((old.hours->>'public')::numeric, 0) >= 30
                          AND coalesce((old.hours->>'professional')::numeric, 0) + EXCLUDED.total >= 60)""",
]


def _result(ours: float, theirs: float, unit: str, people: int) -> dict:
    return {
        "ours": round(ours, 2),
        "yardstick": round(theirs, 2),
        "ratio": round(ours / theirs, 2),
        "unit": unit,
        "people": people,
    }
