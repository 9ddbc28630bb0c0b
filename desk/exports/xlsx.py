"""A sheet as .xlsx: rows go to the disk as they come, text stays text."""

import datetime
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

import xlsxwriter

from desk.exports.sheets import Column

MOST_ROWS = 1_000_000  # of one sheet; Excel reads 1,048,576
TITLE_ROW = 1
OPTIONS = {"strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}


def write(
    target: Path | BinaryIO, label: str, head: str, columns: list[Column], rows: Iterable[list]
) -> None:
    """Write the file: who exported what, the titles, the rows.

    A path: flat in memory, half-written parts beside it, so its folder should be the caller's own. A stream: in
    memory alone, nothing on the disk.
    """
    if isinstance(target, Path):
        how = {"constant_memory": True, "tmpdir": str(target.parent), "use_zip64": True}
        book = xlsxwriter.Workbook(str(target), {**OPTIONS, **how})
    else:
        book = xlsxwriter.Workbook(target, {**OPTIONS, "in_memory": True})
    bold, day = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd"})
    sheet, line = None, 0
    for row in rows:
        if sheet is None or line > TITLE_ROW + MOST_ROWS:
            sheet, line = _begin(book, label, head, columns, bold), TITLE_ROW + 1
        for place, cell in enumerate(row):
            _put(sheet, line, place, cell, day)
        line += 1
    if sheet is None:
        _begin(book, label, head, columns, bold)
    book.close()


def _begin(book, label: str, head: str, columns: list[Column], bold):
    number = len(book.worksheets()) + 1
    sheet = book.add_worksheet(label if number == 1 else f"{label}{number}")
    for place, column in enumerate(columns):
        sheet.set_column(place, place, column.width)
    sheet.freeze_panes(TITLE_ROW + 1, 0)
    sheet.write_string(0, 0, head)
    for place, column in enumerate(columns):
        sheet.write_string(TITLE_ROW, place, column.title, bold)
    return sheet


def _put(sheet, line: int, place: int, cell, day) -> None:
    # Never write(): it guesses what a text means.
    if isinstance(cell, str):
        if cell:
            # The library would put such a text into the file as it is, for its own rich strings.
            marked = cell.startswith("<r>") and cell.endswith("</r>")
            sheet.write_string(line, place, f"{cell} " if marked else cell)
    elif isinstance(cell, (int, Decimal)):
        sheet.write_number(line, place, cell)
    elif isinstance(cell, datetime.date):
        sheet.write_datetime(line, place, datetime.datetime(cell.year, cell.month, cell.day), day)  # noqa: DTZ001
    elif cell is not None:
        raise TypeError(type(cell).__name__)
