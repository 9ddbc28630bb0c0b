"""The empty spreadsheet: the headings, with the ID numbers' column as text, and a second sheet that explains them."""

import io

import xlsxwriter

from credits.intake.columns import COLUMNS
from credits.intake.reading import MOST_BYTES, MOST_ROWS

NAME = "学时导入模板.xlsx"
_WIDTHS = {"id_number": 22, "title": 36, "event_id": 20, "certificate_number": 20, "corrects": 20}


def made() -> bytes:
    """The file."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    bold, text = book.add_format({"bold": True}), book.add_format({"num_format": "@"})
    wrapped = book.add_format({"text_wrap": True, "valign": "top"})
    sheet = book.add_worksheet("学时")
    sheet.freeze_panes(1, 0)
    for place, column in enumerate(COLUMNS):
        how = None if column.name in ("hours", "year") else text
        sheet.set_column(place, place, _WIDTHS.get(column.name, 12), how)
        sheet.write_string(0, place, column.label, bold)
    about = book.add_worksheet("填写说明")
    about.set_column(0, 0, 18)
    about.set_column(1, 1, 90)
    lines = [
        *((column.label, column.help) for column in COLUMNS),
        (
            "整个文件",
            f"最多 {MOST_ROWS:,} 行、{MOST_BYTES // 1024 // 1024} MB；表头占一行，不要合并单元格，不要用公式。",
        ),
        (
            "先检查",
            "上传后先检查，不入账；有一行需要改正，整个文件都不入账。同一个文件再次上传不会重复入账。",
        ),
    ]
    for row, (label, words) in enumerate(lines):
        about.write_string(row, 0, label, bold)
        about.write_string(row, 1, words, wrapped)
    book.close()
    return out.getvalue()
