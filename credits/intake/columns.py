"""What one row must say: every value as people type it, read into what is stored, or a sentence on what to change.

Nothing here asks the database. A sentence never repeats what was typed: it could be an ID number.
"""

import datetime
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import lru_cache, partial
from hashlib import sha256
from operator import itemgetter
from typing import NamedTuple

from accounts.id_number import IdNumber, InvalidIdNumber
from credits.intake.reading import MOST_COLUMNS, Cell, Unreadable
from credits.models import Provider, Subject
from credits.numbers import key_of
from credits.years import today

MOST_HOURS = Decimal(200)
OLDEST_YEAR = 2000
HEADER_WITHIN = 10  # rows from the top, for those who put a title above
FEWEST_KNOWN = 3  # columns that make a row the header


class Column(NamedTuple):
    """`aliases` are other headings under which the column is known; `help` stands in the template."""

    name: str
    label: str
    required: bool
    help: str
    aliases: tuple[str, ...] = ()


COLUMNS = (
    Column("id_number", "证件号码", True, "必填。请把这一列设为文本格式，否则末尾几位会丢失。",
           ("身份证号", "身份证号码", "证件号", "身份证件号码", "公民身份号码")),
    Column("name", "姓名", True, "必填。与证件一致。", ("学员姓名",)),
    Column("year", "年度", True, "必填。学时计入的年度，例如 2026。", ("年份", "计入年度", "学时年度")),
    Column("subject", "科目", True, "必填。公需科目、专业科目或选修科目。", ("科目类别", "科目类型")),
    Column("hours", "学时", True, "必填。最多一位小数，例如 12 或 7.5；撤回一条记录时填 0。", ("学时数",)),
    Column("title", "课程名称", True, "必填。课程或培训班的名称。", ("课程", "培训项目", "项目名称")),
    Column("completed_on", "完成日期", True, "必填。例如 2026-11-08。", ("完成时间", "结束日期", "结业日期")),
    Column("event_id", "事件编号", False,
           "选填。贵平台给这条记录的编号，不重复，最多 64 个字符。不填时按同一人、同一课程、同一日期识别。",
           ("记录编号", "流水号")),
    Column("started_on", "开始日期", False, "选填。例如 2026-11-01。", ("开始时间",)),
    Column("certificate_number", "证书编号", False, "选填。结业证书的编号。", ("证书号",)),
    Column("corrects", "更正的事件编号", False,
           "选填。更正以前报送的一条记录时，填那条记录的事件编号；本行是更正后的内容。", ("被更正的事件编号",)),
)  # fmt: skip
LABELS = {column.name: column.label for column in COLUMNS}
_HEADINGS = {text: column for column in COLUMNS for text in (column.label, *column.aliases)}
_SUBJECTS = {
    **{one.value: one.value for one in Subject},
    **{one.label[:2] + tail: one.value for one in Subject for tail in ("科目", "课", "课程", "")},
}


class Wrong(NamedTuple):
    """What is wrong with one value: the column's name ("" = the whole row) and the sentence."""

    column: str
    sentence: str


class Checked(NamedTuple):
    """A row that says what it must: the columns of CheckedRow, in the order of COPY."""

    row: int
    event_id: str
    digest: str
    person_index: str
    person_hint: str
    person_name: str
    year: int
    subject: str
    hours: Decimal
    title: str
    started_on: datetime.date | None
    completed_on: datetime.date
    certificate_number: str
    number_key: str
    corrects_event: str


# --- the header ---------------------------------------------------------------------------------------------


def places_of(cells: Iterable[Cell]) -> dict[str, int] | None:
    """Where each column stands, if this row is the header; None if it is a title or data.

    Raises Unreadable when it is the header and something is missing or there twice.
    """
    found: dict[str, int] = {}
    twice = []
    for place, cell in enumerate(cells):
        column = _HEADINGS.get(_heading(cell)) if isinstance(cell, str) else None
        if column is None:
            continue
        if column.name in found:
            twice.append(column.label)
        found[column.name] = place
    if len(found) < FEWEST_KNOWN:
        return None
    if twice:
        raise Unreadable(f"表头中“{twice[0]}”出现了两次，请只保留一列。")
    missing = [column.label for column in COLUMNS if column.required and column.name not in found]
    if missing:
        raise Unreadable(f"表头中没有“{'”、“'.join(missing)}”。请按模板填写，表头只占一行，不要合并单元格。")
    return found


NO_HEADER = "没有找到表头。请下载模板填写，第一行是“证件号码、姓名、年度……”，不要合并单元格。"


def unnamed(places: Mapping[str, int], header: tuple[Cell, ...]) -> list[int]:
    """The places between the columns that have no heading: what stands below them belongs to nobody knows what."""
    return [place for place in range(max(places.values())) if header[place] in (None, "")]


def picked(places: Mapping[str, int]) -> Callable[[Sequence[Cell]], tuple[Cell, ...]]:
    """Takes the cells of COLUMNS out of a row, in their order; a column that is not there is always empty."""
    wanted = [places.get(column.name, -1) for column in COLUMNS]
    take = itemgetter(*wanted)

    def pick(cells: Sequence[Cell]) -> tuple[Cell, ...]:
        # The last place is nobody's.
        return take((*cells, *[None] * (MOST_COLUMNS + 1 - len(cells))))

    return pick


def _heading(cell: str) -> str:
    text = unicodedata.normalize("NFKC", cell)
    return re.sub(r"[\s*:()]|（.*?）", "", re.sub(r"\(.*?\)", "", text))


# --- a row --------------------------------------------------------------------------------------------------


@dataclass
class RowReader:
    """Reads rows for one provider. `today` is the day in Asia/Shanghai when it began."""

    provider: Provider
    today: datetime.date = field(default_factory=today)

    def __post_init__(self):
        one = self.provider
        self.first = one.year_from or OLDEST_YEAR
        self.last = min(one.year_to or self.today.year, self.today.year)
        self.subjects = frozenset(one.subjects or Subject.values)
        self.readers = (
            _id_number,
            partial(_required, label="姓名", longest=50),
            self._year,
            self._subject,
            _hours,
            partial(_required, label="课程名称", longest=120),
            partial(_day, label="完成日期", latest=self.today, needed=True),
            _event_id,
            partial(_day, label="开始日期", latest=self.today, needed=False),
            partial(_text, label="证书编号", longest=60),
            _event_id,
        )

    def read(self, row: int, cells: Sequence[Cell]) -> Checked | list[Wrong]:
        """The row as it will be stored, or everything that is wrong with it. Cells stand in the order of COLUMNS."""
        try:
            return self._row(row, *[read(cell) for read, cell in zip(self.readers, cells, strict=True)])
        except _Bad:
            return self._wrong(cells)

    def _wrong(self, cells: Sequence[Cell]) -> list[Wrong]:
        values, wrong = [], []
        for column, read, cell in zip(COLUMNS, self.readers, cells, strict=True):
            try:
                values.append(read(cell))
            except _Bad as bad:
                values.append(None)
                wrong.append(Wrong(column.name, str(bad)))
        return wrong + [
            one for one in self._together(*values) if one.column not in {two.column for two in wrong}
        ]

    def _row(self, row, number, name, year, subject, hours, title, completed_on, event_id, started_on, certificate,
             corrects) -> Checked:  # fmt: skip
        last = number.last_four
        if last in title or last in certificate:
            title, certificate = _masked(number, title), _masked(number, certificate)
        if corrects or started_on or not hours or completed_on.year < year or last in event_id:
            for _ in self._together(
                number,
                name,
                year,
                subject,
                hours,
                title,
                completed_on,
                event_id,
                started_on,
                certificate,
                corrects,
            ):
                raise _Bad
        # A digest has to come out the same when index keys were rotated.
        lasting, index = number.lasting_and_index
        years, until = str(year), str(completed_on)
        # Who, what and when tell one row from another; the rest may turn out to be written otherwise.
        own = (
            event_id
            or "row-" + _digest(lasting, years, subject, _folded(title), until, _folded(certificate))[:56]
        )
        since = str(started_on) if started_on else ""
        digest = _digest(
            own, lasting, name, years, subject, str(hours), title, since, until, certificate, corrects
        )
        return Checked(
            row, own, digest, index, last, name, year, subject, hours, title,
            started_on, completed_on, certificate, key_of(certificate) if certificate else "", corrects,
        )  # fmt: skip

    @staticmethod
    def _together(
        number, name, year, subject, hours, title, completed_on, event_id, started_on, certificate, corrects
    ):
        """What is wrong between the values of one row; None stands for a value that is wrong by itself."""
        if completed_on and year and completed_on.year < year:
            yield Wrong("completed_on", "完成日期早于所填的年度，请核对年度和日期。")
        if started_on and completed_on and started_on > completed_on:
            yield Wrong("started_on", "开始日期晚于完成日期，请核对。")
        if hours == 0 and corrects == "":
            yield Wrong("hours", "学时要大于 0；只有撤回以前的记录时填 0，并填写更正的事件编号。")
        if number and event_id and number.reveal() in event_id:
            yield Wrong("event_id", "事件编号不能含有证件号码，请换成贵平台自己的编号。")
        if corrects and event_id == "":
            yield Wrong("event_id", "更正记录请填写新的事件编号，不能空着。")
        elif corrects and corrects == event_id:
            yield Wrong("corrects", "更正记录要用新的事件编号，不能与被更正的相同。")

    def _year(self, cell: Cell) -> int:
        if type(cell) is int and self.first <= cell <= self.last:
            return cell
        year = _year(_plain(cell))
        if year is None:
            raise _Bad("年度请填四位数字，例如 2026。")
        if year > self.today.year:
            raise _Bad("年度还没有开始，请核对。")
        if not self.first <= year <= self.last:
            raise _Bad(f"“{self.provider.name}”只报送 {self.first} 至 {self.last} 年度的学时，请核对。")
        return year

    def _subject(self, cell: Cell) -> str:
        code = _SUBJECTS.get(cell) or _SUBJECTS.get("".join(str(_plain(cell)).split()).lower())
        if code is None:
            raise _Bad("科目请填公需科目、专业科目或选修科目。")
        if code not in self.subjects:
            raise _Bad(f"“{self.provider.name}”不报送{Subject(code).label}的学时，请核对。")
        return code


def _folded(text: str) -> str:
    """Without what people write differently: blanks, dashes, full-width characters, case."""
    return "".join(char for char in unicodedata.normalize("NFKC", text).upper() if char.isalnum())


def _digest(*parts: str) -> str:
    return sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


# --- one value ----------------------------------------------------------------------------------------------


def _masked(number: IdNumber, text: str) -> str:
    """Some number their certificates by the holder: it is readable nowhere here."""
    return text.replace(number.reveal(), number.masked)


class _Bad(Exception):
    """The value does not do; the message is the sentence."""


_QUOTED = re.compile(r'="([^"]*)"')  # how some programs keep digits in a .csv
_SCIENTIFIC = re.compile(r"[0-9][.0-9]*[Ee][+]?[0-9]+")
_ERRORS = frozenset(("#N/A", "#VALUE!", "#REF!", "#DIV/0!", "#NUM!", "#NAME?", "#NULL!"))
_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufffe\uffff]+"
)


def _plain(cell: Cell) -> str | int | float | datetime.date:
    """A cell without its packing: texts trimmed and half-width, None as ""; formulas and errors refused."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return _trimmed(cell) if cell.isascii() else _trimmed(unicodedata.normalize("NFKC", cell))
    if isinstance(cell, bool) or not isinstance(cell, (int, float, datetime.date)):
        raise _Bad("单元格里是公式、时间或对错值，请改填文字或数字。")
    return cell


_PACKED = frozenset("=#'")  # what a cell begins with that is not what it seems


def _trimmed(text: str) -> str:
    text = text.strip()
    if text[:1] not in _PACKED:
        return text
    if text.startswith("="):
        quoted = _QUOTED.fullmatch(text)
        if quoted is None:
            raise _Bad("单元格里是公式，请复制后“选择性粘贴—数值”。")
        text = quoted[1].strip()
    if text.startswith("#") and text in _ERRORS:
        raise _Bad("单元格里是公式的错误值，请改填实际内容。")
    return text.removeprefix("'")


def _text(cell: Cell, label: str, longest: int) -> str:
    """Words as they are, without line ends and invisible characters."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        text = _trimmed(cell)
        if not text.isprintable():
            text = " ".join(_UNSEEN.sub(" ", text).split())
    else:
        text = _whole(_plain(cell), label)
    if len(text) > longest:
        raise _Bad(f"{label}最多 {longest} 个字，请缩短。")
    return text


def _required(cell: Cell, label: str, longest: int) -> str:
    text = _text(cell, label, longest)
    if not text:
        raise _Bad(f"请填写{label}。")
    return text


def _whole(cell, label: str) -> str:
    """A number where words belong, such as a number of an event."""
    if isinstance(cell, datetime.date):
        return f"{cell:%Y-%m-%d}"
    if isinstance(cell, (int, float)) and abs(cell) >= 10**15:
        raise _Bad(f"{label}按数字存放，末尾几位已经丢失，请把这一列设为文本格式后重新填写。")
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    return str(cell)


def _id_number(cell: Cell) -> IdNumber:
    try:
        # Most are of one kind, which their shape tells at once.
        if isinstance(cell, str) and _RESIDENT.fullmatch(cell):
            return IdNumber.parse(cell)
        plain = _plain(cell)
        if not isinstance(plain, str) or _SCIENTIFIC.fullmatch(plain):
            raise _Bad("证件号码按数字存放，末尾几位会丢失，请把这一列设为文本格式后重新填写。")
        return IdNumber.read(plain)
    except InvalidIdNumber as error:
        raise _Bad(error.sentence) from None


_RESIDENT = re.compile(r"[1-6][0-9]{16}[0-9X]")


def _event_id(cell: Cell) -> str:
    if cell is None:
        return ""
    text = _whole(_plain(cell), "事件编号")
    if text and not _EVENT_ID.fullmatch(text):
        raise _Bad("事件编号最多 64 个字符，只能用文字、数字和 . _ : -。")
    return text


_EVENT_ID = re.compile(r"[\w.:-]{1,64}")


_YEAR = re.compile(r"([0-9]{4})\s*(年|年度)?")


@lru_cache(maxsize=1024)
def _year(plain) -> int | None:
    text = str(int(plain)) if isinstance(plain, float) and plain.is_integer() else str(plain)
    found = _YEAR.fullmatch(text)
    return int(found[1]) if found else None


def _hours(cell: Cell) -> Decimal:
    """With one decimal; nothing at all only in a correction."""
    hours = _decimal(cell if type(cell) is int or type(cell) is float else _plain(cell))
    if hours is None:
        raise _Bad("学时请填数字，例如 12 或 7.5。")
    written = hours.quantize(_TENTH)
    if hours != written:
        raise _Bad("学时最多一位小数，请核对。")
    if not 0 <= hours <= MOST_HOURS:
        raise _Bad(f"一条记录的学时在 0.1 到 {MOST_HOURS} 之间，请核对。")
    return written


_TENTH = Decimal("0.1")


@lru_cache(maxsize=1024)
def _decimal(plain) -> Decimal | None:
    # A spreadsheet keeps 7.1 as the nearest binary number; nine digits bring back what was typed.
    text = f"{plain:.9g}" if isinstance(plain, float) else str(plain).removesuffix("学时").strip()
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() and abs(found) < 10**6 and found.as_tuple().exponent > -9 else None


def _day(cell: Cell, label: str, latest: datetime.date, needed: bool) -> datetime.date | None:
    if type(cell) is datetime.datetime:
        day = cell.date()
    elif type(cell) is datetime.date:
        day = cell
    else:
        plain = _plain(cell)
        if plain == "":
            if needed:
                raise _Bad(f"请填写{label}。")
            return None
        day = _written_day(plain)
    if day is None:
        raise _Bad(f"{label}请写成 2026-11-08 的样子，并确认有这一天。")
    if day > latest:
        raise _Bad(f"{label}晚于今天，请核对。")
    if day.year < OLDEST_YEAR:
        raise _Bad(f"{label}早于 {OLDEST_YEAR} 年，请核对。")
    return day


_DAY = re.compile(
    r"([0-9]{4})(?:[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?|([0-9]{2})([0-9]{2}))"
    r"(?:[ T][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?"
)


@lru_cache(maxsize=4096)
def _written_day(plain) -> datetime.date | None:
    text = str(int(plain)) if isinstance(plain, float) and plain.is_integer() else str(plain)
    found = _DAY.fullmatch(text.replace("—", "-").replace("–", "-"))
    if found is None:
        return None
    year, month, day = (int(part) for part in found.groups() if part)
    try:
        return datetime.date(year, month, day)
    except ValueError:
        return None
