"""A sheet as .csv: UTF-8 with its mark, so that Excel reads Chinese, and no cell that Excel would take for a formula."""

import csv
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal

# Excel, LibreOffice and WPS reckon a cell that begins so, also after blanks and invisible characters; some locales
# take the full-width signs as well.
FORMULA = re.compile(
    r"[\s\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]*[=+\-@＝＋－＠]|[\t\r\n]"
)


def safe(text: str) -> str:
    """The text with ' in front where a spreadsheet would reckon it."""
    return f"'{text}" if FORMULA.match(text) else text


def _written(cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return safe(cell)
    return f"{cell:f}" if isinstance(cell, Decimal) else str(cell)


class _Line:
    """What csv.writer writes to: hands the line back."""

    def write(self, text: str) -> str:
        return text


def lines(head: str, titles: list[str], rows: Iterable[list]) -> Iterator[bytes]:
    """The file, line by line: who exported what, the titles, the rows."""
    writer = csv.writer(_Line())
    yield ("\ufeff" + writer.writerow([safe(head)])).encode()
    yield writer.writerow(titles).encode()
    for row in rows:
        yield writer.writerow([_written(cell) for cell in row]).encode()
