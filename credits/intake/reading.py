"""A spreadsheet as rows of cells: .xlsx or .csv, known by its content; bounded, whatever somebody put into it.

An .xlsx is a ZIP of XML: its table of contents is judged before anything is unpacked, what is unpacked passes a guard,
and rows are handed on one by one. openpyxl reads the workbook and each row; the loop around it is ours, because
openpyxl's own keeps every row's element until the end and believes the row numbers that stand in the file.
"""

import codecs
import csv
import datetime
import io
import re
import zipfile
from array import array
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple
from xml.etree.ElementTree import Element, iterparse

from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.stylesheet import apply_stylesheet
from openpyxl.worksheet._read_only import ReadOnlyWorksheet
from openpyxl.worksheet._reader import DATA_TAG, ROW_TAG, WorkSheetParser
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS

MOST_BYTES = 20 * 1024 * 1024  # of the file as it is uploaded
MOST_ROWS = 200_000
MOST_COLUMNS = 40  # further cells of a row are not looked at
MOST_MEMBERS = 64
MOST_UNPACKED = 400 * 1024 * 1024  # of sheets, which are never held whole
MOST_RATIO = 100
MOST_STRINGS = 48 * 1024 * 1024  # of the shared texts, which are held, without their tags
MOST_OTHER = 2 * 1024 * 1024  # of every other part: styles, relations
LONGEST_TOKEN = 256 * 1024  # without a tag in between; Excel's longest cell has 32,767 characters
DEEPEST = 24
MOST_CELLS = 20_000  # elements of one row; Excel has 16,384 columns, a form has 11

Cell = str | int | float | bool | datetime.datetime | datetime.date | datetime.time | None

SAVE_AGAIN = "请用 Excel 或 WPS 打开后另存为 .xlsx，再上传。"
BROKEN = f"文件不完整或已损坏，{SAVE_AGAIN}"


class Unreadable(Exception):
    """The file is not taken; the message is the sentence for who uploaded it."""


class Line(NamedTuple):
    """One row: its number in the sheet and its cells."""

    number: int
    cells: tuple[Cell, ...]


class Lines:
    """Every row of a file that is not empty. Iterating raises Unreadable, also on the way.

    `share` is how much of the file was read, between 0 and 1.
    """

    def __init__(self, file: BinaryIO, name: str):
        self.file, self.name = file, name
        self.size, self.so_far = 0, lambda: 0

    @property
    def share(self) -> float:
        try:
            return min(1.0, self.so_far() / self.size) if self.size else 0.0
        except ValueError:  # read to the end and closed
            return 1.0

    def __iter__(self) -> Iterator[Line]:
        for line in self._all():
            if line.number > MOST_ROWS + 10:
                raise Unreadable(f"表格超过 {MOST_ROWS:,} 行，请分成几个文件上传；多余的空白行请删除。")
            if any(cell is not None and cell != "" for cell in line.cells):
                yield line

    def _all(self) -> Iterator[Line]:
        start = self.file.read(8)
        self.file.seek(0)
        if start.startswith(b"PK\x03\x04"):
            return _xlsx(self)
        if start.startswith(b"\xd0\xcf\x11\xe0"):
            raise Unreadable(f"这是旧版 .xls 文件或加了密码的文件，{SAVE_AGAIN}")
        if self.name.lower().endswith((".csv", ".txt")):
            return _csv(self)
        raise Unreadable("文件不是 .xlsx 或 .csv，请下载模板填写后上传。")


# --- .csv -----------------------------------------------------------------------------------------------


def _csv(lines: Lines) -> Iterator[Line]:
    file = lines.file
    text = io.TextIOWrapper(file, _encoding(file), newline="")
    lines.size, lines.so_far = file.seek(0, io.SEEK_END), file.tell
    file.seek(0)
    try:
        delimiter = max(",\t;，", key=text.readline(LONGEST_TOKEN).count)
        text.seek(0)
        room = [LONGEST_TOKEN]
        reader = csv.reader(_bounded(text, room), delimiter=delimiter)
        for cells in reader:
            room[0] = LONGEST_TOKEN
            yield Line(reader.line_num, tuple(cells[:MOST_COLUMNS]))
    except csv.Error as error:
        raise Unreadable(
            "CSV 文件中有没有配对的引号，或某个单元格过长，请改正，或改用 .xlsx 上传。"
        ) from error
    finally:
        text.detach()


def _bounded(text: Iterator[str], room: list[int]) -> Iterator[str]:
    """The lines of a file, as long as those of one row have no more characters than there is room for."""
    for line in text:
        room[0] -= len(line)
        if room[0] < 0:
            raise Unreadable("CSV 文件中有一行过长，请检查引号是否配对，或改用 .xlsx 上传。")
        yield line


def _encoding(file: BinaryIO) -> str:
    """UTF-8 with or without its mark, UTF-16 with its mark, else GB 18030; read to the end to be sure."""
    start = file.read(4)
    utf_16 = start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    for encoding in ["utf-16"] if utf_16 else ["utf-8-sig", "gb18030"]:
        file.seek(0)
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            while chunk := file.read(1024 * 1024):
                if "\0" in decoder.decode(chunk):
                    raise UnicodeError
            decoder.decode(b"", final=True)
        except UnicodeError:
            continue
        file.seek(0)
        return encoding
    raise Unreadable("文件的编码无法识别，请另存为“CSV UTF-8（逗号分隔）”，或改用 .xlsx 上传。")


# --- .xlsx ----------------------------------------------------------------------------------------------


def _xlsx(lines: Lines) -> Iterator[Line]:
    try:
        yield from _rows(lines, _Reader(lines.file).read())
    except Unreadable:
        raise
    except Exception as error:  # a broken workbook makes openpyxl raise nearly anything
        raise Unreadable(BROKEN) from error


def _rows(lines: Lines, sheet: "_Sheet") -> Iterator[Line]:
    book = sheet.parent
    with sheet._get_source() as source:
        lines.size, lines.so_far = source.member.seek(0, io.SEEK_END), source.member.tell
        source.member.seek(0)
        parser = WorkSheetParser(
            source,
            sheet._shared_strings,
            epoch=book.epoch,
            date_formats=book._date_formats,
            timedelta_formats=book._timedelta_formats,
        )
        for element in _elements(source, ROW_TAG, DATA_TAG):
            number, cells = parser.parse_row(element)
            row = [None] * MOST_COLUMNS
            for cell in cells:
                if 0 < cell["column"] <= MOST_COLUMNS:
                    row[cell["column"] - 1] = cell["value"]
            parser.row_dimensions.clear()
            yield Line(number, tuple(row))


def _elements(source, wanted: str, parent: str) -> Iterator[Element]:
    """Every `wanted` element that lies directly in `parent`, whole; everything else is dropped as it ends."""
    above: list[Element] = []
    inside = held = 0
    for event, element in iterparse(source, events=("start", "end")):  # noqa: S314 (no DTD)
        if event == "start":
            if inside:
                held += 1
                if held > MOST_CELLS:
                    raise Unreadable(f"表格中有一行的内容过多，{SAVE_AGAIN}")
            elif element.tag == wanted and above and above[-1].tag == parent:
                inside, held = len(above) + 1, 0
            above.append(element)
            if len(above) > DEEPEST:
                raise Unreadable(BROKEN)
            continue
        above.pop()
        if len(above) + 1 == inside:
            inside = 0
            yield element
        if not inside and above:
            above[-1].clear()


class _Reader(ExcelReader):
    """openpyxl's reader over a guarded archive, with shared texts that take no more room than they have bytes."""

    def __init__(self, file: BinaryIO):
        super().__init__(file, read_only=True, keep_links=False)
        self.archive = _Archive(file)

    def read(self) -> "_Sheet":
        """The first worksheet, with what is needed to understand its cells."""
        self.read_manifest()
        part = self.package.find(SHARED_STRINGS)
        if part is not None:
            with self.archive.open(part.PartName[1:]) as source:
                self.shared_strings = _Texts(source)
        self.read_workbook()
        apply_stylesheet(self.archive, self.wb)
        for sheet, relation in self.parser.find_sheets():
            if relation.target in self.valid_files and "chartsheet" not in relation.Type:
                return _Sheet(self.wb, sheet.name, relation.target, self.shared_strings)
        raise Unreadable(f"文件里没有工作表，{SAVE_AGAIN}")


class _Sheet(ReadOnlyWorksheet):
    def _get_size(self):
        """What the sheet says of its own size is of no interest."""


class _Archive(zipfile.ZipFile):
    """A ZIP whose table of contents was judged before anything is unpacked.

    Python unpacks no more of a member than the table declares, so the declared sizes are a sound bound.
    """

    def __init__(self, file: BinaryIO):
        super().__init__(file)
        members = self.infolist()
        if len(members) > MOST_MEMBERS:
            raise Unreadable(f"文件内部的部件过多，{SAVE_AGAIN}")
        for member in members:
            if member.file_size > MOST_RATIO * max(member.compress_size, 1024):
                raise Unreadable(f"文件压缩得异常紧密，可能是有害文件，没有读取。{SAVE_AGAIN}")
            if member.flag_bits & 0x1:
                raise Unreadable("文件加了密码，请取消密码后上传。")
        if sum(member.file_size for member in members) > MOST_UNPACKED:
            raise Unreadable(
                f"文件展开后超过 {MOST_UNPACKED // 1024 // 1024} MB，请分成几个文件上传，并删除空白行和格式。"
            )

    def open(self, name, mode="r", pwd=None, **how):
        return _Guarded(super().open(name, mode, pwd, **how))

    def read(self, name, pwd=None) -> bytes:
        if self.getinfo(str(name)).file_size > MOST_OTHER:
            raise Unreadable(f"文件中的样式或附加内容过大，{SAVE_AGAIN}")
        with self.open(name) as source:
            return source.read()


class _Guarded:
    """A part of the workbook, unpacked as it is read. No DTD, no comment, no endless token, no other encoding."""

    _DECLARATION = re.compile(rb"\A(\xef\xbb\xbf)?<\?xml[^<>]{0,200}\?>")

    def __init__(self, member):
        self.member, self.last, self.run, self.begun = member, b"", 0, False

    def read(self, size: int = -1) -> bytes:
        chunk = self.member.read(size)
        look = self.last + (chunk if self.begun else self._DECLARATION.sub(b"", chunk, count=1))
        # Comments and instructions are held until they end; UTF-16 would hide both.
        if b"<!" in look or b"<?" in look or b"\0" in look:
            raise Unreadable(f"文件中有不接受的内容，{SAVE_AGAIN}")
        self.last, self.begun = chunk[-1:], True
        tag = chunk.rfind(b"<")
        self.run = self.run + len(chunk) if tag < 0 else len(chunk) - tag
        if self.run > LONGEST_TOKEN:
            raise Unreadable("表格中有一个单元格的内容过长，请删减后上传。")
        return chunk

    def close(self) -> None:
        self.member.close()

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        self.close()


class _Texts:
    """The shared texts, by number: one block of bytes and where each begins."""

    _SI, _SST = (f"{{{SHEET_MAIN_NS}}}{name}" for name in ("si", "sst"))
    _T, _R, _PHONETIC = (f"{{{SHEET_MAIN_NS}}}{name}" for name in ("t", "r", "rPh"))

    def __init__(self, source):
        self.bytes, self.starts = bytearray(), array("L", [0])
        for element in _elements(source, self._SI, self._SST):
            self.bytes += self._text(element).encode("utf-8", "surrogatepass")
            self.starts.append(len(self.bytes))
            if len(self.bytes) + 8 * len(self.starts) > MOST_STRINGS:
                raise Unreadable("表格中的文字过多，请分成几个文件上传。")

    def _text(self, element: Element) -> str:
        only = element.find(self._T)
        if only is not None and len(element) == 1:
            return only.text or ""
        pieces = [only] if only is not None else []
        pieces += [piece.find(self._T) for piece in element.findall(self._R)]
        return "".join(piece.text or "" for piece in pieces if piece is not None)

    def __getitem__(self, number: int) -> str:
        if not 0 <= number < len(self.starts) - 1:
            raise Unreadable(BROKEN)
        return self.bytes[self.starts[number] : self.starts[number + 1]].decode("utf-8", "surrogatepass")
