"""The ID number: how it is read, checked, masked, stored and found again.

Nothing else in the project stores it, prints it or puts it in an address. Everything here works on `IdNumber`;
the digits come out only through `IdNumber.reveal()`.

Rules: GB 11643-1999 (resident), the residence permits of 2018 (81/82/83), GA 2102-2023 (foreign permanent
resident). Only length, date, province and check character count: the county is information, because real people
carry codes that did not exist in their birth year.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import date
from operator import mul

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from accounts import crypto

PURPOSE = "id-number"
PROVINCES = re.compile("1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|81|82")  # GB/T 2260
PERMIT_ADDRESSES = ("810000", "820000", "830000")  # Hong Kong, Macau, Taiwan (not 71)
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
OLDEST_YEAR = 1900
_THIS_YEAR = date.today().year  # noqa: DTZ011 (when the process began: only of later years the day must be asked)


class IdKind(models.TextChoices):
    """证件类型. The person states it (or the shape leaves one choice); a checksum never decides it."""

    RESIDENT = "resident", "居民身份证"
    PERMIT = "hmt-residence", "港澳台居民居住证"
    FOREIGN = "foreign-2023", "外国人永久居留身份证（2023 版）"
    FOREIGN_OLD = "foreign-old", "外国人永久居留身份证（旧版）"
    HK_MACAU = "hk-macau-travel", "港澳居民来往内地通行证"
    TAIWAN = "taiwan-travel", "台湾居民来往大陆通行证"
    PASSPORT = "passport", "护照"


class InvalidIdNumber(ValueError):
    """A text is no ID number. The message is one Chinese sentence without any digit of the number; `code` names it."""

    def __init__(self, code: str, sentence: str):
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True, repr=False)
class IdNumber:
    """One person's document number with its kind. Printing it shows the mask."""

    kind: str
    _text: str = field(repr=False)

    @classmethod
    def parse(cls, text: str, kind: str = IdKind.RESIDENT) -> "IdNumber":
        """Return the number that `text` writes, for a document of `kind`. Raise InvalidIdNumber.

        A passport is written with its country: `USA/123456789` (identifiers of two countries may be equal).
        """
        kind = IdKind(kind)
        text = normalise(text)
        if not text:
            raise InvalidIdNumber(
                "empty", "请填写身份证号。" if kind == IdKind.RESIDENT else "请填写证件号码。"
            )
        _CHECKS[kind](text)
        return cls(kind, text)

    @classmethod
    def read(cls, text: str) -> "IdNumber":
        """Return the number under the one kind whose shape it has, for pages that ask for no kind (login).

        The shapes exclude each other, so this chooses by form alone. A text of no shape is judged as a resident's.
        """
        normal = normalise(text)
        kind = next((kind for kind, shape in _SHAPES.items() if re.fullmatch(shape, normal)), IdKind.RESIDENT)
        return cls.parse(normal, kind)

    def reveal(self) -> str:
        """Return the full number. Call it only to show it to its owner or after a logged decision to do so."""
        return self._text

    @property
    def masked(self) -> str:
        """First four and last four characters; of short numbers (travel documents) the first and the last two."""
        ends = (4, 4) if len(self._text) >= 15 else (1, 2)
        return self._text[: ends[0]] + "*" * (len(self._text) - sum(ends)) + self._text[-ends[1] :]

    @property
    def last_four(self) -> str:
        return self._text[-4:]

    @property
    def last_six(self) -> str:
        """The FAQ's first password after a reset (F-43)."""
        return self._text[-6:]

    @property
    def birth_date(self) -> date | None:
        """The date of birth that the number states, None where its kind states none."""
        return (
            _date(self._text[6:14]) if self.kind in (IdKind.RESIDENT, IdKind.PERMIT, IdKind.FOREIGN) else None
        )

    @property
    def index(self) -> str:
        """The blind index to write: equal for equal kind and number, 64 characters."""
        return crypto.blind_index(f"{self.kind}:{self._text}", PURPOSE)

    @property
    def indexes(self) -> list[str]:
        """The blind indexes to look for: more than one while the index key is rotated."""
        return crypto.blind_indexes(f"{self.kind}:{self._text}", PURPOSE)

    @property
    def lasting_index(self) -> str:
        """The blind index that no rotation changes, for digests that must come out the same for ever."""
        return crypto.base_index(f"{self.kind}:{self._text}", PURPOSE)

    @property
    def lasting_and_index(self) -> tuple[str, str]:
        """Both, for who needs them of a hundred thousand numbers."""
        lasting = self.lasting_index
        return lasting, crypto.current_index(lasting, PURPOSE)

    @property
    def sealed(self) -> bytes:
        """The number as ciphertext, different each time."""
        return crypto.seal(self._text, PURPOSE)

    def __str__(self) -> str:
        return self.masked

    def __repr__(self) -> str:
        return f"<IdNumber {self.kind} {self.masked}>"


def normalise(text: str) -> str:
    """Return `text` half-width and upper-case, without spaces, hyphens and invisible characters."""
    text = str(text)
    if (
        text.isascii() and text.isalnum()
    ):  # as nearly everybody writes it; a spreadsheet has a hundred thousand
        return text.upper()
    text = unicodedata.normalize("NFKC", text).upper()
    # Cf: zero-width characters and text direction marks, Pd: every kind of dash, Cc: tabs and line ends
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c) not in ("Cf", "Pd", "Cc"))


def check_character(first17: str) -> str:
    """Return the 18th character for 17 digits (ISO 7064 MOD 11-2)."""
    if len(first17) != len(WEIGHTS):
        raise ValueError("seventeen digits")
    return "10X98765432"[sum(map(mul, map(int, first17), WEIGHTS)) % 11]


def _date(digits: str) -> date | None:
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def _check_eighteen(text: str, name: str) -> None:
    """Length and characters of an 18-character number."""
    if len(text) != 18:
        raise InvalidIdNumber("length", f"{name}应为 18 位，您填写了 {len(text)} 位。")
    if not re.fullmatch(r"[0-9]{17}[0-9X]", text):
        raise InvalidIdNumber("characters", f"{name}的前 17 位只能是数字，最后一位是数字或字母 X。")


def _check_birth(text: str, name: str) -> None:
    born = _date(text[6:14])
    if born is None or born.year < OLDEST_YEAR:
        raise InvalidIdNumber("date", f"{name}第 7 至 14 位不是真实的出生日期，请核对。")
    if born.year >= _THIS_YEAR and born > timezone.localdate():
        raise InvalidIdNumber("future", f"{name}中的出生日期晚于今天，请核对。")


def _check_last(text: str, name: str) -> None:
    if check_character(text[:17]) != text[17]:
        raise InvalidIdNumber("check", f"{name}与最后一位校验码不符，请逐位核对是否有写错或写反的数字。")


def _resident(text: str) -> None:
    name = "身份证号"
    if re.fullmatch(r"[0-9]{15}", text):
        raise InvalidIdNumber("old", "这是 15 位的旧身份证号，请填写现在身份证上的 18 位号码。")
    _check_eighteen(text, name)
    _check_birth(text, name)
    if text.startswith(PERMIT_ADDRESSES):
        raise InvalidIdNumber("kind", "这是港澳台居民居住证的号码，请把证件类型改为“港澳台居民居住证”。")
    if text.startswith("9"):
        raise InvalidIdNumber("kind", "以 9 开头的是外国人永久居留身份证号码，请改选相应的证件类型。")
    if not PROVINCES.fullmatch(text[:2]):
        raise InvalidIdNumber("province", "身份证号前两位不是任何省份的代码，请核对。")
    _check_last(text, name)


def _permit(text: str) -> None:
    name = "港澳台居民居住证号码"
    _check_eighteen(text, name)
    if not text.startswith(PERMIT_ADDRESSES):
        raise InvalidIdNumber("province", "港澳台居民居住证号码应以 810000、820000 或 830000 开头，请核对。")
    _check_birth(text, name)
    _check_last(text, name)


def _foreign(text: str) -> None:
    name = "外国人永久居留身份证号码"
    _check_eighteen(text, name)
    if not text.startswith("9"):
        raise InvalidIdNumber("province", "新版外国人永久居留身份证号码应以 9 开头，请核对。")
    if not PROVINCES.fullmatch(text[1:3]):
        raise InvalidIdNumber("province", "外国人永久居留身份证号码第 2、3 位不是任何省份的代码，请核对。")
    _check_birth(text, name)
    _check_last(text, name)


def _shaped(kind: IdKind, sentence: str):
    def check(text: str) -> None:
        if not re.fullmatch(_SHAPES[kind], text):
            raise InvalidIdNumber("characters", sentence)

    return check


_SHAPES = {  # each excludes the others: see IdNumber.read
    IdKind.PERMIT: r"8[123]0000[0-9]{11}[0-9X]",
    IdKind.FOREIGN: r"9[0-9]{16}[0-9X]",
    IdKind.FOREIGN_OLD: r"[A-Z]{3}[0-9]{12}",
    IdKind.HK_MACAU: r"[HM]([0-9]{8}|[0-9]{10})",
    IdKind.TAIWAN: r"[0-9]{8}|[0-9]{10}[A-Z]",
    IdKind.PASSPORT: r"[A-Z]{3}/[A-Z0-9]{5,20}",
}
_CHECKS = {
    IdKind.RESIDENT: _resident,
    IdKind.PERMIT: _permit,
    IdKind.FOREIGN: _foreign,
    IdKind.FOREIGN_OLD: _shaped(
        IdKind.FOREIGN_OLD, "旧版外国人永久居留身份证号码应为 3 个字母加 12 位数字，请核对。"
    ),
    IdKind.HK_MACAU: _shaped(
        IdKind.HK_MACAU, "港澳居民来往内地通行证号码应为字母 H 或 M 加 8 位或 10 位数字，请核对。"
    ),
    IdKind.TAIWAN: _shaped(
        IdKind.TAIWAN, "台湾居民来往大陆通行证号码应为 8 位数字（旧证为 10 位数字加 1 个字母），请核对。"
    ),
    IdKind.PASSPORT: _shaped(
        IdKind.PASSPORT, "护照号码请写成“签发国三位字母代码/护照号码”，例如 USA/123456789。"
    ),
}


class HoldsIdNumber(models.Model):
    """Columns of a model whose rows carry one ID number. Lists read `id_masked` and never open a seal.

    The subclass declares on `id_index` whatever uniqueness it needs. The full number is in `id_sealed` alone, so
    that no constraint message, query log or dump of another column can print it.
    """

    id_kind = models.CharField("证件类型", max_length=20, choices=IdKind, default=IdKind.RESIDENT)
    id_index = models.CharField(max_length=64, editable=False)
    id_sealed = models.BinaryField(editable=False)
    id_last4 = models.CharField("证件号码后四位", max_length=4, db_index=True, editable=False)
    id_masked = models.CharField("证件号码", max_length=32, editable=False)

    class Meta:
        abstract = True

    def set_id_number(self, number: IdNumber) -> None:
        """Put `number` into the five columns; the caller saves."""
        self.id_kind = number.kind
        self.id_index = number.index
        self.id_sealed = number.sealed
        self.id_last4 = number.last_four
        self.id_masked = number.masked

    @property
    def id_number(self) -> IdNumber:
        """Open the seal. Raise SealBroken when it does not open or was moved here from another row."""
        # Not parsed again: a number that was accepted once stays readable when the rules change.
        number = IdNumber(IdKind(self.id_kind), crypto.open_sealed(self.id_sealed, PURPOSE))
        if self.id_index not in number.indexes:
            raise crypto.SealBroken("the sealed number is not the one that this row is found by")
        return number


class IdNumberField(forms.CharField):
    """A text box that cleans to an IdNumber; what is wrong with the number stands beside it as one sentence.

    `kind` is the kind of document that is asked for; None takes every kind, read by its shape. The login page
    gives its widget autocomplete="username" for password managers; everywhere else a shared computer must not
    offer other people's numbers.
    """

    def __init__(self, *, kind: str | None = IdKind.RESIDENT, **kwargs):
        kwargs.setdefault("label", "身份证号")
        kwargs.setdefault("help_text", "18 位，最后一位是字母 X 的大小写均可")
        super().__init__(**kwargs)
        self.kind = kind
        self.error_messages["required"] = "请填写身份证号。"

    def widget_attrs(self, widget):
        return super().widget_attrs(widget) | {
            "inputmode": "text",  # a number pad has no X
            "autocomplete": "off",
            "autocapitalize": "characters",
            "spellcheck": "false",
            "maxlength": "64",
        }

    def to_python(self, value):
        value = super().to_python(value)
        if value in self.empty_values:
            return None
        try:
            return IdNumber.read(value) if self.kind is None else IdNumber.parse(value, self.kind)
        except InvalidIdNumber as error:
            raise ValidationError(error.sentence, code=error.code) from None

    def run_validators(self, value):
        """Nothing left to check: CharField's validators expect a str, and `to_python` was stricter."""
