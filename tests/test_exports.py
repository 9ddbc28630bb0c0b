"""导出: what stands in the files, who gets them, what is written down. Long ones: tests/test_exports_worker.py."""

import csv
import datetime
import io
import os
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from openpyxl.utils.escape import unescape

from credits.models import Standing
from credits.years import current_year
from desk.exports import asking, expiry, xlsx
from desk.exports import csv as as_csv
from desk.exports.forms import MASKED, WHOLE
from desk.exports.models import Export, ExportAccess, ExportState
from desk.exports.sheets import Column
from orgs.models import Duty, Practitioner, TitleSeries
from tests.test_inbox import words

NEW = "/exports/new/people/"
AWARDED = datetime.datetime(2023, 6, 30)  # noqa: DTZ001, as openpyxl reads a day
# What a spreadsheet takes for a formula, or what must survive unchanged.
FORMULAS = [
    "=1+1", "=HYPERLINK(\"http://example.org\",\"点\")", "+1+1", "-1+1", "-2+3+cmd|' /C calc'!A0", "@SUM(1)",
    "\t=1+1", "\r=1+1", "\n=1+1", " =1+1", "\u200b=1+1", "\ufeff=1+1", "\u00a0=1+1", "＝1+1", "＋1", "－1", "＠SUM(1)",
    "\tabc", "=cmd|'/c calc'!A1", "@",
]  # fmt: skip
PLAIN = [
    "张三", "370902198001010000", "00123", "1e5", "O'Neil", "a=b", "a,b", 'say "甲"', "多\n行", "http://example.org",
    "TRUE", "_x0041_", "𬭚", "&<>", " 前后 ", "{=1+1}", "<r>甲</r>",
]  # fmt: skip


def ask(client, detail=MASKED, format="xlsx", reason="", query=""):
    return client.post(f"{NEW}{query}", {"format": format, "detail": detail, "reason": reason})


def body(answer) -> bytes:
    assert answer.status_code == 200, answer
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def table(answer) -> list[list]:
    """The rows of an .xlsx answer, its first line and titles included."""
    book = openpyxl.load_workbook(io.BytesIO(body(answer)))
    return [list(row) for row in book.active.iter_rows(values_only=True)]


def csv_table(content: bytes) -> list[list[str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


@pytest.fixture
def unit(town):
    """A unit with one person below it, one titled person of its own, and a stranger beside it."""
    unit = town.employer(under=town.authority(), name="测试单位甲")
    town.beside = town.practitioner(at=town.employer(), user=town.user("旁边人"))
    town.below = town.practitioner(
        at=town.employer(under=unit, name="测试二级单位"), user=town.user("下级人")
    )
    series = TitleSeries.objects.create(code="05", name="工程技术人员", order=5)
    town.own = town.practitioner(
        at=unit,
        user=town.user("甲晓妮"),
        title_series=series,
        title_level="middle",
        title="工程师",
        title_mode="examination",
        title_awarded_on=datetime.date(2023, 6, 30),
    )
    return unit


def rows_below_titles(rows: list[list]) -> list[list]:
    return rows[2:]


# --- the two formats ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_of_a_csv_is_a_formula(text):
    assert as_csv.safe(text) == "'" + text
    rows = csv_table(b"".join(as_csv.lines(text, ["甲"], [[text, text]])))
    assert rows[0] == ["'" + text]
    assert rows[2] == ["'" + text] * 2


@pytest.mark.parametrize("text", PLAIN)
def test_a_plain_text_stays_as_it_is_in_a_csv(text):
    assert csv_table(b"".join(as_csv.lines("首行", ["甲"], [[text]])))[2] == [text]


def test_numbers_and_days_of_a_csv():
    cells = [Decimal("-1.5"), 12, datetime.date(2023, 6, 30), None]
    assert csv_table(b"".join(as_csv.lines("首行", ["甲"], [cells])))[2] == ["-1.5", "12", "2023-06-30", ""]


@pytest.mark.parametrize("on_disk", [True, False])
def test_every_text_is_text_in_an_xlsx(tmp_path, on_disk):
    """Read back by another library: no formula, no number, no link, character for character."""
    texts = FORMULAS + PLAIN + ["\x01\x0b控制字符", "长" * 40_000]
    target = tmp_path / "甲.xlsx" if on_disk else io.BytesIO()
    xlsx.write(target, "专技人员", "=首行", [Column("=甲"), Column("乙")], ([text, text] for text in texts))
    sheet = openpyxl.load_workbook(target)["专技人员"]
    assert (sheet["A1"].value, sheet["A1"].data_type) == ("=首行", "s")
    assert sheet["A2"].value == "=甲"
    for text, (cell, _) in zip(texts, sheet.iter_rows(min_row=3), strict=True):
        assert cell.data_type == "s", text
        assert cell.hyperlink is None
        wanted = "<r>甲</r> " if text == "<r>甲</r>" else text[:32767]
        # openpyxl leaves some escapes to us, Excel none.
        assert wanted in (cell.value, unescape(cell.value))


def test_numbers_and_days_of_an_xlsx_are_numbers_and_days(tmp_path):
    cells = [Decimal("12.5"), 3, datetime.date(2023, 6, 30), None, ""]
    xlsx.write(tmp_path / "甲.xlsx", "表", "首行", [Column("甲")] * 5, [cells])
    found = openpyxl.load_workbook(tmp_path / "甲.xlsx").active[3]
    assert [cell.value for cell in found] == [12.5, 3, AWARDED, None, None]


def test_more_rows_than_excel_reads_go_on_another_sheet(tmp_path, monkeypatch):
    monkeypatch.setattr(xlsx, "MOST_ROWS", 3)
    xlsx.write(tmp_path / "甲.xlsx", "表", "首行", [Column("甲")], ([n] for n in range(7)))
    book = openpyxl.load_workbook(tmp_path / "甲.xlsx")
    assert book.sheetnames == ["表", "表2", "表3"]
    found = [[row[0] for row in sheet.iter_rows(min_row=3, values_only=True)] for sheet in book]
    assert found == [[0, 1, 2], [3, 4, 5], [6]]
    assert all(sheet["A2"].value == "甲" for sheet in book)


# --- what stands in it ----------------------------------------------------------------------------------


def test_an_xlsx_holds_the_own_branch_masked(town, unit):
    year = current_year()
    for of, hours in ((year, {"public": Decimal("12.5"), "professional": Decimal(60)}), (year - 1, {})):
        Standing.objects.create(practitioner=town.own, year=of, hours=hours, total=sum(hours.values()))
    answer = ask(town.login(unit), reason="核对名单")
    assert answer["Content-Type"].endswith("spreadsheetml.sheet")
    assert "attachment" in answer["Content-Disposition"]
    rows = table(answer)
    hours = [f"{year} 年公需科目", f"{year} 年专业科目", f"{year} 年合计学时"]
    assert rows[1] == ["姓名", "证件号码", "单位", "职称系列", "级别", "取得时间", *hours]
    own, below = town.own.user, town.below.user
    assert rows_below_titles(rows) == [
        ["甲*妮", own.id_masked, "测试单位甲", "工程技术人员", "中级", AWARDED, 12.5, 60, 72.5],
        ["下*人", below.id_masked, "测试二级单位", None, None, None, 0, 0, 0],
    ]
    head = rows[0][0]
    for part in (
        "测试单位甲",
        town.super_admin(unit).user.name,
        "用途：核对名单",
        "已脱敏",
        f"{timezone.localdate()}",
    ):
        assert part in head


@pytest.mark.parametrize("format", ["xlsx", "csv"])
def test_no_whole_number_and_no_whole_name_unless_asked_for(town, unit, format):
    content = body(ask(town.login(unit), format=format))
    if format == "xlsx":
        book = openpyxl.load_workbook(io.BytesIO(content))
        text = "\n".join(str(cell) for row in book.active.iter_rows(values_only=True) for cell in row)
    else:
        text = content.decode()
    for person in Practitioner.objects.select_related("user"):
        assert person.user.id_number.reveal() not in text
        assert person.user.name not in text
    assert town.own.user.id_masked in text


@pytest.mark.parametrize("format", ["xlsx", "csv"])
def test_the_whole_numbers_with_a_reason_and_a_row_in_the_log(town, unit, format):
    answer = ask(town.login(unit), WHOLE, format, reason="核对职称评审名单")
    rows = table(answer) if format == "xlsx" else csv_table(body(answer))
    assert [row[:2] for row in rows_below_titles(rows)] == [
        [person.user.name, person.user.id_number.reveal()] for person in (town.own, town.below)
    ]
    log = ExportAccess.objects.get()
    assert (log.verb, log.count, log.masked, log.reason) == ("made", 2, False, "核对职称评审名单")
    assert (log.user, log.organization, log.scope) == (town.super_admin(unit).user, unit, unit)
    assert Export.objects.get().file == ""


@pytest.mark.parametrize("reason", ["", "核对", "  核  "])
def test_without_a_reason_nothing_is_shown_whole_and_nothing_logged(town, unit, reason):
    answer = ask(town.login(unit), WHOLE, reason=reason)
    assert "请写明用途" in words(answer)
    assert not Export.objects.exists()
    assert not ExportAccess.objects.exists()


def test_a_number_typed_as_the_reason_is_not_kept(town, unit):
    number = town.beside.user.id_number.reveal()
    rows = table(ask(town.login(unit), reason=f"查 {number} 这个人"))
    assert number not in rows[0][0]
    assert number not in ExportAccess.objects.get().reason


def test_the_list_is_narrowed_as_its_page(town, unit):
    client = town.login(unit)
    below = town.below
    assert [row[0] for row in table(ask(client, query="?name=甲"))[2:]] == ["甲*妮"]
    assert [row[0] for row in table(ask(client, query=f"?unit={below.employer_id}"))[2:]] == ["下*人"]
    last = below.user.id_last4
    assert [row[0] for row in table(ask(client, query=f"?last_four={last}"))[2:]] == ["下*人"]
    assert len(table(ask(client, query="?name=没有这个人"))) == 2
    call_command("load_hours", verbosity=0)
    assert len(table(ask(client, query="?standing=unmet"))) == 4
    page = words(client.get(f"{NEW}?name=甲&unit={below.employer_id}"))
    assert "姓名含“甲”" in page
    assert "测试二级单位及下级单位" in page


def test_names_that_are_formulas_are_none_in_the_file(town, unit):
    town.own.user.name = "=cmd|'/c calc'!A1"
    town.own.user.save()
    rows = csv_table(body(ask(town.login(unit), WHOLE, "csv", reason="核对名单一")))
    assert rows[2][0] == "'=cmd|'/c calc'!A1"


# --- who ------------------------------------------------------------------------------------------------


def test_only_admins_with_the_duty_and_only_their_own_branch(town, unit):
    beside = town.beside.employer
    assert town.login(unit).get(f"{NEW}?unit={beside.pk}").status_code == 404
    assert ask(town.login(unit), query=f"?unit={beside.pk}").status_code == 404
    assert town.login(unit).get("/exports/new/nothing/").status_code == 404
    other = town.login(town.admin(unit, duties=[Duty.HOURS]))
    assert other.get(NEW).status_code == ask(other).status_code == 403
    assert town.login(town.admin(unit, duties=[Duty.PEOPLE])).get(NEW).status_code == 200
    assert town.login(town.own).get(NEW).status_code == 403


def stored(town, unit, account=None, **fields) -> Export:
    """As the worker leaves it."""
    account = account or town.super_admin(unit)
    export = Export.objects.create(
        **{
            "sheet": "people", "by": account.user, "account": account, "organization": unit, "scope": unit,
            "format": "csv", "state": ExportState.DONE, "finished_at": timezone.now(), "rows_done": 2,
            "expires_at": timezone.now() + datetime.timedelta(days=7), **fields,
        }
    )  # fmt: skip
    export.file.save(f"exports/{export.pk}-1.csv", io.BytesIO(b"abc"))
    return export


def test_a_stored_file_goes_to_who_asked_alone(town, unit):
    export = stored(town, unit)
    colleague = town.admin(unit, duties=[Duty.PEOPLE])
    strangers = [colleague, town.beside.employer, unit.superior, town.bureau]
    for who in strangers:
        client = town.login(who)
        assert client.get(f"/exports/{export.pk}/").status_code == 404
        assert client.post(f"/exports/{export.pk}/download/").status_code == 404
        assert client.post(f"/exports/{export.pk}/cancel/").status_code == 404
        assert "测试单位甲" not in words(client.get("/exports/")).split("<tbody>")[-1].split("</tbody>")[
            0
        ] or ("还没有导出过" in words(client.get("/exports/")))
    assert not ExportAccess.objects.exists()
    answer = town.login(unit).post(f"/exports/{export.pk}/download/")
    assert body(answer) == b"abc"
    log = ExportAccess.objects.get()
    assert (log.verb, log.count, log.export) == ("downloaded", 2, export)


def test_who_lost_the_duty_or_the_organisation_gets_nothing(town, unit):
    account = town.admin(unit, duties=[Duty.PEOPLE])
    export = stored(town, unit, account)
    admin = account.org_admin
    admin.duties = [Duty.HOURS]
    admin.save()
    assert town.login(account).post(f"/exports/{export.pk}/download/").status_code == 403
    # The same person as admin of another organisation: the file belongs to the first.
    elsewhere = town.admin(town.employer(), account.user, duties=[Duty.PEOPLE])
    assert town.login(elsewhere).post(f"/exports/{export.pk}/download/").status_code == 404
    assert not ExportAccess.objects.exists()


def test_an_expired_file_is_refused_and_deleted(town, unit):
    export = stored(town, unit, expires_at=timezone.now() - datetime.timedelta(seconds=1))
    fresh = stored(town, unit)
    client = town.login(unit)
    answer = client.post(f"/exports/{export.pk}/download/", follow=True)
    assert "文件已过保留期" in words(answer)
    assert not ExportAccess.objects.exists()
    path = export.file.path
    expiry.expire.func(0)
    export.refresh_from_db()
    assert export.file == ""
    assert not Path(path).exists()
    fresh.refresh_from_db()
    assert fresh.file.read() == b"abc"
    assert "已过保留期" in words(client.get("/exports/"))


def test_what_no_row_knows_of_is_swept_after_a_day(town, unit, settings):
    kept = stored(town, unit)
    folder = settings.MEDIA_ROOT / "exports"
    (folder / "making-7-1").mkdir()
    for name in ("making-7-1/part", "9-1.csv", "new.csv"):
        (folder / name).write_bytes(b"x")
    for name in ("making-7-1", "9-1.csv", f"{kept.pk}-1.csv"):
        os.utime(folder / name, (0, 0))
    expiry.expire.func(0)
    assert sorted(path.name for path in folder.iterdir()) == sorted([f"{kept.pk}-1.csv", "new.csv"])


# --- how much -------------------------------------------------------------------------------------------


def crowd(unit, count: int, start: int = 100) -> None:
    """So many people, by SQL."""
    with connection.cursor() as cursor:
        cursor.execute(CROWD, {"unit": unit.pk, "path": unit.path, "first": start, "last": start + count - 1})


# Their sealed number is none: only masked exports may read them.
CROWD = r"""
WITH numbers AS (SELECT generate_series(%(first)s, %(last)s) AS n),
users AS (
    INSERT INTO accounts_user (password, is_superuser, name, email, mobile, is_staff, is_active, created_at,
                               id_kind, id_index, id_sealed, id_last4, id_masked)
    SELECT '!', false, '测试' || n, '', '', false, true, now(), 'resident', 'crowd-' || n, '\x00'::bytea,
           lpad((n %% 10000)::text, 4, '0'), '3709**********' || lpad((n %% 10000)::text, 4, '0')
    FROM numbers RETURNING id),
accounts AS (
    INSERT INTO accounts_roleaccount (user_id, role, status, place, reviewer, reviewer_phone, epoch)
    SELECT id, 'practitioner', 'active', '', '', '', 0 FROM users RETURNING id, user_id)
INSERT INTO orgs_practitioner (user_id, account_id, employer_id, path, status, education, title_level, title,
                               title_mode, created_at)
SELECT user_id, id, %(unit)s, %(path)s, 'active', '', '', '', '', now() FROM accounts
"""


def test_more_than_two_thousand_wait_for_the_worker(town, unit):
    crowd(unit, 1998)
    client = town.login(unit)
    assert len(table(ask(client))) == 2002
    crowd(unit, 1, start=5000)
    assert "在后台生成" in words(client.get(NEW))
    answer = ask(client)
    export = Export.objects.latest("pk")
    assert answer.url == f"/exports/{export.pk}/"
    assert export.state == "waiting"
    page = client.get(answer.url)
    assert page["Refresh"] == "3"
    assert "排队中" in words(page)
    assert "Refresh" not in client.get(f"{answer.url}?auto=0")
    with connection.cursor() as cursor:
        cursor.execute("SELECT lock, args FROM procrastinate_jobs WHERE task_name = 'desk.make_export'")
        ((lock, args),) = cursor.fetchall()
    assert lock == "export-short"
    assert str(export.pk) in str(args)
    assert ExportAccess.objects.count() == 1  # the one that was handed over


def test_nobody_queues_more_than_three(town, unit):
    crowd(unit, 2001)
    client = town.login(unit)
    for _ in range(3):
        assert ask(client).status_code == 302
    assert "已有 3 个导出还没有完成" in words(ask(client))
    one = Export.objects.earliest("pk")
    client.post(f"/exports/{one.pk}/cancel/")
    one.refresh_from_db()
    assert (one.state, one.finished_at is None) == ("cancelled", False)
    assert ask(client).status_code == 302
    assert "不需要取消" in words(client.post(f"/exports/{one.pk}/cancel/", follow=True))


def test_no_more_than_five_thousand_whole_numbers_a_day(town, unit, monkeypatch):
    """In one export and in several; a boundary of three instead of five thousand, people with real numbers."""
    monkeypatch.setattr(asking, "MOST_UNMASKED", 3)
    client = town.login(unit)
    assert len(table(ask(client, WHOLE, reason="核对名单一"))) == 4
    answer = ask(client, WHOLE, reason="核对名单二")
    assert "不超过 3 行" in words(answer)
    assert "核对名单二" in answer.content.decode()  # what was typed is kept
    assert len(table(ask(client, WHOLE, reason="核对名单三", query="?name=甲"))) == 3
    assert "不超过 3 行" in words(ask(client, WHOLE, reason="核对名单四", query="?name=甲"))
    assert ExportAccess.objects.count() == 2
    assert len(table(ask(client))) == 4  # masked as before
    colleague = town.login(town.admin(unit, duties=[Duty.PEOPLE]))
    for _ in range(2):
        town.practitioner(at=unit)
    assert "不超过 3 行" in words(ask(colleague, WHOLE, reason="核对名单五"))


def test_the_log_and_the_rules_of_a_row_are_held_by_the_database(town, unit):
    ask(town.login(unit))
    for change in ("UPDATE desk_exportaccess SET count = 0", "DELETE FROM desk_exportaccess"):
        with (
            pytest.raises(DatabaseError, match="append only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(change)
    export = Export.objects.get()
    for fields, name in [
        ({"masked": False}, "export_unmasked_has_reason"),
        ({"masked": False, "reason": "核对名单", "file": "x"}, "export_stored_is_masked"),
        ({"state": "running"}, "export_finished_at_tells_state"),
        ({"state": "failed"}, "export_failure_has_a_sentence"),
    ]:
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            Export.objects.filter(pk=export.pk).update(**fields)


# --- what it costs --------------------------------------------------------------------------------------


def test_pages_cost_the_same_at_one_row_and_at_fifty(town, unit):
    client = town.login(unit)
    ask(client)

    def cost(path: str) -> int:
        client.get(path)
        with CaptureQueriesContext(connection) as caught:
            assert client.get(path).status_code == 200
        return len(caught)

    paths = ["/exports/", NEW, f"/exports/{Export.objects.get().pk}/"]
    few = [cost(path) for path in paths]
    crowd(unit, 60)
    for _ in range(60):
        stored(town, unit)
    page = words(client.get("/exports/"))
    assert page.count("保留至") == 50
    assert [cost(path) for path in paths] == few
    assert max(few) <= 12


def test_a_file_of_two_thousand_costs_as_many_queries_as_one_of_two(town, unit):
    client = town.login(unit)

    def cost() -> int:
        with CaptureQueriesContext(connection) as caught:
            body(ask(client, format="csv"))
        return len(caught)

    cost()
    few = cost()
    crowd(unit, 1900)
    assert cost() == few
