"""The seals of the days: what the chain alone cannot show, and what the clock does around midnight (P5 of trust.md)."""

import datetime
import threading
import time
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from tests.test_chain import events, tamper, verify
from tests.test_engine import step_of, transfer
from workflow import engine
from workflow.chain import broken_links
from workflow.models import DaySeal
from workflow.sealing import broken_seals, line, seal_days

DAY = datetime.timedelta(days=1)


def at(days_ago: int, hour: int = 12, minute: int = 0, second: int = 0) -> datetime.datetime:
    """A time of day in Shanghai, that many days ago, whatever the engine's clock says now."""
    day = datetime.datetime.now(timezone.get_default_timezone()).date() - days_ago * DAY
    return timezone.make_aware(datetime.datetime.combine(day, datetime.time(hour, minute, second)))


def seal_command(*args) -> list[str]:
    out = StringIO()
    call_command("seal_day", *args, stdout=out)
    return out.getvalue().splitlines()


def counts() -> list[int]:
    return list(DaySeal.objects.order_by("day").values_list("count", flat=True))


@pytest.fixture
def clock(monkeypatch):
    """clock(at(3)): from now on it is then, for the engine."""
    return lambda moment: monkeypatch.setattr("django.utils.timezone.now", lambda: moment)


@pytest.fixture
def filed(town, clock):
    """One transfer each, filed five, four and two days ago; three days ago nothing happened."""
    applications, now = [], timezone.now()
    for days in (5, 4, 2):
        clock(at(days))
        applications.append(transfer(town, town.practitioner(at=town.employer()), town.employer()))
    clock(now)
    return applications


# --- sealing --------------------------------------------------------------------------------------------


def test_missed_days_are_made_up_for_and_a_day_is_sealed_once(filed):
    lines = seal_command()
    assert [one.split(" ")[0] for one in lines] == [
        str(timezone.localdate() - n * DAY) for n in (5, 4, 3, 2, 1)
    ]
    assert counts() == [1, 1, 0, 1, 0]
    assert seal_command() == []
    assert seal_command("--all") == lines
    assert verify() == "办理记录与写入时相同。\n"


def test_today_is_not_sealed(town, filed):
    seal_days()
    transfer(town, town.practitioner(at=town.employer()), town.employer())
    assert seal_days() == []
    assert DaySeal.objects.order_by("-day").first().last == events(filed[-1])[-1].pk


def test_nothing_is_sealed_before_there_is_anything(db):
    assert seal_command() == []
    assert verify() == "办理记录与写入时相同。\n"


def test_the_day_is_that_of_shanghai(town, clock):
    """00:30 in Shanghai is still the day before in UTC."""
    now = timezone.now()
    for moment in (at(2, 0, 30), at(1, 0, 30), at(0, 0, 0, 1)):
        clock(moment)
        transfer(town, town.practitioner(at=town.employer()), town.employer())
    clock(now)
    seal_days()
    assert counts() == [1, 1]


def test_what_is_written_late_for_a_sealed_day_belongs_to_the_next_seal(town, filed, clock):
    """A clock that was behind, records taken over: sealed days do not change."""
    first = seal_command()
    now = timezone.now()
    clock(at(4))
    late = transfer(town, town.practitioner(at=town.employer()), town.employer())
    clock(now)
    assert verify() == "办理记录与写入时相同。\n"
    clock(now + DAY)
    (line,) = seal_command()
    assert line.split(" ")[1:3] == ["1", str(events(late)[0].pk)]
    assert seal_command("--all")[:-1] == first


def test_seals_are_append_only(filed):
    seal_days()
    for change in ("UPDATE workflow_dayseal SET count = 9", "DELETE FROM workflow_dayseal"):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(change)


# --- around midnight: transactions that are not over when the day is sealed ------------------------------


class Writer(threading.Thread):
    """A decision whose transaction is over only after `release`; it has its id and its time since `written`."""

    def __init__(self, step, actor):
        super().__init__()
        self.step, self.actor = step, actor
        self.written, self.release = threading.Event(), threading.Event()

    def run(self):
        try:
            with transaction.atomic():
                engine.approve(self.step.pk, by=self.actor)
                self.written.set()
                assert self.release.wait(timeout=20)
        finally:
            connection.close()


@pytest.fixture
def late(town, clock, transactional_db):
    """An approval of yesterday, 23:59:59, whose transaction is still open after midnight; one of today is done."""
    clock(at(1, 23, 50))
    old = town.employer()
    one = transfer(town, town.practitioner(at=old), town.employer())
    clock(at(1, 23, 59, 59))
    writer = Writer(step_of(one, "原单位审核"), town.actor(old))
    writer.start()
    assert writer.written.wait(timeout=10)
    clock(at(0, 0, 0, 3))
    transfer(town, town.practitioner(at=town.employer()), town.employer())
    yield writer, one
    writer.release.set()
    writer.join()


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_commits_while_it_is_sealed_is_in_the_seal(late):
    writer, one = late
    sealed = []

    def seal():
        try:
            sealed.extend(seal_days(patience=20))
        finally:
            connection.close()

    sealing = threading.Thread(target=seal)
    sealing.start()
    time.sleep(0.5)
    assert sealing.is_alive()
    assert DaySeal.objects.count() == 0
    writer.release.set()
    sealing.join(timeout=20)
    assert [seal.count for seal in sealed] == [2]
    assert events(one)[-1].pk <= sealed[0].last
    assert verify() == "办理记录与写入时相同。\n"


@pytest.mark.django_db(transaction=True)
def test_sealing_blocks_nobody_and_gives_up_in_time(late, town):
    """Others go on while it waits, and what it could not do the next run does."""
    writer, _ = late
    with pytest.raises(CommandError, match="没有封存"):
        call_command("seal_day", "--patience", "0.3")
    transfer(town, town.practitioner(at=town.employer()), town.employer())
    assert DaySeal.objects.count() == 0
    writer.release.set()
    writer.join()
    assert [seal.count for seal in seal_days()] == [2]
    assert list(broken_seals()) == []


@pytest.mark.django_db(transaction=True)
def test_without_waiting_the_late_event_would_break_the_seal(late, monkeypatch):
    """The control."""
    writer, _ = late
    monkeypatch.setattr("workflow.sealing._wait_for_writers", lambda patience: None)
    assert [seal.count for seal in seal_days()] == [1]
    writer.release.set()
    writer.join()
    (broken,) = broken_seals()
    assert "多 1 条办理记录" in broken.sentence


# --- tampering that the chain does not show --------------------------------------------------------------


def test_a_deleted_last_event_is_missed_by_the_seal(filed):
    """Whoever deletes it deletes the application with it, so that nothing else tells."""
    seal_days()
    last = filed[-1]
    tamper("DELETE FROM workflow_event WHERE application_id = %s", last.pk)
    for table in ("workflow_step", "transfers_unittransfer"):
        tamper(f"DELETE FROM {table} WHERE application_id = %s", last.pk)
    tamper("DELETE FROM workflow_application WHERE id = %s", last.pk)
    assert list(broken_links()) == []
    said = verify()
    assert said.startswith(f"!封存：{timezone.localdate() - 2 * DAY} 的封存缺 1 条办理记录")


def test_an_event_put_into_a_sealed_day_is_seen(town, filed, clock):
    """Its id is one that a transaction which was rolled back left free; its digest fits."""
    now, last = timezone.now(), filed[-1]
    clock(at(2))
    with transaction.atomic():
        transfer(town, town.practitioner(at=town.employer()), town.employer())
        transaction.set_rollback(True)
    free = events(last)[0].pk + 1
    transfer(town, town.practitioner(at=town.employer()), town.employer())
    clock(now)
    seal_days()
    tamper(
        "INSERT INTO workflow_event (id, application_id, verb, user_id, comment, at, number, digest)"
        " SELECT %s, application_id, 'approve', user_id, '', at, 2, digest FROM workflow_event WHERE application_id = %s",
        free,
        last.pk,
    )
    tamper("UPDATE workflow_event e SET digest = event_digest(e, digest) WHERE id = %s", free)
    assert list(broken_links()) == []
    (broken,) = broken_seals()
    assert broken.sentence.startswith(f"{timezone.localdate() - 2 * DAY} 的封存多 1 条办理记录")


def test_a_log_of_which_all_digests_were_reckoned_anew(filed):
    """The whole chain of an application is rewritten by somebody who knows how: the seal does not fit."""
    seal_days()
    tamper(
        "UPDATE workflow_event SET user_id = (SELECT max(id) FROM accounts_user) WHERE application_id = %s",
        filed[1].pk,
    )
    tamper("UPDATE workflow_event e SET digest = event_digest(e, '') WHERE application_id = %s", filed[1].pk)
    assert list(broken_links()) == []
    (broken,) = broken_seals()
    assert broken.sentence.startswith(f"{timezone.localdate() - 4 * DAY} 的封存与办理记录不符")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("count = count + 1", "中的条数被改动"),
        ("digest = sha256('x')", "与办理记录不符"),
        ("last = last - 1", "缺 1 条办理记录"),
        ("after = after - 1", "不与前一天的封存相接"),
        ("day = day + 30", "之后缺少"),
    ],
)
def test_a_changed_seal_is_named(filed, change, said):
    seal_days()
    day = timezone.localdate() - 4 * DAY
    tamper(f"UPDATE workflow_dayseal SET {change} WHERE day = %s", day)
    first = next(broken_seals())
    assert said in first.sentence
    assert said == "之后缺少" or first.sentence.startswith(f"{day} 的封存")


@pytest.mark.parametrize("days", [5, 4, 3])
def test_a_deleted_seal_is_named(filed, days):
    seal_days()
    day = timezone.localdate() - days * DAY
    tamper("DELETE FROM workflow_dayseal WHERE day = %s", day)
    (broken,) = broken_seals()
    before = day - DAY if days < 5 else None
    assert "被删除" in broken.sentence
    assert not before or broken.sentence.startswith(f"{before} 之后缺少 {day} 的封存")


def test_seals_that_end_too_early_are_noticed(filed):
    """The newest seals were deleted, or nobody seals any more: the two look the same without the kept lines."""
    kept = seal_command()
    tamper("DELETE FROM workflow_dayseal WHERE day > %s", timezone.localdate() - 4 * DAY)
    (broken,) = broken_seals()
    assert "之后没有封存" in broken.sentence
    assert len(kept) == 5


def test_lines_kept_elsewhere_show_seals_that_were_all_reckoned_anew(filed, tmp_path):
    """The last way out: the log is rewritten and sealed again from the first day on."""
    kept = tmp_path / "seals.txt"
    kept.write_text("\n".join(seal_command()) + "\n", encoding="utf-8")
    assert verify("--kept", str(kept)) == "办理记录与写入时相同。\n"
    tamper("DELETE FROM workflow_dayseal")
    tamper(
        "UPDATE workflow_event SET user_id = (SELECT max(id) FROM accounts_user) WHERE application_id = %s",
        filed[1].pk,
    )
    tamper("UPDATE workflow_event e SET digest = event_digest(e, '') WHERE application_id = %s", filed[1].pk)
    assert "被删除" in verify("--kept", str(kept))
    seal_days()
    assert verify() == "办理记录与写入时相同。\n"
    said = verify("--kept", str(kept))
    assert said.startswith(f"!封存：{timezone.localdate() - 4 * DAY} 的封存与另存的不同")


# --- a part of the time -----------------------------------------------------------------------------------


def test_days_can_be_verified_by_themselves(filed):
    seal_days()
    tamper("UPDATE workflow_event SET comment = 'x' WHERE application_id = %s", filed[1].pk)
    days = [str(timezone.localdate() - n * DAY) for n in range(6)]
    assert f"申请 {filed[1].pk}" in verify("--from", days[4], "--to", days[4])
    assert f"申请 {filed[1].pk}" in verify("--from", days[5])
    assert f"申请 {filed[1].pk}" in verify("--to", days[4])
    assert verify("--from", days[3]) == "办理记录与写入时相同。\n"
    assert verify("--to", days[5]) == "办理记录与写入时相同。\n"


def test_today_is_verified_too(town, filed):
    seal_days()
    today = transfer(town, town.practitioner(at=town.employer()), town.employer())
    tamper("UPDATE workflow_event SET comment = 'x' WHERE application_id = %s", today.pk)
    assert f"申请 {today.pk}" in verify("--from", str(timezone.localdate()))
    assert f"申请 {today.pk}" in verify(
        "--from", str(timezone.localdate()), "--to", str(timezone.localdate())
    )


def test_a_line_says_day_count_last_event_and_digest(filed):
    (seal, *_) = seal_days()
    day, count, last, digest = line(seal).split(" ")
    assert (day, int(count), int(last)) == (str(seal.day), seal.count, seal.last)
    assert bytes.fromhex(digest) == bytes(seal.digest)
