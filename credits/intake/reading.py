"""A spreadsheet as rows of cells: .xlsx or .csv, known by its content; bounded, whatever somebody put into it.

An .xlsx is a ZIP of XML: its table of contents is judged before anything is unpacked, what is unpacked passes a guard.
openpyxl reads the workbook and its formats; the rows and the shared texts are read by expat and handed on one by one,
because openpyxl's own loop keeps an element for every row until the end, believes the row numbers that stand in the
file, and keeps whatever else somebody put between the rows.
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
from xml.parsers import expat  # (the guard lets no DTD through)

from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.stylesheet import apply_stylesheet
from openpyxl.utils.datetime import from_excel, from_ISO8601
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS

MOST_BYTES = 20 * 1024 * 1024  # of the file as it is uploaded
MOST_ROWS = 200_000
MOST_COLUMNS = 40  # further cells of a row are not looked at
MOST_MEMBERS = 64
MOST_UNPACKED = 400 * 1024 * 1024  # of sheets, which are never held whole
MOST_RATIO = 100
MOST_TEXTS = 48 * 1024 * 1024  # of the shared texts, which are held, without their tags
MOST_OTHER = 2 * 1024 * 1024  # of every other part: styles, relations
LONGEST_TOKEN = 256 * 1024  # without a tag in between; Excel's longest cell has 32,767 characters
LONGEST_TEXT = 128 * 1024
DEEPEST = 24
MOST_NAMES = 2_000  # of tags and attributes, which the parser keeps
CHUNK = 64 * 1024

Cell = str | int | float | bool | datetime.datetime | datetime.date | datetime.time | None

SAVE_AGAIN = "请用 Excel 或 WPS 打开后另存为 .xlsx，再上传。"
BROKEN = f"文件不完整或已损坏，{SAVE_AGAIN}"

TOO_LONG = "表格中有一个单元格的内容过长，请删减后上传。"


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
        # Counted as well: the numbers that stand in a file may all be the same.
        for count, line in enumerate(self._all()):
            if max(count, line.number) > MOST_ROWS + 10:
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
        book = _Reader(lines.file)
        path = book.first_sheet()
        lines.size = book.archive.getinfo(path).file_size
        with book.archive.open(path) as source:
            lines.so_far = source.tell
            yield from _Rows(book).over(source)
    except Unreadable:
        raise
    except Exception as error:  # a broken workbook makes openpyxl raise nearly anything
        raise Unreadable(BROKEN) from error


class _Reader(ExcelReader):
    """openpyxl's reader over a guarded archive; of the parts that are many it only learns where they are."""

    def __init__(self, file: BinaryIO):
        super().__init__(file, read_only=True, keep_links=False)
        self.archive = _Archive(file)

    def first_sheet(self) -> str:
        """The path of the first worksheet; shared texts and formats are read then."""
        self.read_manifest()
        part = self.package.find(SHARED_STRINGS)
        self.texts = Texts()
        if part is not None:
            with self.archive.open(part.PartName[1:]) as source:
                for _ in self.texts.over(source):
                    pass
        self.read_workbook()
        apply_stylesheet(self.archive, self.wb)
        for _, relation in self.parser.find_sheets():
            if relation.target in self.valid_files and "chartsheet" not in relation.Type:
                return relation.target
        raise Unreadable(f"文件里没有工作表，{SAVE_AGAIN}")


class _Parts:
    """What expat tells of one part of the workbook; `found` collects what is complete, `over` hands it on."""

    def __init__(self):
        self.depth, self.found = 0, []
        self.text: list[str] = []
        self.length = 0

    def over(self, source: "_Guarded") -> Iterator:
        names: dict[str, str] = {}
        parser = expat.ParserCreate(namespace_separator=" ", intern=names)
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self.start, self.end
        parser.CharacterDataHandler = self.words
        while chunk := source.read(CHUNK):
            parser.Parse(chunk, False)
            if len(names) > MOST_NAMES:
                raise Unreadable(BROKEN)
            yield from self.found
            self.found.clear()
        parser.Parse(b"", True)

    def start(self, tag: str, attributes: dict) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise Unreadable(BROKEN)

    def end(self, tag: str) -> None:
        self.depth -= 1

    def words(self, text: str) -> None:
        self.length += len(text)
        if self.length > LONGEST_TEXT:
            raise Unreadable(TOO_LONG)
        self.text.append(text)

    def said(self) -> str:
        """The text since the last time."""
        text = self.text[0] if len(self.text) == 1 else "".join(self.text)
        self.forget()
        return text

    def forget(self) -> None:
        self.text.clear()
        self.length = 0


def _tags(*names: str) -> list[str]:
    return [f"{SHEET_MAIN_NS} {name}" for name in names]


_ROW, _CELL, _VALUE, _FORMULA, _INLINE, _T, _SI, _PHONETIC = _tags(
    "row", "c", "v", "f", "is", "t", "si", "rPh"
)


class Texts(_Parts):
    """The shared texts, by number: one block of bytes and where each begins."""

    def __init__(self):
        super().__init__()
        self.bytes, self.starts = bytearray(), array("L", [0])
        self.listening, self.silent = False, 0

    def start(self, tag: str, attributes: dict) -> None:
        super().start(tag, attributes)
        if tag == _PHONETIC:  # how a text is pronounced, in phonetic letters
            self.silent = self.depth
        elif tag == _SI:
            self.forget()
        self.listening = tag == _T and not self.silent

    def end(self, tag: str) -> None:
        self.listening = False
        if self.silent == self.depth:
            self.silent = 0
        elif tag == _SI:
            self.bytes += self.said().encode("utf-8", "surrogatepass")
            self.starts.append(len(self.bytes))
            if len(self.bytes) + 8 * len(self.starts) > MOST_TEXTS:
                raise Unreadable("表格中的文字过多，请分成几个文件上传。")
        self.depth -= 1

    def words(self, text: str) -> None:
        if self.listening:
            super().words(text)

    def __getitem__(self, number: int) -> str:
        if not 0 <= number < len(self.starts) - 1:
            raise Unreadable(BROKEN)
        return self.bytes[self.starts[number] : self.starts[number + 1]].decode("utf-8", "surrogatepass")


class _Rows(_Parts):
    """The rows of a sheet. A formula is "=", whatever it reckons; what stands beside the cells is not looked at."""

    def __init__(self, book: _Reader):
        super().__init__()
        self.texts, self.book = book.texts, book.wb
        self.places: dict[str, int] = {}
        self.dates = frozenset(map(str, book.wb._date_formats))
        self.moments: dict[tuple, Cell] = {}
        self.number = self.place = 0
        self.row: list[Cell] | None = None
        self.kind = self.style = ""
        self.value: Cell = None
        self.listening, self.silent = False, 0

    def start(self, tag: str, attributes: dict) -> None:
        self.depth += 1
        if tag == _VALUE or tag == _T:  # noqa: SIM109 (a million times)
            self.listening = self.row is not None and not self.silent
        elif tag == _CELL:
            reference = attributes.get("r")
            self.place = self.place + 1 if reference is None else self._place(reference)
            self.kind, self.style, self.value = attributes.get("t", "n"), attributes.get("s"), None
        elif tag == _FORMULA:
            self.value = "="
        elif tag == _ROW:
            self.number = int(attributes.get("r", self.number + 1))
            self.row, self.place = [None] * MOST_COLUMNS, -1
        elif tag == _PHONETIC:
            self.silent = self.depth
        elif self.depth > DEEPEST:
            raise Unreadable(BROKEN)

    def end(self, tag: str) -> None:
        self.listening = False
        if tag == _CELL:
            if self.row is not None and 0 <= self.place < MOST_COLUMNS:
                self.row[self.place] = self._read() if self.value is None else self.value
            if self.text:
                self.forget()
        elif tag == _ROW and self.row is not None:
            self.found.append(Line(self.number, tuple(self.row)))
            self.row = None
        elif self.silent == self.depth:
            self.silent = 0
        self.depth -= 1

    def words(self, text: str) -> None:
        if self.listening:
            self.text.append(text)
            self.length += len(text)
            if self.length > LONGEST_TEXT:
                raise Unreadable(TOO_LONG)

    def _place(self, reference: str) -> int:
        letters = reference.rstrip("0123456789")
        place = self.places.get(letters)
        if place is None:
            place = 0
            for letter in letters[:4].upper():
                place = place * 26 + ord(letter) - 64
            place -= 1
            if len(self.places) < MOST_COLUMNS:
                self.places[letters] = place
        return place

    def _read(self) -> Cell:
        if not self.text:
            return None
        text = self.text[0] if len(self.text) == 1 else "".join(self.text)
        kind = self.kind
        if kind == "s":
            return self.texts[int(text)]
        if kind == "n":
            number = float(text) if "." in text or "e" in text or "E" in text else int(text)
            return self._moment(number) if self.style in self.dates else number
        if kind == "b":
            return text != "0"
        if kind == "d":
            return from_ISO8601(text)
        return text  # str, inlineStr, e

    def _moment(self, number: float) -> Cell:
        """The same days come again and again: as many as ten years have are kept."""
        moment = self.moments.get((number, self.style))
        if moment is None:
            try:
                span = int(self.style) in self.book._timedelta_formats
                moment = from_excel(number, self.book.epoch, timedelta=span)
            except (OverflowError, ValueError):
                moment = "#VALUE!"
            if len(self.moments) < 4000:
                self.moments[number, self.style] = moment
        return moment


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
            raise Unreadable(TOO_LONG)
        return chunk

    def tell(self) -> int:
        return self.member.tell()

    def close(self) -> None:
        self.member.close()

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        self.close()
