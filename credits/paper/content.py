"""What a certificate says, and the one text that is signed; its number and its verification code (trust.md §3.11)."""

import re
import secrets
import unicodedata
from dataclasses import asdict, dataclass
from datetime import date
from urllib.parse import urlencode

VERSION = "CPE-CERTIFICATE 1"
# 32 characters without 0/O and 1/I: twelve of them are 60 random bits.
CODE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
CODE_LENGTH = 12
# Longer than the columns these come from; the page shrinks its type until the longest of each fits on one sheet.
LIMITS = {
    "number": 40,
    "name": 60,
    "id_number_masked": 40,
    "unit": 140,
    "relief": 160,
    "basis": 400,
    "issuer": 140,
}
MAX_LINES = 12
MAX_LABEL = 40
NEEDED = ("number", "name", "id_number_masked", "issuer")

_WHOLE_ID = re.compile(r"\d{15}|\d{17}[\dXx]")
_ESCAPED = re.compile(r"[\\\x00-\x1f\x7f-\x9f\u2028\u2029]")
_FULL_WIDTH = {0xFF01 + i: 0x21 + i for i in range(94)}
_SKIPPED = re.compile(r"[\s\u00ad\u200b-\u200f\u2060\ufeff\-‐‑‒–—―−－﹣]+")


class ContentRefused(ValueError):
    """This cannot be a certificate. The message names the field and never repeats what it held."""


@dataclass(frozen=True)
class Content:
    """What is printed and signed. Hours are texts as people read them ("62", "12.5").

    `lines` are (label, hours, required), by subject, the total last; `required` may be "". `relief` is "" or e.g.
    "产假，本年度要求减为 45 学时". Raises ContentRefused when a field is missing, too long, or holds a whole ID number.
    """

    number: str
    name: str
    id_number_masked: str
    unit: str
    year: int
    lines: tuple[tuple[str, str, str], ...]
    relief: str
    basis: str
    issued_on: date
    issuer: str

    def __post_init__(self):
        for field in NEEDED:
            if not getattr(self, field).strip():
                raise ContentRefused(f"{field} is empty")
        for field, limit in LIMITS.items():
            if len(getattr(self, field)) > limit:
                raise ContentRefused(f"{field} is longer than {limit} characters")
        if _WHOLE_ID.search(self.id_number_masked):
            raise ContentRefused("id_number_masked is not masked")
        if not 1 <= len(self.lines) <= MAX_LINES:
            raise ContentRefused(f"lines: between 1 and {MAX_LINES}")
        for label, *hours in self.lines:
            if len(hours) != 2 or len(label) > MAX_LABEL or max(map(len, hours)) > 12:
                raise ContentRefused("a line is (label, hours, required), each short")
        if not 1990 <= self.year <= 2999:
            raise ContentRefused("year is out of range")


def stored(content: Content) -> dict:
    """For a JSON column; `restored` is the way back."""
    return asdict(content) | {"issued_on": content.issued_on.isoformat()}


def restored(kept: dict) -> Content:
    """The Content that `stored` was given. Raise ContentRefused when the column holds something else."""
    try:
        return Content(
            **kept
            | {
                "lines": tuple(tuple(line) for line in kept["lines"]),
                "issued_on": date.fromisoformat(kept["issued_on"]),
            }
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ContentRefused("not the content of a certificate") from error


def canonical(content: Content) -> bytes:
    """The text that is signed: one line per field in a fixed order, UTF-8, NFC, ends with a line break.

    A backslash or control character within a field is written as \\uXXXX, so that no field can pretend to be two:
    two contents have the same text only if every field is the same after NFC.
    """
    rows = [
        ("number", content.number),
        ("name", content.name),
        ("id", content.id_number_masked),
        ("unit", content.unit),
        ("year", str(content.year)),
        ("lines", str(len(content.lines))),
    ]
    for position, (label, hours, required) in enumerate(content.lines, start=1):
        rows += [
            (f"line {position} label", label),
            (f"line {position} hours", hours),
            (f"line {position} required", required),
        ]
    rows += [
        ("relief", content.relief),
        ("basis", content.basis),
        ("issued", content.issued_on.isoformat()),
        ("issuer", content.issuer),
    ]
    return "".join(
        f"{line}\n" for line in [VERSION, *(f"{key}: {_one_line(value)}" for key, value in rows)]
    ).encode()


def numbered(year: int, division_code: str, serial: int, prefix: str = "SD") -> str:
    """The certificate's number, e.g. SD-2026-370900-0000123. `serial` counts from 1 within year and division."""
    if not re.fullmatch(r"[0-9A-Z]{2,12}", division_code) or not re.fullmatch(r"[A-Z]{1,6}", prefix):
        raise ValueError("prefix and division code are capitals and digits")
    if not 1 <= serial <= 9_999_999 or not 1990 <= year <= 2999:
        raise ValueError("year or serial is out of range")
    return f"{prefix}-{year}-{division_code}-{serial:07d}"


def read_number(text: str) -> str:
    """A number as people type it, in the form `numbered` writes, or "" when it is none.

    Full-width characters, lower case, blanks and every kind of dash are taken for what was meant.
    """
    text = re.sub(r"[\s\u00ad\u200b-\u200f\u2060\ufeff]+", "", text.translate(_FULL_WIDTH))
    text = re.sub(r"[‐‑‒–—―−﹣]", "-", text)
    text = text.upper() if text.isascii() else ""
    return text if re.fullmatch(r"[A-Z]{1,6}-\d{4}-[0-9A-Z]{2,12}-\d{7}", text, re.ASCII) else ""


def new_code() -> str:
    """Twelve random characters (60 bits) without look-alikes, kept ungrouped; `grouped` is how they are shown."""
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))


def read_code(text: str) -> str:
    """A code as people type it, in the form `new_code` returns, or "" when it is none.

    Blanks, dashes, lower case and full-width characters are taken for what was meant; no character stands for another.
    """
    text = _SKIPPED.sub("", text.translate(_FULL_WIDTH))
    text = text.upper() if text.isascii() else ""  # "ß".upper() is two characters
    return text if len(text) == CODE_LENGTH and set(text) <= set(CODE_ALPHABET) else ""


def grouped(code: str) -> str:
    """7K3M-Q9TD-4XWA."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def verification_address(page: str, number: str, code: str) -> str:
    """The page that verifies, with number and code filled in: what the QR code carries."""
    return f"{page}{'&' if '?' in page else '?'}{urlencode({'number': number, 'code': code})}"


def _one_line(value: str) -> str:
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", unicodedata.normalize("NFC", value))
