"""The log shows every change: what was changed, cut, put in or put elsewhere is named (P5 of trust.md).

The tampering is done as the database's superuser may do it, with the triggers off.
"""

import contextlib
import datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from tests.race import at_once
from tests.test_engine import step_of, transfer
from workflow import engine
from workflow.chain import START, Link, broken_links, microseconds
from workflow.models import Application, Event


@contextlib.contextmanager
def triggers_off():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield cursor
        cursor.execute("SET LOCAL session_replication_role = origin")


def tamper(sql: str, *params) -> None:
    with triggers_off() as cursor:
        cursor.execute(sql, params)
        assert cursor.rowcount, "nothing was changed: the test would prove nothing"


def verify(*args) -> str:
    """What the command says; it begins with "!" when it ended with an error."""
    out = StringIO()
    try:
        call_command("verify_events", *args, stdout=out)
    except CommandError as error:
        return f"!{out.getvalue()}{error}"
    return out.getvalue()


def events(application: Application) -> list[Event]:
    return list(application.events.order_by("number"))


@pytest.fixture
def signed(town) -> Application:
    """A transfer with three events: filed, approved with a remark, approved."""
    old, new = town.employer(), town.employer()
    application = transfer(town, town.practitioner(at=old), new)
    engine.approve(step_of(application, "原单位审核").pk, by=town.actor(old), comment="同意调出")
    engine.approve(step_of(application, "新单位审核").pk, by=town.actor(new))
    return application


@pytest.fixture
def another(town) -> Application:
    """Another one beside it, untouched: it must never be named."""
    old, new = town.employer(), town.employer()
    application = transfer(town, town.practitioner(at=old), new)
    engine.reject(step_of(application, "原单位审核").pk, by=town.actor(old), comment="手续不全")
    return application


# --- untouched ------------------------------------------------------------------------------------------


def test_what_the_engine_wrote_is_clean(town, signed, another):
    withdrawn = transfer(town, town.practitioner(at=town.employer()), town.employer())
    engine.withdraw(withdrawn.pk, by=town.actor(withdrawn.practitioner))
    assert [event.number for event in events(signed)] == [1, 2, 3]
    assert len({bytes(event.digest) for event in Event.objects.all()}) == Event.objects.count() == 7
    assert verify() == "办理记录与写入时相同。\n"


def test_the_whole_demo_town_is_clean(db):
    for command in ("load_reference", "load_hours", "load_bureaus", "load_town"):
        call_command(command, verbosity=0, stdout=StringIO())
    assert Event.objects.count() > 100
    assert verify() == "办理记录与写入时相同。\n"


def test_each_event_follows_the_one_before_it(signed):
    """Reckoned here once more by hand, so that Python and the database cannot be wrong in the same way."""
    first, second, _ = events(signed)
    link = Link(
        signed.pk, 2, second.pk, second.step_id, "approve", second.user_id, second.organization_id,
        microseconds(second.at), "同意调出", bytes(second.digest),
    )  # fmt: skip
    assert link.fits(bytes(first.digest))
    assert not link.fits(START)


@pytest.mark.parametrize(
    "comment", ["", "a\nb", "\\", "'; --", "😀\t\r\n", "5:abc\n", " ", "﻿x", "\x01", "é" * 400]
)
def test_every_text_is_read_as_the_database_reads_it(signed, comment):
    at = datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=datetime.UTC)
    Event.objects.create(application=signed, verb="approve", user=signed.submitted_by, comment=comment, at=at)
    assert list(broken_links()) == []


def test_a_text_cannot_run_on_into_the_next(signed):
    """The same characters in a row, cut in another place, are another text."""
    one = Link(1, 1, 1, None, "approve", 1, None, 0, "x", b"")
    for two in (
        Link(1, 1, 1, None, "approve\n1", 1, None, 0, "x", b""),
        Link(1, 11, 1, None, "approve", 1, None, 0, "x", b""),
        Link(1, 1, 1, 1, "approve", 1, None, 0, "x", b""),
        Link(1, 1, 1, None, "approve", 1, 1, 0, "x", b""),
    ):
        assert one.after(START) != two.after(START)


@pytest.mark.parametrize("style", ["ISO, MDY", "German, DMY", "SQL, DMY"])
@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/St_Johns", "UTC"])
def test_the_digest_does_not_depend_on_the_session(signed, zone, style):
    """The same event is written under other settings and gets the digest that Python reckons without them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('TimeZone', %s, true)", [zone])
        cursor.execute("SELECT set_config('DateStyle', %s, true)", [style])
        cursor.execute("SET LOCAL bytea_output = 'escape'; SET LOCAL extra_float_digits = 0;")
        cursor.execute(
            "INSERT INTO workflow_event (application_id, verb, user_id, comment, at)"
            " VALUES (%s, 'approve', %s, '', '2026-03-29 02:30:00.123456+00')",
            [signed.pk, signed.submitted_by_id],
        )
        cursor.execute("SELECT event_digest(e, '\\x01') FROM workflow_event e ORDER BY id DESC LIMIT 1")
        under_these = cursor.fetchone()[0]
        cursor.execute("RESET TimeZone; RESET DateStyle; RESET bytea_output; RESET extra_float_digits;")
        cursor.execute("SELECT event_digest(e, '\\x01') FROM workflow_event e ORDER BY id DESC LIMIT 1")
        assert bytes(cursor.fetchone()[0]) == bytes(under_these)
    assert list(broken_links()) == []


# --- bulk writers ---------------------------------------------------------------------------------------

BULK = "INSERT INTO workflow_event (application_id, verb, user_id, comment, at) VALUES "


def test_one_statement_for_many_applications_and_for_several_events_of_one(signed, another):
    rows = [(application.pk, signed.submitted_by_id) for application in (signed, another, signed, signed)]
    with connection.cursor() as cursor:
        cursor.execute(
            BULK + ", ".join(["(%s, 'approve', %s, '', now())"] * 4), [value for row in rows for value in row]
        )
    assert [event.number for event in events(signed)] == [1, 2, 3, 4, 5, 6]
    assert list(broken_links()) == []


def test_two_writing_parts_of_one_statement(signed):
    """As a set-based decision might: both parts of the statement write events of the same application."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH first AS ({BULK} (%s, 'approve', %s, '', now()) RETURNING id) {BULK} (%s, 'approve', %s, '', now())",
            [signed.pk, signed.submitted_by_id] * 2,
        )
    assert [event.number for event in events(signed)] == [1, 2, 3, 4, 5]
    assert list(broken_links()) == []


def test_copy_and_bulk_create(signed, another):
    with connection.cursor() as cursor:
        columns = "application_id, verb, user_id, comment, at"
        with cursor.connection.cursor().copy(f"COPY workflow_event ({columns}) FROM STDIN") as copy:
            for application in (signed, another, signed):
                copy.write_row((application.pk, "approve", signed.submitted_by_id, "", timezone.now()))
    Event.objects.bulk_create(
        Event(application=application, verb="approve", user=signed.submitted_by)
        for application in (signed, signed)
    )
    assert [event.number for event in events(signed)] == [1, 2, 3, 4, 5, 6, 7]
    assert list(broken_links()) == []


def test_nobody_chooses_number_and_digest(signed):
    made = Event.objects.create(
        application=signed, verb="approve", user=signed.submitted_by, number=9, digest=b"mine"
    )
    assert (made.number, len(made.digest)) != (9, 4)
    made.refresh_from_db()
    assert (made.number, len(made.digest)) == (4, 32)
    assert list(broken_links()) == []


def test_the_database_refuses_changes(signed):
    for change in ("UPDATE workflow_event SET comment = 'x'", "DELETE FROM workflow_event"):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(change)


@pytest.mark.django_db(transaction=True)
def test_two_signatures_at_once_are_one_line(town):
    """A parallel route: both superiors sign in the same moment."""
    from tests.test_engine import change_superior

    one, two = town.authority(), town.authority()
    application = change_superior(town, town.employer(under=one), two)
    old, new = step_of(application, "原上级审核"), step_of(application, "新上级审核")
    assert at_once(
        lambda: engine.approve(old.pk, by=town.actor(one)), lambda: engine.approve(new.pk, by=town.actor(two))
    ) == ["ok", "ok"]
    assert [event.number for event in events(application)] == [1, 2, 3]
    assert list(broken_links()) == []


@pytest.mark.django_db(transaction=True)
def test_writers_without_the_lock_cannot_fork_the_log(town):
    """Somebody writes an event past the engine at the same moment: one is refused, or both stand in a line."""
    application = transfer(town, town.practitioner(at=town.employer()), town.employer())

    @transaction.atomic
    def write():
        Event.objects.create(application=application, verb="approve", user=application.submitted_by)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.2)")

    assert at_once(write, write) == ["IntegrityError", "ok"]
    assert [event.number for event in events(application)] == [1, 2]
    assert list(broken_links()) == []


# --- tampering ------------------------------------------------------------------------------------------

FIELD = {
    "comment": ("UPDATE workflow_event SET comment = '不同意' WHERE id = %s", "意见"),
    "verb": ("UPDATE workflow_event SET verb = 'reject' WHERE id = %s", "动作"),
    "user": (
        "UPDATE workflow_event SET user_id = (SELECT max(id) FROM accounts_user) WHERE id = %s",
        "办理人",
    ),
    "organization": ("UPDATE workflow_event SET organization_id = NULL WHERE id = %s", "办理单位"),
    "step": ("UPDATE workflow_event SET step_id = NULL WHERE id = %s", "审核环节"),
    "one microsecond": ("UPDATE workflow_event SET at = at + interval '1 microsecond' WHERE id = %s", "时间"),
    "one microsecond less": (
        "UPDATE workflow_event SET at = at - interval '1 microsecond' WHERE id = %s",
        "时间",
    ),
}


@pytest.mark.parametrize("field", FIELD)
def test_a_changed_field_is_named(signed, another, field):
    sql, name = FIELD[field]
    victim = events(signed)[1]
    tamper(sql, victim.pk)
    (broken,) = broken_links()
    assert (broken.application, broken.event) == (signed.pk, victim.pk)
    assert broken.sentence == f"内容被改动：{name}与写入时不同。"
    assert verify().startswith(f"!申请 {signed.pk}，办理记录 {victim.pk}：内容被改动：{name}")


def test_a_field_that_was_changed_in_the_step_as_well_is_still_seen(signed):
    """Whoever covers the traces in the step leaves no copy to compare with; the link is broken all the same."""
    victim = events(signed)[1]
    tamper("UPDATE workflow_step SET comment = '别的' WHERE id = %s", victim.step_id)
    tamper("UPDATE workflow_event SET comment = '别的' WHERE id = %s", victim.pk)
    (broken,) = broken_links()
    assert broken.event == victim.pk
    assert "内容被改动，或者" in broken.sentence


def test_an_event_of_another_application(signed, another):
    tamper(
        "UPDATE workflow_event SET application_id = %s, number = 4 WHERE id = %s",
        another.pk,
        events(signed)[2].pk,
    )
    assert {broken.application for broken in broken_links()} == {another.pk}
    assert f"申请 {signed.pk}：" in verify()


@pytest.mark.parametrize("place", [0, 1])
def test_a_deleted_event_is_missed(signed, another, place):
    tamper("DELETE FROM workflow_event WHERE id = %s", events(signed)[place].pk)
    (broken,) = broken_links()
    assert broken.application == signed.pk
    assert f"缺少第 {place + 1} 条" in broken.sentence


def test_a_deleted_event_whose_traces_were_covered(signed, another):
    _, second, third = events(signed)
    tamper("DELETE FROM workflow_event WHERE id = %s", second.pk)
    tamper("UPDATE workflow_event SET number = 2 WHERE id = %s", third.pk)
    (broken,) = broken_links()
    assert (broken.event, "上一条被删除" in broken.sentence) == (third.pk, True)


@pytest.mark.parametrize("which", ["signed", "another"])
def test_the_deleted_last_event_is_missed_by_what_the_application_says(request, signed, another, which):
    victim = request.getfixturevalue(which)
    last = events(victim)[-1]
    tamper("DELETE FROM workflow_event WHERE id = %s", last.pk)
    assert list(broken_links()) == []  # nothing follows it
    assert verify().startswith(f"!申请 {victim.pk}：")


def test_all_events_of_an_application_deleted(signed, another):
    tamper("DELETE FROM workflow_event WHERE application_id = %s", signed.pk)
    assert f"申请 {signed.pk}：状态与最后一条办理记录不符" in verify()


def insert_after_the_first(application, digest: str) -> int:
    """An event forged between the first and the second, which make room for it."""
    with triggers_off() as cursor:
        cursor.execute(
            "UPDATE workflow_event SET number = number + 100 WHERE application_id = %s AND number > 1",
            [application.pk],
        )
        cursor.execute(
            "INSERT INTO workflow_event (application_id, verb, user_id, comment, at, number, digest)"
            " VALUES (%s, 'approve', %s, '', now(), 2, '') RETURNING id",
            [application.pk, application.submitted_by_id],
        )
        (pk,) = cursor.fetchone()
        cursor.execute(f"UPDATE workflow_event e SET digest = {digest} WHERE id = %s", [pk])
        cursor.execute(
            "UPDATE workflow_event SET number = number - 99 WHERE application_id = %s AND number > 100",
            [application.pk],
        )
    return pk


def test_an_inserted_event_is_named(signed, another):
    forged = insert_after_the_first(signed, "sha256('x')")
    (broken,) = broken_links()
    assert (broken.application, broken.event) == (signed.pk, forged)


def test_an_inserted_event_with_a_fitting_digest_is_named(signed, another):
    forged = insert_after_the_first(
        signed,
        "event_digest(e, (SELECT digest FROM workflow_event b WHERE b.application_id = e.application_id AND number = 1))",
    )
    (broken,) = broken_links()
    assert broken.sentence.startswith(f"办理记录 {forged} 是后来插入的")


def test_a_changed_order_is_named(signed, another):
    _, second, third = events(signed)
    with triggers_off() as cursor:
        for number, pk in ((9, second.pk), (2, third.pk), (3, second.pk)):
            cursor.execute("UPDATE workflow_event SET number = %s WHERE id = %s", [number, pk])
    (broken,) = broken_links()
    assert (broken.event, broken.sentence.startswith("次序被改动")) == (third.pk, True)


def test_a_digest_reckoned_anew_breaks_the_next_link(signed, another):
    first, second, _ = events(signed)
    tamper("UPDATE workflow_event SET comment = '' WHERE id = %s", second.pk)
    tamper(
        "UPDATE workflow_event e SET digest = event_digest(e, %s) WHERE id = %s",
        bytes(first.digest),
        second.pk,
    )
    (broken,) = broken_links()
    assert broken.event == events(signed)[2].pk
    assert "它所接的上一条被删除、改写" in broken.sentence


def test_more_than_twenty_are_counted_and_the_first_are_shown(signed, town):
    for _ in range(24):
        transfer(town, town.practitioner(at=town.employer()), town.employer())
    tamper("UPDATE workflow_event SET at = at + interval '1 second'")
    said = verify()
    assert said.count("内容被改动") == 20
    assert "共 27 处" in said  # 25 logs, and two steps whose decision the log does not confirm any more


def test_no_personal_word_is_printed(signed):
    tamper("UPDATE workflow_event SET comment = '秘密的意见' WHERE id = %s", events(signed)[1].pk)
    assert "秘密" not in verify()
    assert "同意调出" not in verify()
