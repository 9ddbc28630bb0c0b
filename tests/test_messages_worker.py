"""The queue with its real worker and a mail server that is dead, slow and well: nothing lost, nothing twice.

Transactional tests: the worker has connections of its own and sees only what is committed.
"""

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from accounts import notices, outbox
from accounts.models import Message
from accounts.queue import PATIENT, enqueue
from config.management.commands.worker import work
from tests.mail_server import MailServer, free_port
from tests.test_engine import step_of, transfer
from workflow import engine
from workflow.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def post_at_commit():
    """Nothing goes out but by the worker."""


@pytest.fixture(autouse=True)
def no_connection_left(monkeypatch):
    """The worker's threads keep none beyond a job, so that the test database can be dropped."""
    monkeypatch.setitem(connections.databases["default"], "CONN_MAX_AGE", 0)


@pytest.fixture(autouse=True)
def empty_queue(transactional_db):
    sql("DELETE FROM procrastinate_jobs")
    yield
    sql("DELETE FROM procrastinate_jobs")
    sql("DELETE FROM procrastinate_workers")


@pytest.fixture
def server(settings):
    server = MailServer()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", server.port, 1
    yield server
    server.close()


@pytest.fixture
def moving(town):
    """(town, person, old, new, application): a transfer that its practitioner filed."""
    old, new = town.employer(), town.employer()
    person = town.practitioner(at=old)
    return town, person, old, new, transfer(town, person, new)


def sql(statement: str, *values) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def run_worker(number: int = 1) -> None:
    """The real worker, or several in one process, until the queue holds nothing that is due."""
    while True:
        asyncio.run(work(number, wait=False, listen_notify=False))
        # Told not to wait, a worker may end before the mail that its last announcement queued.
        waiting = "SELECT 1 FROM procrastinate_jobs WHERE status = 'todo' AND coalesce(scheduled_at, now()) <= now()"
        if not sql(waiting):
            return


def jobs(*states) -> list[str]:
    rows = sql("SELECT task_name, status FROM procrastinate_jobs WHERE queueing_lock IS NULL ORDER BY id")
    return [name for name, status in rows if not states or status in states]


def due() -> None:
    """The delay before the next try is over."""
    sql(
        "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo' AND scheduled_at IS NOT NULL"
    )


def test_a_decision_is_a_message_and_a_mail_by_the_worker_alone(moving, server):
    town, person, old, _, application = moving
    run_worker()
    engine.approve(step_of(application, "原单位审核").pk, by=town.actor(old))
    assert not Message.objects.exists()
    run_worker()
    said = Message.objects.get()
    assert (said.user, said.mailed_at is not None) == (person.user, True)
    assert server.ids() == [f"<message-{said.pk}@example.org>"]
    assert jobs() == []
    # Announced anew, by hand or after a crash: nothing is added.
    enqueue("workflow.announce", [{"event_id": pk} for pk in Event.objects.values_list("pk", flat=True)])
    run_worker()
    assert Message.objects.count() == len(server.taken) == 1


def test_what_is_rolled_back_leaves_no_job(moving, server):
    town, _, old, _, application = moving
    run_worker()
    with transaction.atomic():
        engine.approve(step_of(application, "原单位审核").pk, by=town.actor(old))
        notices.password_changed(town.super_admin(old).user)
        assert jobs() == ["workflow.announce", "accounts.mail_message", "accounts.send_sealed"]
        transaction.set_rollback(True)
    assert jobs() == []
    assert not Message.objects.exists()


def test_an_approval_costs_no_query_more(moving):
    """The control: with the trigger away, the same statements."""
    town, _, old, new, application = moving
    second = transfer(town, town.practitioner(at=old), new)

    def cost(one) -> int:
        by = town.actor(old)
        with CaptureQueriesContext(connection) as captured:
            engine.approve(step_of(one, "原单位审核").pk, by=by)
        return len(captured)

    with_trigger = cost(application)
    sql("ALTER TABLE workflow_event DISABLE TRIGGER workflow_event_announce")
    try:
        assert cost(second) == with_trigger
    finally:
        sql("ALTER TABLE workflow_event ENABLE TRIGGER workflow_event_announce")


@pytest.mark.parametrize("ill", ["dead", "silent"])
def test_an_ill_mail_server_delays_nobody_and_the_mail_comes_once_later(moving, server, settings, ill):
    town, person, old, _, application = moving
    if ill == "dead":
        settings.EMAIL_PORT = free_port()
    server.mode = ill
    client = town.login(old)
    started = time.monotonic()
    answer = client.post(f"/steps/{step_of(application, '原单位审核').pk}/approve/", {"comment": ""})
    assert answer.status_code == 302
    assert time.monotonic() - started < 1
    run_worker()
    # On the page at once, in the mailbox not yet.
    said = Message.objects.get(user=person.user)
    assert said.mailed_at is None
    assert jobs("todo") == ["accounts.mail_message"]
    run_worker()  # not due yet
    assert sql("SELECT attempts FROM procrastinate_jobs WHERE task_name = 'accounts.mail_message'") == [(1,)]
    server.mode, settings.EMAIL_PORT = "well", server.port
    due()
    run_worker()
    run_worker()
    said.refresh_from_db()
    assert said.mailed_at
    assert len(server.taken) == 1
    assert jobs() == []


def test_messages_do_not_wait_behind_slow_mail(moving, server):
    town, person, old, _, application = moving
    run_worker()
    server.mode = "silent"
    for number in range(8):
        outbox.notify(town.super_admin(old).user, f"第 {number} 条", "内容")
    engine.approve(step_of(application, "原单位审核").pk, by=town.actor(old))
    started = time.monotonic()
    run_worker()
    told_after = Message.objects.get(user=person.user)
    assert told_after.mailed_at is None
    # Queued last, run first: its mail job was queued while the eight others were still being tried.
    tried = sql(
        "SELECT min(e.at), j.args FROM procrastinate_jobs j JOIN procrastinate_events e ON e.job_id = j.id"
        " WHERE e.type = 'deferred_for_retry' GROUP BY j.args, j.id ORDER BY 1"
    )
    assert len(tried) == 9
    assert time.monotonic() - started < 8


def test_given_up_after_days_and_visible(moving, server, settings, caplog):
    town, person, old, _, application = moving
    engine.approve(step_of(application, "原单位审核").pk, by=town.actor(old))
    settings.EMAIL_PORT = free_port()
    run_worker()
    assert sum(PATIENT.MINUTES) > 2.5 * 24 * 60
    sql(
        "UPDATE procrastinate_jobs SET attempts = %s WHERE task_name = 'accounts.mail_message'",
        len(PATIENT.MINUTES),
    )
    due()
    run_worker()
    said = Message.objects.get()
    assert said.mail_failed_at
    assert jobs("failed") == ["accounts.mail_message"]
    assert "没能发到您的邮箱" in town.login(person).get("/messages/").content.decode()
    assert person.user.email not in caplog.text
    assert person.user.id_number.reveal() not in caplog.text
    # The operator's command lists it and tries again.
    said_of_it = io.StringIO()
    call_command("outbox", stdout=said_of_it)
    assert "放弃 1" in said_of_it.getvalue()
    settings.EMAIL_PORT = server.port
    call_command("outbox", again=True, stdout=said_of_it)
    run_worker()
    said.refresh_from_db()
    assert (said.mail_failed_at, len(server.taken), jobs()) == (None, 1, [])


def test_two_workers_at_once_send_each_mail_once(town, server):
    user = town.user()
    for number in range(40):
        outbox.notify(user, f"第 {number} 条", "内容")
    run_worker(2)
    assert len(server.taken) == 40
    assert len(set(server.ids())) == 40
    assert Message.objects.filter(mailed_at=None).count() == 0


# --- a worker of its own process, killed -------------------------------------------------------------


@pytest.fixture
def worker(server):
    """Starts the worker's command against the test database."""
    started = []

    def start() -> subprocess.Popen:
        # As this run's own address, a TCP port or a socket, but naming the test database.
        url = (
            urlsplit(os.environ["DATABASE_URL"])
            ._replace(path="/" + connection.settings_dict["NAME"])
            .geturl()
        )
        own = {
            "DATABASE_URL": url,
            "CPE_EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "CPE_SMTP_HOST": "127.0.0.1",
            "CPE_SMTP_PORT": str(server.port),
            "CPE_PARENT_PID": str(os.getpid()),
        }
        process = subprocess.Popen(
            [sys.executable, "manage.py", "worker"], cwd=django_settings.BASE_DIR, env={**os.environ, **own}
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def killed_while_sending(worker, server) -> None:
    server.arrived.clear()
    process = worker()
    assert server.arrived.wait(30)
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert jobs("doing") == ["accounts.mail_message"]


def rescued(server) -> None:
    """Half a minute later another worker finds the job of the killed one."""
    server.over.set()
    server.mode = "well"
    sql("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '31 seconds'")
    enqueue("accounts.rescue", [{"timestamp": 0}])
    run_worker()


@pytest.mark.parametrize(("mode", "copies"), [("silent", 1), ("thinking", 2)])
def test_a_killed_workers_mail_is_sent_by_the_next(town, server, worker, mode, copies):
    """Killed before the server took it: once. Killed between taking and marking: the one way to a second copy, and
    both carry the same Message-ID."""
    outbox.notify(town.user(), "甲", "乙")
    server.mode = mode
    killed_while_sending(worker, server)
    rescued(server)
    assert len(server.taken) == copies
    assert len(set(server.ids())) == 1
    assert Message.objects.get().mailed_at
    assert jobs() == []
    run_worker()
    assert len(server.taken) == copies


def test_the_worker_stops_when_told_and_is_fast(town, server, worker):
    process = worker()
    deadline = time.monotonic() + 30
    while not sql("SELECT 1 FROM procrastinate_workers") and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    outbox.notify(town.user(), "甲", "乙")
    started = time.monotonic()
    assert server.arrived.wait(10)
    assert time.monotonic() - started < 3
    process.terminate()
    assert process.wait(20) == 0
    assert not sql("SELECT 1 FROM procrastinate_workers")
