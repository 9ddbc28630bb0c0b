"""What people upload: every spelling that is meant well is read, every hostile file gets a sentence, within 200 MB."""

import datetime
import io
import json
import random
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from credits.intake import reading
from credits.intake.checking import _read
from credits.intake.columns import Checked, RowReader
from credits.intake.reading import MOST_BYTES, MOST_ROWS, Lines, Unreadable
from credits.models import Provider
from tests.sheets import HEAD, MAIN, sheet_of, text, with_parts, xlsx
from tests.town import synthetic_id

ID = synthetic_id(7)
ROW = [ID, "张三", 2025, "公需科目", 12, "示例课程", "2025-06-18", "E-1", "2025-06-01", "ZS-1", ""]
YEAR = datetime.date(2026, 11, 24)


def reader(**fields) -> RowReader:
    return RowReader(Provider(name="示例平台", **fields), today=YEAR)


def read(content: bytes, name="a.xlsx", **fields):
    return [row for _, row in _read(Lines(io.BytesIO(content), name), reader(**fields))]


def one(*cells, **fields):
    """The row with some cells replaced: one(year=2024)."""
    row = list(ROW)
    for name, cell in fields.items():
        row[list(COLUMN).index(name)] = cell
    return row


COLUMN = (
    "id_number", "name", "year", "subject", "hours", "title", "completed_on", "event_id", "started_on",
    "certificate_number", "corrects",
)  # fmt: skip


def problems(content: bytes, name="a.xlsx", **fields) -> list[tuple[str, str]]:
    return [tuple(wrong) for row in read(content, name, **fields) if isinstance(row, list) for wrong in row]


def refusal(content: bytes, name="a.xlsx") -> str:
    with pytest.raises(Unreadable) as caught:
        read(content, name)
    return str(caught.value)


# --- meant well ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"completed_on": "2025/6/18"},
        {"completed_on": "2025年6月18日"},
        {"completed_on": "20250618"},
        {"completed_on": 20250618},
        {"completed_on": datetime.date(2025, 6, 18)},
        {"completed_on": "２０２５－０６－１８"},
        {"completed_on": "2025-06-18 09:30:00"},
        {"year": "2025年"},
        {"year": "２０２５"},
        {"year": "2025年度", "hours": "１２"},
        {"hours": "12.0", "subject": "公需"},
        {"hours": "12学时", "subject": " 公需课 "},
        {"id_number": "".join(chr(ord(char) + 0xFEE0) for char in ID)},
        {"id_number": f" {ID[:6]} {ID[6:]}"},
        {"id_number": f"'{ID}"},
        {"event_id": "Ｅ－1"},
        {"title": " 示例课程\n"},
    ],
)
def test_the_same_row_however_it_is_written(changes):
    (row,), (plain,) = read(xlsx([one(**changes)])), read(xlsx([ROW]))
    assert isinstance(row, Checked), row
    assert row == plain
    assert (row.year, row.subject, row.hours, row.completed_on) == (
        2025, "public", Decimal("12.0"), datetime.date(2025, 6, 18),
    )  # fmt: skip
    assert row.person_hint == ID[-4:]
    assert ID not in repr(row)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_csv_in_every_encoding_that_excel_and_wps_write(encoding, delimiter):
    (row,) = read(text([ROW], encoding=encoding, delimiter=delimiter), "a.csv")
    assert row == read(xlsx([ROW]))[0]._replace(row=2)


def test_numbers_that_a_program_kept_as_formulas_of_text():
    assert isinstance(read(text([one(id_number=f'="{ID}"')]), "a.csv")[0], Checked)


def test_hours_are_exact():
    rows = read(
        xlsx([one(hours=hours, event_id=f"E{n}") for n, hours in enumerate((7.1, 0.1, 12.5, 199.9, 30))])
    )
    assert [row.hours for row in rows] == [Decimal(text) for text in ("7.1", "0.1", "12.5", "199.9", "30.0")]


def test_a_title_above_and_other_columns_beside_are_not_in_the_way():
    head = ["序号", *HEAD, "备注"]
    content = xlsx([["某平台学时表"], head, [1, *ROW, "无"]], head=None)
    assert [type(row) for row in read(content)] == [Checked]


def test_headings_are_known_by_other_names_and_with_stars():
    head = ["身份证号*", "姓名", "年份", "科目类别", "学时数", "课程", "结业日期（必填）", "流水号"]
    (row,) = read(xlsx([ROW[:8]], head=head))
    assert row.event_id == "E-1"


def test_without_event_numbers_a_row_is_known_by_who_what_and_when():
    first, again, other = read(
        xlsx(
            [
                one(event_id=""),
                one(event_id="", hours=30, title="示例 课程"),
                one(event_id="", title="另一课程"),
            ]
        )
    )
    assert first.event_id == again.event_id != other.event_id
    assert first.digest != again.digest
    assert first.event_id.startswith("row-")
    assert len(first.event_id) <= 64


# --- one sentence for each value that does not do -----------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "column", "sentence"),
    [
        ({"id_number": 370902196001080000}, "id_number", "按数字存放"),
        ({"id_number": "3.70902E+17"}, "id_number", "按数字存放"),
        ({"id_number": ID[:17] + ("0" if ID[17] != "0" else "1")}, "id_number", "校验码不符"),
        ({"id_number": ID[:10]}, "id_number", "应为 18 位"),
        ({"id_number": None}, "id_number", "请填写"),
        ({"name": ""}, "name", "请填写姓名"),
        ({"name": "长" * 51}, "name", "最多 50 个字"),
        ({"year": "去年"}, "year", "四位数字"),
        ({"year": 2027}, "year", "还没有开始"),
        ({"year": 2017}, "year", "只报送 2018 至 2026"),
        ({"subject": "体育"}, "subject", "公需科目、专业科目或选修科目"),
        ({"subject": "专业科目"}, "subject", "不报送专业科目"),
        ({"hours": 7.25}, "hours", "最多一位小数"),
        ({"hours": "7.25"}, "hours", "最多一位小数"),
        ({"hours": -3}, "hours", "0.1 到 200"),
        ({"hours": 200.5}, "hours", "0.1 到 200"),
        ({"hours": 0}, "hours", "要大于 0"),
        ({"hours": "十二"}, "hours", "请填数字"),
        ({"hours": "1e999"}, "hours", "请填数字"),
        ({"hours": "NaN"}, "hours", "请填数字"),
        ({"hours": True}, "hours", "公式、时间或对错值"),
        ({"hours": ("=", "=6*2")}, "hours", "公式"),
        ({"id_number": ("=", '=CONCATENATE("3709","02")')}, "id_number", "公式"),
        ({"title": "=HYPERLINK(\"http://x\")"}, "title", "公式"),
        ({"title": "#REF!"}, "title", "错误值"),
        ({"title": "  "}, "title", "请填写课程名称"),
        ({"title": "长" * 121}, "title", "最多 120 个字"),
        ({"completed_on": "2025-02-30"}, "completed_on", "确认有这一天"),
        ({"completed_on": "六月"}, "completed_on", "2026-11-08 的样子"),
        ({"completed_on": "2026-11-25"}, "completed_on", "晚于今天"),
        ({"completed_on": "2024-12-31", "started_on": ""}, "completed_on", "早于所填的年度"),
        ({"completed_on": ""}, "completed_on", "请填写完成日期"),
        ({"started_on": "2025-06-19"}, "started_on", "晚于完成日期"),
        ({"event_id": "E 1"}, "event_id", "最多 64 个字符"),
        ({"event_id": "长" * 65}, "event_id", "最多 64 个字符"),
        ({"event_id": 1234567890123456789}, "event_id", "末尾几位已经丢失"),
        ({"corrects": "E-0", "event_id": ""}, "event_id", "新的事件编号"),
        ({"corrects": "E-1"}, "corrects", "不能与被更正的相同"),
    ],
)  # fmt: skip
def test_each_mistake_has_its_sentence_at_its_column(changes, column, sentence):
    found = problems(xlsx([one(**changes)]), year_from=2018, subjects=["public", "elective"])
    assert [name for name, _ in found] == [column]
    assert sentence in found[0][1]
    assert ID[:6] not in found[0][1]


def test_everything_wrong_with_a_row_is_told_at_once():
    found = problems(xlsx([one(name="", hours="x", completed_on="2025-13-01")]))
    assert {name for name, _ in found} == {"name", "hours", "completed_on"}


def test_a_certificate_that_is_numbered_by_the_holder_shows_no_number():
    (row,) = read(xlsx([one(certificate_number=f"JX{ID}", title=f"{ID}的课程")]))
    assert ID not in "".join(map(str, row))
    assert row.certificate_number == f"JX{ID[:4]}{'*' * 10}{ID[-4:]}"


def test_a_correction_may_take_everything_back():
    (row,) = read(xlsx([one(hours=0, corrects="E-0")]))
    assert (row.hours, row.corrects_event) == (0, "E-0")


# --- files that are no table ----------------------------------------------------------------------------------


def test_merged_headings_and_columns_without_one():
    head = ["证件号码", "姓名", None, *HEAD[2:]]
    row = [ID, "张", "三", *ROW[2:]]
    assert "第 3 列有内容，但表头这一列没有名称" in refusal(
        xlsx([row], head=head, merge=(0, 1, 0, 2, "姓名"))
    )
    two_lines = xlsx([["人员", "", "学时"], HEAD, ROW], head=None, merge=(0, 0, 0, 1, "人员"))
    assert [type(row) for row in read(two_lines)] == [Checked]


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "a.xls", "旧版 .xls"),
        (b"%PDF-1.7", "a.pdf", "不是 .xlsx 或 .csv"),
        (b"PK\x03\x04" + b"\0" * 60, "a.xlsx", "不完整或已损坏"),
        (xlsx([ROW])[:-200], "a.xlsx", "不完整或已损坏"),
        (b"\xff\xfe\xff", "a.csv", "编码无法识别"),
        (b"a,b\n" + b"\x81\xff\x00\n", "a.csv", "编码无法识别"),
        (text([ROW], head=HEAD[1:] + ["别的"]), "a.csv", "表头中没有“证件号码”"),
        (text([ROW], head=[*HEAD[:10], "姓名"]), "a.csv", "“姓名”出现了两次"),
        (text([["x"] * 3] * 20, head=["甲", "乙", "丙"]), "a.csv", "没有找到表头"),
        (b"", "a.csv", "没有找到表头"),
        (text([ROW]) + b'"' + b"open\n" * 200_000, "a.csv", "引号"),
        (text([ROW]) + b"," * 5_000_000, "a.csv", "一行过长"),
        (text([ROW]) + b"\n" * (MOST_ROWS + 100), "a.csv", f"超过 {MOST_ROWS:,} 行"),
    ],
)
def test_what_is_no_table_is_refused_with_what_to_do(content, name, sentence):
    assert sentence in refusal(content, name)


def test_mojibake_is_found_by_its_headings():
    assert "没有找到表头" in refusal(
        text([["1", "2", "3"]], encoding="big5", head=["證件號碼", "課程", "學時"]), "a.csv"
    )


# --- hostile workbooks, each in a process of its own ---------------------------------------------------------------

GOOD = xlsx([ROW])
CELLS = "".join(
    f'<c r="{letter}1" t="inlineStr"><is><t>{label}</t></is></c>'
    for letter, label in zip("ABCDEFGHIJK", HEAD, strict=True)
)
HEADER = f'<row r="1">{CELLS}</row>'


def _block(piece) -> bytes:
    """A megabyte that compresses tenfold, not a thousandfold: no bomb by its ratio, however often it is repeated."""
    dice = random.Random(1)
    return b"".join(piece(dice.randrange(60)) for _ in range(1024 * 1024 // len(piece(10))))


TAGS = _block(lambda n: b"<x%d/>" % n)
WORDS = _block(lambda n: b"%02d" % n)
OPEN = f'<?xml version="1.0"?><worksheet xmlns="{MAIN}">'
END = "</sheetData></worksheet>"


def rows_of(*inside) -> bytes:
    """The workbook whose sheet holds the header, then these pieces."""
    return with_parts(GOOD, sheet=[OPEN, "<sheetData>", HEADER, *inside, END])


HOSTILE = {
    "ten million declared rows": (
        lambda: with_parts(
            GOOD,
            sheet=sheet_of(
                f'{HEADER}<row r="10485760"><c r="A10485760"><v>1</v></c></row>',
                '<dimension ref="A1:K10485760"/>',
            ),
        ),
        f"超过 {MOST_ROWS:,} 行",
    ),
    "a million rows of the same number": (
        lambda: rows_of(*[_block(lambda n: b'<row r="2"><c r="A2"><v>%d</v></c></row>' % n)] * 40),
        f"超过 {MOST_ROWS:,} 行",
    ),
    "a cell in the last column": (
        lambda: with_parts(
            GOOD,
            sheet=sheet_of(
                HEADER + '<row r="2"><c r="XFD2"><v>1</v></c></row>', '<dimension ref="A1:XFD1048576"/>'
            ),
        ),
        "[]",
    ),
    "a bomb of zeros": (
        lambda: with_parts(GOOD, extra={"xl/media/a.bin": [b"\0" * 1024 * 1024] * 100}),
        "压缩得异常紧密",
    ),
    "forty megabytes beside the rows": (
        lambda: with_parts(GOOD, sheet=[OPEN, *[TAGS] * 40, "<sheetData/></worksheet>"]),
        "没有找到表头",
    ),
    "forty megabytes inside a row": (lambda: rows_of('<row r="2">', *[TAGS] * 40, "</row>"), "[]"),
    "a row of millions of cells": (
        lambda: rows_of('<row r="2">', *[_block(lambda n: b"<c><v>%d</v></c>" % n)] * 60, "</row>"),
        "按数字存放",
    ),
    "a million names": (
        lambda: rows_of("".join(f"<x{n}/>" for n in range(1_000_000))),
        "不完整或已损坏",
    ),
    "tags in tags": (lambda: rows_of(_block(lambda n: b"<x%d>" % n)), "不完整或已损坏"),
    "one endless text": (
        lambda: rows_of('<row r="2"><c r="A2" t="inlineStr"><is><t>', *[WORDS] * 8, "</t></is></c></row>"),
        "内容过长",
    ),
    "an endless text in pieces": (
        lambda: rows_of(
            '<row r="2"><c r="A2" t="inlineStr"><is>',
            *[_block(lambda n: b"<r><t>%d</t></r>" % n)] * 8,
            "</is></c></row>",
        ),
        "内容过长",
    ),
    "one endless attribute": (lambda: rows_of('<row r="', *[WORDS] * 8, '"/>'), "内容过长"),
    "one endless comment": (lambda: rows_of("<!--", *[TAGS] * 8, "-->"), "不接受的内容"),
    "one endless instruction": (lambda: rows_of("<?x ", *[TAGS] * 8, "?>"), "不接受的内容"),
    "a thousand laughs": (
        lambda: with_parts(
            GOOD,
            sheet='<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
            + sheet_of("<row/>").partition("?>")[2],
        ),
        "不接受的内容",
    ),
    "another encoding hides a DTD": (
        lambda: with_parts(GOOD, sheet=sheet_of("<row/>").replace("UTF-8", "UTF-16").encode("utf-16")),
        "不接受的内容",
    ),
    "millions of shared texts": (
        lambda: with_parts(
            GOOD,
            strings=[
                f'<?xml version="1.0"?><sst xmlns="{MAIN}">',
                *[_block(lambda n: b"<si><t>%d</t></si>" % n)] * 90,
                "</sst>",
            ],
        ),
        "文字过多",
    ),
    "styles without end": (
        lambda: with_parts(GOOD, styles=[f'<styleSheet xmlns="{MAIN}">', *[TAGS] * 30, "</styleSheet>"]),
        "样式或附加内容过大",
    ),
    "hundreds of parts": (
        lambda: with_parts(GOOD, extra={f"xl/a{n}.xml": b"x" for n in range(100)}),
        "部件过多",
    ),
    "a shared text that is not there": (
        lambda: with_parts(GOOD, sheet=sheet_of('<row r="1"><c r="A1" t="s"><v>99</v></c></row>')),
        "不完整或已损坏",
    ),
}


def test_a_workbook_that_would_unpack_to_too_much(monkeypatch):
    monkeypatch.setattr(reading, "MOST_UNPACKED", 20_000)
    assert "展开后超过" in refusal(rows_of("<row/>" * 3_000))


CHILD = """
import io, json, resource, sys
import django
django.setup()
from credits.intake.checking import _read
from credits.intake.reading import Lines, Unreadable
from tests.test_intake_reading import reader
def peak():
    return [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")][0] // 1024
before = peak()
try:
    with open(sys.argv[1], "rb") as file:
        said = [str(row)[:200] for _, row in _read(Lines(file, "a.xlsx"), reader())]
except Unreadable as error:
    said = str(error)
json.dump({"before": before, "peak": peak(), "said": said}, sys.stdout)
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_workbook_gets_its_sentence_within_two_hundred_megabytes(name, tmp_path):
    make, sentence = HOSTILE[name]
    path = tmp_path / "a.xlsx"
    path.write_bytes(make())
    assert path.stat().st_size < 2.5 * MOST_BYTES
    done = subprocess.run(
        [sys.executable, "-c", CHILD, path], capture_output=True, text=True, timeout=300, check=False,
        cwd=Path(__file__).resolve().parent.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout)
    assert sentence in json.dumps(answer["said"], ensure_ascii=False), answer
    assert answer["peak"] < 200, answer
