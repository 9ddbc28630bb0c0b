"""学时导入: from the upload to the person's year, through the pages and the real worker's jobs."""

import datetime
import io
import re
from decimal import Decimal

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.consistency import all_invariants
from accounts.id_number import IdNumber
from accounts.models import RoleAccount, User
from credits.certificates import issue, state_of
from credits.intake import asking, checking, committing, working
from credits.intake.attaching import attach_people
from credits.models import (
    CheckedRow,
    IntakeBatch,
    IntakeError,
    IntakeRecord,
    LedgerEntry,
    Provider,
    Standing,
    TallyDelta,
    Verb,
)
from credits.views import intake as views
from orgs.models import Duty, FieldOfStudy, Practitioner, Status
from registration.enrol import Person, enrol_practitioner
from registration.models import IdentityCorrection, PractitionerRegistration
from tests.sheets import text, xlsx
from tests.test_credits import declare, sign
from tests.test_inbox import words
from tests.town import synthetic_id
from workflow import engine

pytestmark = pytest.mark.django_db
YEAR = 2025


class Job:
    """What procrastinate hands to a job."""

    attempts = 0
    job = None

    def __init__(self):
        self.job = self

    def should_abort(self) -> bool:
        return False


@pytest.fixture(autouse=True)
def unseen(monkeypatch):
    """Progress is written on another connection, which does not see the rows of an open test: tests/test_intake_worker.py."""
    monkeypatch.setattr(working, "LOOK_EVERY", float("inf"))


@pytest.fixture
def provider(town) -> Provider:
    return Provider.objects.create(code="test", name="示例学习平台", bureau=town.bureau)


@pytest.fixture
def unit(town):
    return town.employer(name="测试单位甲")


def number(person) -> str:
    return person.user.id_number.reveal()


def row(who, event="", hours=12, subject="公需科目", **more) -> list:
    """A line of the template. `who` is a practitioner or (number, name)."""
    digits, name = (number(who), who.user.name) if hasattr(who, "user") else who
    return [
        digits, name, more.get("year", YEAR), subject, hours, more.get("title", "示例课程"),
        more.get("done", "2025-06-18"), event, more.get("since", ""), more.get("certificate", ""),
        more.get("corrects", ""),
    ]  # fmt: skip


def upload(client: Client, provider, content: bytes, name="学时.xlsx"):
    """POST the form; the batch it made."""
    answer = client.post(
        "/hours/intake/upload/", {"provider": provider.pk, "file": SimpleUploadedFile(name, content)}
    )
    assert answer.status_code == 302, words(answer)
    return IntakeBatch.objects.get(pk=re.search(r"(\d+)/$", answer.url)[1])


def checked(client, provider, rows, **how) -> IntakeBatch:
    batch = upload(client, provider, rows if isinstance(rows, bytes) else xlsx(rows), **how)
    checking.check_batch.func(Job(), batch.pk)
    batch.refresh_from_db()
    return batch


def entered(client, provider, rows, **how) -> IntakeBatch:
    batch = checked(client, provider, rows, **how)
    assert batch.state == "checked", batch.sentence
    assert not batch.rows_wrong, list(IntakeError.objects.values_list("row", "column", "sentence"))
    client.post(f"/hours/intake/{batch.pk}/commit/")
    committing.commit_batch.func(Job(), batch.pk)
    batch.refresh_from_db()
    return batch


def problems(batch) -> list[tuple]:
    return list(IntakeError.objects.filter(batch=batch).values_list("row", "column", "sentence"))


def year_of(person, year=YEAR) -> Standing | None:
    return Standing.objects.filter(practitioner=person, year=year).first()


def hours_of(person, year=YEAR) -> dict:
    standing = year_of(person, year)
    return {key: str(value) for key, value in standing.hours.items()} if standing else {}


def ledger(person) -> list[tuple]:
    rows = LedgerEntry.objects.filter(practitioner=person).order_by("pk")
    return [(one.verb, one.year, one.subject, str(one.hours)) for one in rows]


def true_to_the_ledger() -> None:
    """Every year is the sum of its entries, every record is entered once; by own statements and by the invariants."""
    for one in all_invariants():
        if one.sentence.startswith("平台记录"):
            assert not one.look(None).total, one.sentence
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(*) FROM (
                 SELECT practitioner_id, year, jsonb_object_agg(subject, hours::text) FILTER (WHERE hours <> 0) AS hours,
                        sum(hours) AS total
                   FROM (SELECT practitioner_id, year, subject, sum(hours) AS hours FROM credits_ledgerentry
                          GROUP BY 1, 2, 3) one GROUP BY 1, 2) should
               FULL JOIN credits_standing s USING (practitioner_id, year)
              WHERE coalesce(should.hours, '{}') <> coalesce(s.hours, '{}') OR should.total <> s.total"""
        )
        assert cursor.fetchone() == (0,)
        cursor.execute(
            """SELECT count(*) FROM credits_intakerecord r
                 LEFT JOIN credits_ledgerentry granted ON granted.record_id = r.id AND granted.verb = 'granted'
                 LEFT JOIN credits_ledgerentry back ON back.record_id = r.id AND back.verb = 'reversed'
                 LEFT JOIN credits_intakerecord later ON later.corrects_id = r.id
                WHERE (later.id IS NULL AND r.practitioner_id IS NOT NULL AND r.hours > 0) <> (granted.id IS NOT NULL
                       AND back.id IS NULL) OR (back.id IS NOT NULL AND later.id IS NULL)"""
        )
        assert cursor.fetchone() == (0,)


def registration(unit, digits: str, name: str):
    """A registration of this person at the unit, under review."""
    FieldOfStudy.objects.get_or_create(code="0810", name="土木工程")
    who = Person(number=IdNumber.parse(digits), name=name, email="a@example.org", password="Wheat-field-27")
    payload = PractitionerRegistration(
        situation="staff", employer=unit, education="bachelor", field_of_study_id="0810"
    )
    return enrol_practitioner(who, payload)


def registered(unit, digits: str, name: str):
    """The person, active at once and without anybody being told."""
    user = User.objects.create_user(IdNumber.parse(digits), "Wheat-field-27", name=name)
    account = RoleAccount.objects.create(user=user, role="practitioner", status="active", place=unit.name)
    return Practitioner.objects.create(
        user=user, account=account, employer=unit, path=unit.path, status="active"
    )


# --- the way through ------------------------------------------------------------------------------------------


def test_from_the_upload_to_the_persons_year(town, unit, provider):
    town.rules(total=90, public=30, professional=60)
    one, other = town.practitioner(at=unit), town.practitioner(at=unit)
    client = town.login(town.bureau)
    batch = checked(
        client,
        provider,
        [row(one, "A1", 30), row(one, "A2", 60.5, "专业科目"), row(other, "A3", 7.1), row(other, "A4", 0.2)],
    )
    assert (batch.state, batch.rows_total, batch.rows_new, batch.rows_wrong) == ("checked", 4, 4, 0)
    assert not IntakeRecord.objects.exists()
    assert not LedgerEntry.objects.exists()
    page = words(client.get(f"/hours/intake/{batch.pk}/"))
    assert "没有问题，还没有入账" in page
    assert "全部入账" in page
    assert batch.file.name == ""  # whole ID numbers lie in no file any more
    client.post(f"/hours/intake/{batch.pk}/commit/")
    committing.commit_batch.func(Job(), batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.rows_new, batch.rows_known, batch.rows_waiting) == ("done", 4, 0, 0)
    assert "已入账" in words(client.get("/hours/intake/"))
    assert hours_of(one) == {"public": "30.0", "professional": "60.5"}
    assert hours_of(other) == {"public": "7.3"}
    standing = year_of(one)
    assert (standing.total, standing.imported, standing.complete) == (Decimal("90.5"), standing.hours, True)
    assert year_of(other).complete is False
    entry = LedgerEntry.objects.filter(practitioner=one, subject="public").get()
    assert (entry.source, entry.record.event_id, entry.record.batch) == ("import", "A1", batch)
    assert not CheckedRow.objects.exists()
    mine = words(town.login(one).get(f"/hours/years/?year={YEAR}"))
    assert "示例课程" in mine
    assert "示例学习平台" in mine
    true_to_the_ledger()


def test_the_same_file_again_adds_nothing_with_and_without_numbers(town, unit, provider):
    person = town.practitioner(at=unit)
    client = town.login(town.bureau)
    rows = [row(person, "A1"), row(person, "", title="没有编号的课程")]
    entered(client, provider, rows)
    before = ledger(person)
    again = checked(client, provider, text(rows, encoding="gb18030"), name="又一次.csv")
    assert (again.rows_new, again.rows_known, again.rows_wrong) == (0, 2, 0)
    page = words(client.get(f"/hours/intake/{again.pk}/"))
    assert "以前都已经入账" in page
    assert "全部入账" not in page
    answer = client.post(f"/hours/intake/{again.pk}/commit/", follow=True)
    assert "不用再次入账" in words(answer)
    more = entered(client, provider, [*rows, row(person, "A3", 3)])
    assert (more.rows_new, more.rows_known) == (1, 2)
    assert ledger(person) == [*before, ("granted", YEAR, "public", "3.0")]
    true_to_the_ledger()


def test_one_bad_row_and_nothing_is_entered(town, unit, provider):
    person = town.practitioner(at=unit)
    client = town.login(town.bureau)
    batch = checked(
        client, provider, [row(person, "A1"), row(person, "A2", 7.25), row((synthetic_id(900), ""), "A3")]
    )
    assert (batch.rows_total, batch.rows_wrong, batch.rows_new) == (3, 2, 1)
    assert [(line, column) for line, column, _ in problems(batch)] == [(3, "学时"), (4, "姓名")]
    page = words(client.get(f"/hours/intake/{batch.pk}/"))
    assert "第 3 行" in page
    assert "学时最多一位小数" in page
    assert "全部入账" not in page
    assert "整个批次不能入账" in words(client.post(f"/hours/intake/{batch.pk}/commit/", follow=True))
    assert not IntakeRecord.objects.exists()
    listed = b"".join(client.get(f"/hours/intake/{batch.pk}/problems/").streaming_content).decode("utf-8-sig")
    assert listed.splitlines()[0] == "行,列,问题"
    assert len(listed.splitlines()) == 3
    for said in (page, listed, str(problems(batch))):
        assert number(person) not in said
        assert synthetic_id(900) not in said


def test_what_the_database_has_against_a_row(town, unit, provider):
    person = town.practitioner(at=unit, user=town.user("王晓妮"))
    region = town.bureau_under(town.platform)
    elsewhere = town.practitioner(at=town.employer(under=region))
    client = town.login(town.bureau)
    entered(client, provider, [row(person, "A1"), row(person, "A2")])
    entered(client, provider, [row(person, "B2", 5, corrects="A2")])
    batch = checked(
        client,
        provider,
        [
            row(person, "A1", 13),
            row((number(person), "王小妮"), "C1"),
            row(elsewhere, "C2"),
            row(person, "C3", corrects="nothing"),
            row(person, "C4", corrects="A2"),
            row(person, "C5"),
            row(person, "C5"),
            row(person, "C6", corrects="A1"),
            row(person, "C7", corrects="A1"),
        ],
    )
    found = {line: (column, sentence) for line, column, sentence in problems(batch)}
    assert set(found) == {2, 3, 4, 5, 6, 8, 10}
    assert "A1）已经入账，但内容不同" in found[2][1]
    assert found[3] == ("姓名", "姓名与登记的不一致，请核对证件号码和姓名。")
    assert "不在泰安市人力资源和社会保障局管辖" in found[4][1]
    assert found[5] == ("更正的事件编号", "没有入过这个事件编号的账，不能更正，请核对编号。")
    assert "已被事件 B2 更正" in found[6][1]
    assert "与第 7 行的事件编号相同" in found[8][1]
    assert "与第 9 行更正的是同一条记录" in found[10][1]
    assert batch.rows_wrong == 7


@pytest.mark.parametrize(
    ("registered", "written"),
    [
        ("王晓妮", "王 晓妮"),
        ("买买提·艾力", "买买提•艾力"),
        ("买买提·艾力", "买买提艾力"),
        ("John Smith", "JOHN  SMITH"),
        ("王晓妮", "王晓妮　"),
    ],
)
def test_names_that_differ_in_blanks_and_dots_alone_fit(town, unit, provider, registered, written):
    person = town.practitioner(at=unit, user=town.user(registered))
    batch = entered(town.login(town.bureau), provider, [row((number(person), written), "A1")])
    assert (batch.rows_new, batch.rows_waiting) == (1, 0)
    assert hours_of(person) == {"public": "12.0"}


# --- corrections ----------------------------------------------------------------------------------------------


def test_corrections_are_new_entries_and_can_be_corrected(town, unit, provider):
    person = town.practitioner(at=unit)
    client = town.login(town.bureau)
    entered(client, provider, [row(person, "A1", 12), row(person, "B1", 5, "专业科目")])
    first = LedgerEntry.objects.order_by("pk").first()
    entered(client, provider, [row(person, "A2", 20, corrects="A1")])
    assert hours_of(person) == {"public": "20.0", "professional": "5.0"}
    entered(client, provider, [row(person, "A3", 8, "专业科目", corrects="A2")])
    assert hours_of(person) == {"professional": "13.0"}
    entered(client, provider, [row(person, "A4", 0, corrects="A3")])
    assert hours_of(person) == {"professional": "5.0"}
    again = checked(
        client, provider, [row(person, "A2", 20, corrects="A1"), row(person, "A4", 0, corrects="A3")]
    )
    assert (again.rows_known, again.rows_wrong) == (2, 0)
    assert [(verb, hours) for verb, _, _, hours in ledger(person)] == [
        ("granted", "12.0"), ("granted", "5.0"), ("reversed", "-12.0"), ("granted", "20.0"), ("reversed", "-20.0"),
        ("granted", "8.0"), ("reversed", "-8.0"),
    ]  # fmt: skip
    reversal = LedgerEntry.objects.filter(verb=Verb.REVERSED).order_by("pk")
    assert [one.reason for one in reversal] == [
        "学习平台更正（事件 A2）", "学习平台更正（事件 A3）", "学习平台撤回（事件 A4）",
    ]  # fmt: skip
    assert reversal[0].record == first.record
    true_to_the_ledger()


def test_a_record_of_the_wrong_person_is_taken_back_and_reported_anew(town, unit, provider):
    wrong, right = town.practitioner(at=unit), town.practitioner(at=unit)
    client = town.login(town.bureau)
    entered(client, provider, [row(wrong, "A1", 12)])
    batch = checked(client, provider, [row(right, "A2", 12, corrects="A1")])
    assert [(column, sentence[:15]) for _, column, sentence in problems(batch)] == [
        ("更正的事件编号", "这个事件编号是另一人的记录，不"),
    ]  # fmt: skip
    entered(client, provider, [row(wrong, "A2", 0, corrects="A1"), row(right, "A3", 12)])
    assert hours_of(wrong) == {}
    assert hours_of(right) == {"public": "12.0"}
    assert year_of(wrong).total == 0
    true_to_the_ledger()


def test_a_correction_reaches_who_has_another_number_by_now(town, unit, provider):
    person = town.practitioner(at=unit)
    before, name = number(person), person.user.name
    client = town.login(town.bureau)
    entered(client, provider, [row(person, "A1", 12)])
    person.user.set_id_number(IdNumber.parse(synthetic_id(950)))
    person.user.save()
    batch = entered(client, provider, [row((before, name), "A2", 20, corrects="A1")])
    assert (batch.rows_new, batch.rows_waiting) == (1, 0)
    assert hours_of(person) == {"public": "20.0"}
    true_to_the_ledger()


def test_a_certificate_that_no_longer_says_what_is_so_changes_with_the_correction(town, unit, provider):
    call_command("load_hours", verbosity=0)
    person = town.practitioner(at=unit)
    client = town.login(town.bureau)
    entered(client, provider, [row(person, "A1", 30), row(person, "A2", 60, "专业科目")])
    assert year_of(person).complete
    certificate = issue(person, YEAR, by=town.actor(person))
    assert state_of(certificate) == "valid"
    entered(client, provider, [row(person, "A3", 20, corrects="A1")])
    assert state_of(certificate) == "changed"
    assert not year_of(person).complete


def test_hours_declared_and_imported_add_up_and_are_kept_apart(town, unit, provider):
    person = town.practitioner(at=unit)
    call_command("load_hours", verbosity=0)
    sign(town, declare(town, person, hours=20, day=datetime.date(YEAR, 1, 8)))
    standing = Standing.objects.get(practitioner=person, year=YEAR)
    entered(town.login(town.bureau), provider, [row(person, "A1", 12), row(person, "A2", 6.5, "选修科目")])
    standing.refresh_from_db()
    assert standing.hours == {"public": Decimal(12), "professional": Decimal(20), "elective": Decimal("6.5")}
    assert standing.imported == {"public": Decimal(12), "elective": Decimal("6.5")}
    assert standing.total == Decimal("38.5")


def test_rules_hold_by_place_series_and_level(town, unit, provider):
    """Two units under bureaus with different rules, in one batch: each by its own."""
    strict = town.bureau_under(town.bureau)
    town.rules(total=10)
    town.rules(bureau=strict, total=20)
    here, there = town.practitioner(at=unit), town.practitioner(at=town.employer(under=strict))
    entered(town.login(town.bureau), provider, [row(here, "A1", 12), row(there, "A2", 12)])
    assert year_of(here).complete
    assert not year_of(there).complete


def test_counters_follow(town, unit, provider):
    person = town.practitioner(at=unit)
    TallyDelta.objects.all().delete()
    entered(town.login(town.bureau), provider, [row(person, "A1", 12)])
    delta = TallyDelta.objects.filter(year=YEAR).get()
    assert (delta.begun, delta.hours) == (1, {"public": Decimal(12)})
    posted = TallyDelta.objects.filter(year=timezone.localdate().year).get()
    assert list(posted.posted.values()) == [Decimal(12)]


# --- people who are not registered yet ------------------------------------------------------------------------


def test_who_is_not_registered_waits_and_finds_it_when_the_registration_is_approved(town, unit, provider):
    digits = synthetic_id(901)
    client = town.login(town.bureau)
    batch = entered(client, provider, [row((digits, "等待者"), "A1", 30), row((digits, "别的名"), "A2", 5)])
    assert (batch.rows_new, batch.rows_waiting) == (2, 2)
    assert not LedgerEntry.objects.exists()
    page = words(client.get("/hours/intake/waiting/"))
    assert digits[-4:] in page
    assert digits not in page
    assert "等待者" not in page
    application = registration(unit, digits, "等待者")
    assert IntakeRecord.objects.filter(practitioner=None).count() == 2
    engine.approve(application.steps.get().pk, by=town.actor(unit))
    person = application.practitioner
    person.refresh_from_db()
    assert person.status == Status.ACTIVE
    assert hours_of(person) == {"public": "30.0"}
    # Another name may be another person: it stays where somebody can look at it.
    assert list(IntakeRecord.objects.filter(practitioner=None).values_list("event_id", flat=True)) == ["A2"]
    assert attach_people([person.pk]) == 0
    true_to_the_ledger()


def test_what_was_corrected_while_it_waited_counts_as_corrected(town, unit, provider):
    digits = synthetic_id(902)
    client = town.login(town.bureau)
    entered(client, provider, [row((digits, "等待者"), "A1", 30)])
    entered(client, provider, [row((digits, "等待者"), "A2", 10, corrects="A1")])
    person = registered(unit, digits, "等待者")
    assert attach_people([person.pk]) == 2
    assert ledger(person) == [("granted", YEAR, "public", "10.0")]
    assert IntakeRecord.objects.filter(practitioner=None).count() == 0
    true_to_the_ledger()


def test_a_corrected_number_finds_what_was_reported_under_it(town, unit, provider):
    town.operator()
    person = town.practitioner(at=unit, user=town.user("改号者"))
    right = IdNumber.parse(synthetic_id(903))
    entered(town.login(town.bureau), provider, [row((right.reveal(), "改号者"), "A1", 30)])
    assert hours_of(person) == {}
    correction = IdentityCorrection(user=person.user, practitioner=person, new_name="改号者", reason="写错")
    correction.set_new_number(right)
    application = engine.submit("identity-correction", correction, by=town.actor(person))
    engine.approve(application.steps.get().pk, by=town.actor(town.platform))
    assert hours_of(person) == {"public": "30.0"}
    true_to_the_ledger()


def test_a_bureaus_platform_reports_only_who_is_below_the_bureau(town, provider):
    digits = synthetic_id(904)
    entered(town.login(town.bureau), provider, [row((digits, "等待者"), "A1", 30)])
    person = registered(town.employer(under=town.bureau_under(town.platform)), digits, "等待者")
    assert attach_people([person.pk]) == 0
    assert IntakeRecord.objects.get().practitioner is None


# --- the history of 2018–2021 ---------------------------------------------------------------------------------


def test_the_history_of_2018_to_2021_is_a_batch_like_any_other(town, unit):
    call_command("load_hours", verbosity=0)
    history = Provider.objects.get(code="history")
    person = town.practitioner(at=unit)
    client = town.login(town.operator())
    old = row(person, "H1", 30, year=2018, done="2018-12-20")
    batch = checked(client, history, [old, row(person, "H2", year=2022, done="2022-05-05")])
    assert problems(batch) == [(3, "年度", f"“{history.name}”只报送 2018 至 2021 年度的学时，请核对。")]
    entered(client, history, [old])
    assert hours_of(person, 2018) == {"public": "30.0"}
    # No rules before 2021: hours are there, nothing is asked.
    assert not year_of(person, 2018).complete


# --- who may ----------------------------------------------------------------------------------------------------


def test_who_keeps_which_platforms(town, unit, provider):
    province = Provider.objects.create(code="province", name="全省平台")
    region = town.bureau_under(town.platform)
    for account, seen in (
        (town.super_admin(town.bureau), {provider}),
        (town.admin(town.bureau, duties=[Duty.HOURS]), {provider}),
        (town.operator(), {provider, province}),
        (town.super_admin(region), set()),
    ):
        page = words(town.login(account).get("/hours/providers/"))
        for one in (provider, province):
            assert (one.name in page) == (one in seen), account
    for account in (
        town.super_admin(unit),
        town.admin(unit, duties=[Duty.HOURS]),
        town.admin(town.bureau, duties=[Duty.PEOPLE]),
        town.practitioner(at=unit).account,
    ):
        client = town.login(account)
        for address in ("providers/", "intake/", "intake/upload/", "intake/waiting/", "intake/template/"):
            assert client.get(f"/hours/{address}").status_code == 403, address
    answer = town.login(region).post(
        "/hours/intake/upload/", {"provider": provider.pk, "file": SimpleUploadedFile("a.csv", text([]))}
    )
    assert answer.status_code == 200
    assert not IntakeBatch.objects.exists()


def test_a_platform_that_was_closed_reports_nothing(town, unit, provider):
    client = town.login(town.bureau)
    Provider.objects.update(is_active=False)
    assert "还没有可以报送学时的学习平台" in words(client.get("/hours/intake/upload/"))
    client.post(
        "/hours/intake/upload/", {"provider": provider.pk, "file": SimpleUploadedFile("a.csv", text([]))}
    )
    assert not IntakeBatch.objects.exists()


def test_a_cancelled_batch_leaves_neither_file_nor_rows(town, unit, provider, settings):
    client = town.login(town.bureau)
    person = town.practitioner(at=unit)
    waiting = upload(client, provider, xlsx([row(person, "A1")]))
    client.post(f"/hours/intake/{waiting.pk}/cancel/")
    checking.check_batch.func(Job(), waiting.pk)
    done = checked(client, provider, [row(person, "A2")])
    assert CheckedRow.objects.count() == 1
    client.post(f"/hours/intake/{done.pk}/cancel/")
    waiting.refresh_from_db()
    done.refresh_from_db()
    assert (waiting.state, done.state) == ("cancelled", "cancelled")
    assert not CheckedRow.objects.exists()
    committing.commit_batch.func(Job(), done.pk)
    assert not IntakeRecord.objects.exists()
    assert "不能取消" in words(client.post(f"/hours/intake/{done.pk}/cancel/", follow=True))


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "学时.xls", "旧版 .xls"),
        (xlsx([]), "学时.xlsx", "表格里没有数据"),
        (b"PK\x03\x04 broken", "学时.xlsx", "不完整或已损坏"),
    ],
)
def test_a_file_that_cannot_be_read_says_so_on_its_page_and_in_a_message(
    town, provider, content, name, sentence
):
    client = town.login(town.bureau)
    batch = checked(client, provider, content, name=name)
    assert batch.state == "failed"
    assert sentence in words(client.get(f"/hours/intake/{batch.pk}/"))
    assert sentence in words(client.get("/messages/"))
    assert batch.file.name == ""


def test_a_file_that_is_too_large_is_not_stored(town, provider, settings, monkeypatch):
    for module in (asking, views):
        monkeypatch.setattr(module, "MOST_BYTES", 10_000)
    client = town.login(town.bureau)
    answer = client.post(
        "/hours/intake/upload/", {"provider": provider.pk, "file": SimpleUploadedFile("a.csv", b"x" * 20_000)}
    )
    assert "请分成几个文件上传" in words(answer)
    assert not IntakeBatch.objects.exists()


def test_the_form_token_is_asked_for_though_the_handler_is_chosen_first(town, provider):
    client = town.login(town.bureau)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    answer = strict.post(
        "/hours/intake/upload/", {"provider": provider.pk, "file": SimpleUploadedFile("a.csv", text([]))}
    )
    assert answer.status_code == 403
    assert not IntakeBatch.objects.exists()


def test_the_template_is_itself_a_sheet_that_can_be_filled_and_uploaded(town, unit, provider):
    client = town.login(town.bureau)
    content = client.get("/hours/intake/template/").content
    book = openpyxl.load_workbook(io.BytesIO(content))
    sheet = book["学时"]
    assert sheet.column_dimensions["A"].width > 18
    person = town.practitioner(at=unit)
    for place, cell in enumerate(row(person, "T1"), 1):
        sheet.cell(2, place, cell)
    out = io.BytesIO()
    book.save(out)
    assert entered(client, provider, out.getvalue()).rows_new == 1
    assert hours_of(person) == {"public": "12.0"}


def test_the_page_of_a_running_batch_asks_for_itself_and_can_be_told_not_to(town, unit, provider):
    client = town.login(town.bureau)
    batch = upload(client, provider, xlsx([row(town.practitioner(at=unit), "A1")]))
    address = f"/hours/intake/{batch.pk}/"
    page = client.get(address)
    assert page["Refresh"] == "3"
    assert "正在等待检查" in words(page)
    assert "Refresh" not in client.get(f"{address}?auto=0")
    IntakeBatch.objects.update(rows_done=4_000, rows_total=16_000)
    page = client.get(address)
    assert "已读 4,000 行，大约共 16,000 行" in words(page)
    assert 'max="16000" value="4000"' in page.content.decode()


# --- the list that everybody sees -------------------------------------------------------------------------------


def test_the_platforms_of_the_faq_for_everybody_and_editable(town):
    call_command("load_hours", verbosity=0)
    call_command("load_hours", verbosity=0)
    page = Client().get("/hours/platforms/")
    for name, url in (
        ("泰安市专业技术人员继续教育平台", "http://sdta.yxlearning.com/"),
        ("泰安市专业技术人员继续教育培训平台", "http://ta.zhuanjipx.com"),
        ("泰安市专业技术人员继续教育网上学习平台", "http://ta.tyjrpx.com"),
        ("石大云培——泰安市专业技术人员继续教育学习平台", "https://sdta.treewises.com/"),
    ):
        assert f'href="{url}" rel="external noopener noreferrer">{name}</a>' in page.content.decode()
    assert "统一对接）" not in words(page)  # the history is a provider, no place to study
    client = town.login(town.operator())
    one = Provider.objects.get(code="treewises")
    form = {
        "name": "石大云培",
        "url": "javascript:alert(1)",
        "order": 1,
        "is_listed": "on",
        "is_active": "on",
    }
    assert "以 http:// 或 https:// 开头" in words(client.post(f"/hours/providers/{one.pk}/edit/", form))
    client.post(
        f"/hours/providers/{one.pk}/edit/", {**form, "url": "https://example.org/", "phone": "0538-0000000"}
    )
    page = words(Client().get("/hours/platforms/"))
    assert "0538-0000000" in page
    assert page.index("石大云培") < page.index("泰安市专业技术人员继续教育培训平台")
    call_command("load_hours", verbosity=0)  # what was edited stays
    assert Provider.objects.get(code="treewises").name == "石大云培"


def test_a_bureau_adds_a_platform_of_its_own(town):
    client = town.login(town.bureau)
    form = {
        "code": "local",
        "name": "本市平台",
        "order": 1,
        "is_active": "on",
        "year_from": "2025",
        "year_to": "2024",
    }
    assert "结束的年度早于开始的年度" in words(client.post("/hours/providers/new/", form))
    client.post("/hours/providers/new/", {**form, "year_to": "2026", "subjects": ["public"]})
    one = Provider.objects.get(code="local")
    assert (one.bureau, one.year_from, one.year_to, one.subjects, one.is_listed) == (
        town.bureau, 2025, 2026, ["public"], False,
    )  # fmt: skip
    assert "这个代码已经有平台使用" in words(client.post("/hours/providers/new/", form))


def test_lists_cost_the_same_for_one_and_for_many(town, unit, provider, django_assert_max_num_queries):
    client = town.login(town.bureau)
    person = town.practitioner(at=unit)
    IntakeBatch.objects.bulk_create(
        IntakeBatch(
            provider=provider, organization=town.bureau, by=person.user, name=f"{n}", digest="", state="done"
        )
        for n in range(60)
    )
    entered(client, provider, [row((synthetic_id(1000 + n), "等待"), f"W{n}") for n in range(60)])
    for address in ("intake/", "intake/waiting/", "providers/", f"providers/{provider.pk}/"):
        with django_assert_max_num_queries(12):
            client.get(f"/hours/{address}")
