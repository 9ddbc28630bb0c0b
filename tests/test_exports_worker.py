"""Long exports with the real worker: made, killed and taken up again, cancelled, told of; nothing twice, nothing left.

Transactional tests: the worker has connections of its own and sees only what is committed.
"""

import asyncio
import contextlib
import csv
import io
import os
import signal
import time

import openpyxl
import pytest
from django.db import connection

from accounts.models import Message
from accounts.queue import enqueue
from config.management.commands.worker import work
from desk.exports import asking, making
from desk.exports.asking import Wish
from desk.exports.lists import sheet_named
from desk.exports.models import Export, ExportAccess
from orgs.models import Duty
from tests import test_messages_worker
from tests.test_exports import crowd
from tests.test_inbox import words
from tests.test_messages_worker import due, jobs, run_worker, sql

pytestmark = pytest.mark.django_db(transaction=True)
# The same worker and the same empty queue as there.
empty_queue = test_messages_worker.empty_queue
no_connection_left = test_messages_worker.no_connection_left
post_at_commit = test_messages_worker.post_at_commit
server = test_messages_worker.server
worker = test_messages_worker.worker

PEOPLE = 2_500


@pytest.fixture
def unit(town):
    unit = town.employer(name="测试单位甲")
    town.practitioner(at=town.employer(), user=town.user("旁边人"))
    crowd(unit, PEOPLE)
    return unit


def asked(town, unit, format="csv", account=None, reason="核对名单") -> Export:
    account = account or town.super_admin(unit)
    wish = Wish(sheet_named("people"), {}, format, True, reason)
    export, rows = asking.ask(wish, town.actor(account))
    assert rows is None
    return export


def sql_elsewhere(statement: str, *values) -> list[tuple]:
    """On another connection: the job's own is in the middle of its reading."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []
    finally:
        other.close()


def files(settings) -> list[str]:
    folder = settings.MEDIA_ROOT / "exports"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_a_long_export_is_made_told_of_and_fetched(town, unit, settings, format):
    export = asked(town, unit, format)
    client = town.login(unit)
    assert "排队中" in words(client.get("/exports/"))
    run_worker()
    export.refresh_from_db()
    assert (export.state, export.rows_done, export.rows_total, export.attempt) == ("done", PEOPLE, PEOPLE, 1)
    assert files(settings) == [f"{export.pk}-1.{format}"]
    assert os.stat(export.file.path).st_mode & 0o777 == 0o600
    said = Message.objects.get(user=export.by)
    assert f"共 {PEOPLE:,} 行" in said.text
    page = words(client.get(said.url))
    assert "下载文件" in page
    assert "Refresh" not in client.get(said.url)
    answer = client.post(f"{said.url}download/")
    content = b"".join(answer.streaming_content)
    if format == "csv":
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    else:
        rows = list(openpyxl.load_workbook(io.BytesIO(content)).active.iter_rows(values_only=True))
    assert len(rows) == 2 + PEOPLE
    assert len({row[1] for row in rows[2:]}) == PEOPLE
    assert "测试单位甲" in rows[0][0]
    assert "用途：核对名单" in rows[0][0]
    log = ExportAccess.objects.order_by("pk").values_list("verb", "count", "reason")
    assert list(log) == [("made", PEOPLE, "核对名单"), ("downloaded", PEOPLE, "核对名单")]
    assert jobs() == []


def test_a_right_that_is_gone_when_the_worker_begins(town, unit, settings):
    account = town.admin(unit, duties=[Duty.PEOPLE])
    export = asked(town, unit, account=account)
    admin = account.org_admin
    admin.duties = [Duty.HOURS]
    admin.save()
    run_worker()
    export.refresh_from_db()
    assert export.state == "failed"
    assert "已没有查询这些数据的权限" in export.why_failed
    assert Message.objects.get().text == export.why_failed
    assert files(settings) == []
    assert not ExportAccess.objects.exists()


def test_what_was_cancelled_is_not_made(town, unit, settings):
    export = asked(town, unit)
    asking.cancel(export)
    run_worker()
    export.refresh_from_db()
    assert (export.state, export.attempt) == ("cancelled", 0)
    assert files(settings) == []
    assert not Message.objects.exists()


def test_cancelled_and_taken_over_while_it_is_made(town, unit, settings, monkeypatch):
    """At each look of the job: somebody cancelled it, or another worker took a newer number."""
    for state, change in (
        ("cancelled", "state = 'cancelled', finished_at = now()"),
        ("running", "attempt = 7"),
    ):
        export = asked(town, unit)

        class Interfering(making._Progress):
            def over(self, rows, pk=export.pk, change=change):
                for number, row in enumerate(super().over(rows)):
                    if number == 500:
                        sql_elsewhere(f"UPDATE desk_export SET {change} WHERE id = %s", pk)
                    self.looked = 0.0
                    yield row

        monkeypatch.setattr(making, "_Progress", Interfering)
        run_worker()
        export.refresh_from_db()
        assert export.state == state
        assert export.rows_done < 1_000
        assert files(settings) == []
        assert not Message.objects.exists()
        assert not ExportAccess.objects.exists()
        assert jobs() == []


def test_a_fault_is_tried_again_and_given_up_with_a_sentence(town, unit, settings, monkeypatch):
    export = asked(town, unit)
    with monkeypatch.context() as patch:
        patch.setattr(making.csv, "lines", lambda *_: 1 / 0)
        for attempt in (1, 2):
            run_worker()
            export.refresh_from_db()
            assert (export.state, export.attempt, jobs("todo")) == ("running", attempt, ["desk.make_export"])
            due()
        run_worker()
    export.refresh_from_db()
    assert export.state == "failed"
    assert "中断了 3 次" in export.why_failed
    assert Message.objects.get().subject == "专技人员：导出没有完成"
    assert jobs() == []
    assert files(settings) == []
    page = words(town.login(unit).get(f"/exports/{export.pk}/"))
    assert "重新导出" in page
    assert "中断了 3 次" in page


def test_a_fault_once_is_made_good_by_the_second_try(town, unit, settings, monkeypatch):
    export = asked(town, unit)
    with monkeypatch.context() as patch:
        patch.setattr(making.csv, "lines", lambda *_: 1 / 0)
        run_worker()
    due()
    run_worker()
    export.refresh_from_db()
    assert (export.state, export.attempt, export.rows_done) == ("done", 2, PEOPLE)
    assert files(settings) == [f"{export.pk}-2.csv"]


# --- a worker of its own process ---------------------------------------------------------------------------


@pytest.fixture
def elsewhere(worker, settings, monkeypatch):
    """Starts the worker's command with this test's folder of files."""
    monkeypatch.setenv(
        "CPE_KEYS_FILE", os.environ.get("CPE_KEYS_FILE") or str(settings.DATA_DIR / "keys.json")
    )
    monkeypatch.setenv("CPE_DATA_DIR", str(settings.MEDIA_ROOT.parent))
    return worker


def until(condition, seconds=30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def rescued() -> None:
    sql("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '31 seconds'")
    enqueue("accounts.rescue", [{"timestamp": 0}])
    run_worker()


def begun(export: Export) -> bool:
    export.refresh_from_db()
    return export.rows_done > 0


def test_a_killed_worker_is_followed_by_another_and_after_three_the_person_is_told(
    town, unit, settings, elsewhere
):
    crowd(unit, 30_000, start=10_000)
    export = asked(town, unit, "xlsx")
    for attempt in (1, 2, 3):
        process = elsewhere()
        until(lambda: begun(export))
        process.send_signal(signal.SIGKILL)
        process.wait()
        export.refresh_from_db()
        assert (export.state, export.attempt) == ("running", attempt)
        sql("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '31 seconds'")
        if attempt == 3:
            break
        sql("UPDATE procrastinate_jobs SET status = 'todo', worker_id = NULL WHERE status = 'doing'")
        sql("UPDATE desk_export SET rows_done = 0")
    rescued()
    export.refresh_from_db()
    assert (export.state, export.attempt) == ("failed", 4)
    assert "中断了 3 次" in Message.objects.get().text
    assert not ExportAccess.objects.exists()
    assert jobs() == []


def test_a_killed_worker_is_followed_by_another_which_makes_it_whole(town, unit, settings, elsewhere):
    crowd(unit, 30_000, start=10_000)
    export = asked(town, unit, "xlsx")
    process = elsewhere()
    until(lambda: begun(export))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert jobs("doing") == ["desk.make_export"]
    rescued()
    export.refresh_from_db()
    assert (export.state, export.attempt, export.rows_done) == ("done", 2, PEOPLE + 30_000)
    assert files(settings) == [f"{export.pk}-2.xlsx"]
    sheet = openpyxl.load_workbook(export.file.path, read_only=True).active
    assert sum(1 for _ in sheet.iter_rows(values_only=True)) == 2 + PEOPLE + 30_000
    assert Message.objects.count() == 1
    assert ExportAccess.objects.count() == 1


def test_a_worker_that_is_told_to_stop_leaves_the_export_to_the_next(town, unit, settings, monkeypatch):
    export = asked(town, unit)

    class Slow(making._Progress):
        def over(self, rows):
            for row in super().over(rows):
                self.looked = 0.0
                time.sleep(0.002)
                yield row

    async def stopped_on_the_way() -> None:
        working = asyncio.create_task(work(listen_notify=False, shutdown_graceful_timeout=0.2))
        await asyncio.to_thread(until, lambda: sql_elsewhere("SELECT 1 FROM desk_export WHERE rows_done > 0"))
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working

    with monkeypatch.context() as patch:
        patch.setattr(making, "_Progress", Slow)
        asyncio.run(stopped_on_the_way())
    export.refresh_from_db()
    assert (export.state, export.attempt, jobs("todo")) == ("running", 1, ["desk.make_export"])
    assert 0 < export.rows_done < PEOPLE
    assert files(settings) == []
    due()
    run_worker()
    export.refresh_from_db()
    assert (export.state, export.attempt, export.rows_done) == ("done", 2, PEOPLE)
    assert ExportAccess.objects.count() == 1


def test_a_long_export_holds_up_no_short_one(town, unit, monkeypatch):
    long = asked(town, unit)
    sql("UPDATE procrastinate_jobs SET lock = %s WHERE task_name = 'desk.make_export'", asking.LONG)
    short = asked(town, unit)
    order = []
    write = making._write

    def slow(path, export, *rest):
        order.append(("begins", export.pk))
        if export.pk == long.pk:
            until(lambda: ("ends", short.pk) in order)
        write(path, export, *rest)
        order.append(("ends", export.pk))

    monkeypatch.setattr(making, "_write", slow)
    run_worker()
    assert order[-2:] == [("ends", short.pk), ("ends", long.pk)]
    assert Export.objects.filter(state="done").count() == 2
