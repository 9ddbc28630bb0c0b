"""Spreadsheets for the tests of intake: written by XlsxWriter or csv, and broken by hand."""

import csv
import io
import zipfile

import xlsxwriter

from credits.intake.columns import COLUMNS

HEAD = [column.label for column in COLUMNS]
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def xlsx(rows, head=HEAD, merge=None, format=None) -> bytes:
    """A workbook: each cell a str, a number, a date, or ("=", formula). `merge` is a range for its title."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out, {"in_memory": True, "strings_to_formulas": False, "strings_to_numbers": False}
    )
    sheet, day = book.add_worksheet("学时"), book.add_format({"num_format": "yyyy-mm-dd"})
    for line, row in enumerate([head, *rows] if head else rows):
        for place, cell in enumerate(row):
            if isinstance(cell, tuple):
                sheet.write_formula(line, place, cell[1], None, "1")
            elif isinstance(cell, str):
                sheet.write_string(line, place, cell)
            elif isinstance(cell, bool):
                sheet.write_boolean(line, place, cell)
            elif cell is not None and not isinstance(cell, (int, float)):
                sheet.write_datetime(line, place, cell, day)
            elif cell is not None:
                sheet.write_number(line, place, cell)
    if merge:
        sheet.merge_range(*merge)
    book.close()
    return out.getvalue()


def text(rows, head=HEAD, encoding="utf-8-sig", delimiter=",") -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([head, *rows])
    return out.getvalue().encode(encoding)


def with_parts(content: bytes, **parts) -> bytes:
    """The workbook with other parts: sheet=…, strings=…, styles=…, or extra={name: bytes}. Texts may be generators."""
    names = {
        "sheet": "xl/worksheets/sheet1.xml", "strings": "xl/sharedStrings.xml", "styles": "xl/styles.xml",
        "book": "xl/workbook.xml",
    }  # fmt: skip
    extra = parts.pop("extra", {})
    changed = {names[key]: value for key, value in parts.items()} | extra
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in [*(set(old.namelist()) - set(changed)), *changed]:
            if name not in changed:
                new.writestr(name, old.read(name))
                continue
            value = changed[name]
            with new.open(name, "w", force_zip64=True) as part:
                for piece in [value] if isinstance(value, (bytes, str)) else value:
                    part.write(piece.encode() if isinstance(piece, str) else piece)
    return out.getvalue()


def sheet_of(body: str, head: str = "") -> str:
    """The XML of a sheet with these rows."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<worksheet xmlns="{MAIN}">{head}<sheetData>{body}</sheetData></worksheet>'
