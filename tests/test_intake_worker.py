"""Spreadsheets with the real worker: checked, confirmed, entered; killed and taken up again; nothing twice, nothing half.

Transactional tests: the worker has connections of its own and sees only what is committed.
"""

import signal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from accounts.models import Message
from credits.intake import asking, committing, reading, working
from credits.models import CheckedRow, IntakeBatch, IntakeError, IntakeRecord, LedgerEntry, Provider
from tests import test_exports_worker, test_messages_worker
from tests.sheets import text
from tests.test_exports_worker import rescued, until
from tests.test_intake import hours_of, ledger, row, true_to_the_ledger
from tests.test_messages_worker import due, jobs, run_worker, sql
from tests.town import synthetic_id

pytestmark = pytest.mark.django_db(transaction=True)
empty_queue = test_messages_worker.empty_queue
no_connection_left = test_messages_worker.no_connection_left
post_at_commit = test_messages_worker.post_at_commit
server = test_messages_worker.server
worker = test_messages_worker.worker
elsewhere = test_exports_worker.elsewhere


@pytest.fixture
def provider(town) -> Provider:
    return Provider.objects.create(code="test", name="示例学习平台", bureau=town.bureau)


def uploaded(town, provider, rows, name="学时.csv") -> IntakeBatch:
    return asking.upload(provider, SimpleUploadedFile(name, text(rows)), by=town.actor(town.bureau))


def crowd(count: int, event="E") -> list:
    """So many rows of ten people who are not registered."""
    return [row((synthetic_id(700 + n % 10), f"某{n % 10}"), f"{event}{n}", 0.1) for n in range(count)]


def reread(batch: IntakeBatch) -> IntakeBatch:
    batch.refresh_from_db()
    return batch


def test_checked_confirmed_entered_and_told(town, provider, settings):
    person = town.practitioner(at=town.employer())
    batch = uploaded(town, provider, [row(person, "A1", 12.5), *crowd(10)])
    assert len(list((settings.MEDIA_ROOT / "intake").rglob("*.upload"))) == 1
    run_worker()
    assert (reread(batch).state, batch.rows_total, batch.rows_waiting) == ("checked", 11, 10)
    assert list((settings.MEDIA_ROOT / "intake").rglob("*.upload")) == []
    assert "可以入账 11 行" in Message.objects.get().text
    asking.confirm(batch, by=town.actor(town.bureau))
    run_worker()
    assert (reread(batch).state, batch.rows_new, batch.rows_waiting) == ("done", 11, 10)
    assert hours_of(person) == {"public": "12.5"}
    said = Message.objects.order_by("pk").last()
    assert (said.subject, said.url) == ("学时导入“学时.csv”已入账", f"/hours/intake/{batch.pk}/")
    assert "其中 10 行的人员还没有注册" in said.text
    assert jobs() == []
    true_to_the_ledger()


def test_a_worker_killed_in_the_check_is_followed_by_another(town, provider, elsewhere):
    batch = uploaded(town, provider, [*crowd(40_000), row((synthetic_id(700), "某0"), "bad", 7.25)])
    process = elsewhere()
    until(lambda: reread(batch).rows_done > 0, 60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert reread(batch).state == "checking"
    assert batch.rows_total > batch.rows_done > 0  # how far, and how much there is about
    assert not CheckedRow.objects.exists()
    assert not IntakeError.objects.exists()
    rescued()
    assert (reread(batch).state, batch.rows_total, batch.rows_wrong) == ("checked", 40_001, 1)
    assert CheckedRow.objects.count() == 40_000
    assert IntakeError.objects.get().row == 40_002
    assert jobs() == []


@pytest.mark.parametrize("table", ["orgs_practitioner", "credits_standing", "credits_intakebatch"])
def test_a_worker_killed_in_the_entry_leaves_nothing_and_the_next_enters_all_once(
    town, provider, elsewhere, table
):
    """Stopped before the first lock, after records and ledger were written, and right before the end."""
    people = [town.practitioner(at=town.employer()) for _ in range(3)]
    batch = uploaded(town, provider, [row(person, f"A{n}", 12.5) for n, person in enumerate(people)])
    run_worker()
    asking.confirm(batch, by=town.actor(town.bureau))
    holder = connection.copy()
    with holder.cursor() as cursor:
        cursor.execute(f"BEGIN; LOCK TABLE {table} IN EXCLUSIVE MODE")
        process = elsewhere()
        waiting = f"SELECT 1 FROM pg_locks WHERE relation = '{table}'::regclass AND NOT granted"
        until(lambda: sql(waiting), 60)
        process.send_signal(signal.SIGKILL)
        process.wait()
        cursor.execute("ROLLBACK")
    holder.close()
    until(lambda: not sql("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = 722263"))
    assert reread(batch).state == "committing"
    assert not IntakeRecord.objects.exists()
    assert not LedgerEntry.objects.exists()
    assert CheckedRow.objects.count() == 3
    rescued()
    assert (reread(batch).state, batch.rows_new) == ("done", 3)
    assert [hours_of(person) for person in people] == [{"public": "12.5"}] * 3
    assert LedgerEntry.objects.count() == IntakeRecord.objects.count() == 3
    assert not CheckedRow.objects.exists()
    true_to_the_ledger()


def test_a_batch_that_was_entered_is_not_entered_again_by_a_late_worker(town, provider):
    person = town.practitioner(at=town.employer())
    batch = uploaded(town, provider, [row(person, "A1", 12.5)])
    run_worker()
    asking.confirm(batch, by=town.actor(town.bureau))
    run_worker()
    for task in ("credits.commit_batch", "credits.check_batch", "credits.attach_person"):
        arguments = {"practitioner_id": person.pk} if task.endswith("person") else {"batch_id": batch.pk}
        committing.app.configure_task(task).defer(**arguments)
    run_worker()
    assert ledger(person) == [("granted", 2025, "public", "12.5")]
    assert reread(batch).state == "done"
    assert jobs() == []


def test_what_changed_since_the_check_is_shown_and_nothing_is_entered(town, provider):
    person = town.practitioner(at=town.employer(), user=town.user("王晓妮"))
    batch = uploaded(town, provider, [row(person, "A1"), row(person, "A2")])
    other = uploaded(town, provider, [row(person, "A2", 5)], name="另一个.csv")
    run_worker()
    assert not reread(batch).rows_wrong
    asking.confirm(other, by=town.actor(town.bureau))
    run_worker()  # of two at once either may win: the worker has several threads
    assert reread(other).state == "done"
    asking.confirm(batch, by=town.actor(town.bureau))
    run_worker()
    assert (reread(batch).state, batch.rows_wrong) == ("checked", 1)
    assert IntakeError.objects.get().row == 3
    assert ledger(person) == [("granted", 2025, "public", "5.0")]
    assert "1 行需要改正" in Message.objects.get(key=f"intake:{batch.pk}:checked:1").text


def test_a_fault_is_tried_again_and_given_up_with_a_sentence(town, provider, monkeypatch):
    batch = uploaded(town, provider, crowd(3))
    with monkeypatch.context() as patch:
        patch.setattr("credits.intake.checking._check", lambda *_: 1 / 0)
        for attempt in (1, 2):
            run_worker()
            assert (reread(batch).state, jobs("todo")) == ("checking", ["credits.check_batch"]), attempt
            due()
        run_worker()
    assert (reread(batch).state, batch.sentence) == ("failed", working.INTERRUPTED)
    assert Message.objects.get().text == working.INTERRUPTED
    assert batch.file.name == ""
    assert jobs() == []


def test_cancelled_while_it_is_checked(town, provider, monkeypatch):
    """The job finds out at its next look."""
    batch = uploaded(town, provider, crowd(12_000))
    monkeypatch.setattr(working, "LOOK_EVERY", 0)
    looked = []

    class Cancelling(working.Progress):
        def at(self, rows, share):
            if not looked:
                self.connection.cursor().execute(
                    "UPDATE credits_intakebatch SET state = 'cancelled' WHERE id = %s", [batch.pk]
                )
            looked.append(rows)
            super().at(rows, share)

    monkeypatch.setattr("credits.intake.checking.Progress", Cancelling)
    run_worker()
    assert looked == [5_000]
    assert reread(batch).state == "cancelled"
    assert not CheckedRow.objects.exists()
    assert jobs() == []


def test_a_file_of_too_many_rows_leaves_nothing(town, provider, monkeypatch):
    monkeypatch.setattr(reading, "MOST_ROWS", 6_000)
    monkeypatch.setattr(
        "credits.intake.checking.LinesApart", reading.Lines
    )  # the other process has its own number
    batch = uploaded(town, provider, [["", "某", "", "", "", "", "", f"{n}"] for n in range(6_020)])
    run_worker()
    assert reread(batch).state == "failed"
    assert "请分成几个文件上传" in batch.sentence
    assert not IntakeError.objects.exists()
