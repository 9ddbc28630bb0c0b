"""What the fuzz tests send: hostile values, and answers to any form as its page asks for them.

Nothing here knows a single form: what a form asks for is read from the page that shows it, so a new page is fuzzed
without a word said here. Chance is seeded by the name of the form (CPE_FUZZ_SEED for another run of the dice), and a
failure prints the request that made it.
"""

import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote_from_bytes

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile

from credits.years import current_year
from tests.registering import a_certificate, a_code, an_id_number
from tests.town import PASSWORD

SEED = os.environ.get("CPE_FUZZ_SEED", "1")


def chance(*names: str) -> random.Random:
    return random.Random("|".join((SEED, *names)))


def names_in_the_code() -> list[str]:
    """What the views read by name, without a form."""
    read = re.compile(
        r"""(?:POST|GET|data|asked)(?:\.get|\.getlist)?[(\[]["'](\w+)["']|["'](\w+)["'] in request\.(?:POST|GET)"""
    )
    texts = [
        path.read_text("utf-8")
        for app in ("accounts", "orgs", "workflow", "registration", "transfers", "credits", "desk")
        for path in Path(settings.BASE_DIR, app).rglob("*.py")
    ]
    return sorted({one or other for text in texts for one, other in read.findall(text)})


NAMES = names_in_the_code()


# --- values ------------------------------------------------------------------------------------------

TEXTS = [
    "", " ", "\u3000", "\t\n\r", "\x00", "甲\x00乙", "a" * 300, "好" * 5_000, "\u202e证书\u202c", "\u200b\u200d\ufeff",
    "𠮷𝟙😀👩‍👩‍👧‍👦", "\U0010ffff", "\ufffe\uffff", "e\u0301" * 200, "ﷺ" * 60, "İıſK", "\x1b[31m\x07\x08\x7f\x85\u2028\u2029",
    "<script>alert(1)</script>", "{{ 7*7 }}{% load x %}", "' OR 1=1 --", "%s%n%(x)s{0}", "=cmd|' /C calc'!A0",
    "../../etc/passwd", "\\\\host\\share", "http://evil.example/", "//evil.example", "javascript:alert(1)", "data:,x",
    "null", "None", "undefined", "true", "[]", "{}", "[object Object]", "~", "a~b", "1~2", ",,,", "1,2,,x", ";|&`$(id)",
]  # fmt: skip
NUMBERS = [
    "0", "-0", "-1", "+5", "00012", "1_000", " 5 ", "0x10", "1e5", "1e9999", "-1e9999", "1e-9999", "NaN", "sNaN", "Infinity",
    "-inf", "0.05", "0.1000000000000000055", "1,5", "１２", "１２．５", "٣", "²", "Ⅷ", "一二", "五", "2147483647", "2147483648",
    "-2147483649", "9223372036854775807", "9223372036854775808", "99999999999999999999", "9" * 400, "9" * 5_000, "1" + "0" * 60,
    "0." + "0" * 400 + "1", "32767", "32768", "99999999",
]  # fmt: skip
DATES = [
    "0000-01-01", "0001-01-01", "9999-12-31", "10000-01-01", "2026-02-30", "2026-13-01", "1900-02-29", "-001-01-01",
    "２０２６年１月８日", "2026年1月8日", "20260108", "2026/1/8", "2026-01-08T25:00:00", "2026-01-08 00:00:00+99:99", "0001-01-01T00:00",
    "9999-12-31T23:59:59.999999", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "1970-01-01", "24:00", "٢٠٢٦-٠١-٠٨",
    "2026-01-08 00:00", "1988-07-01 00:30", "2026-W01-1", "20260108T000000Z",
]  # fmt: skip
PEOPLE = [
    "37092119011111003ｘ", "３７０９２１１９０１１１１１００３Ｘ", "37092119011111003 x", "370921190111110030", "370902990101001", "81000019900101123X",
    "USA/123456789", "H12345678", "138００００0000", "+8613800000000", "0538-8000000", "1237090049500001X2", "１２３７０９００４９５００００１Ｘ２",
    "LS370902000000001A", "a@b", "a@" + "b" * 250 + ".cn", '"x\r\nBcc: y"@a.cn', "用户@例子.中国", "a" * 65 + "@a.cn", "370902000000000000",
]  # fmt: skip
# What no text can hold: invalid UTF-8, halves of surrogate pairs, an overlong slash.
BYTES = [
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xed\xb0\x80\xed\xa0\xbd",
    b"\xc0\xaf",
    b"\xf4\x90\x80\x80",
    b"\xe5\xa5",
    b"\x80" * 50,
]
BIG = "大" * 340_000  # 1 MB
VALUES = [one.encode() for one in (*TEXTS, *NUMBERS, *DATES, *PEOPLE)] + BYTES


def hostile(dice: random.Random, ids: list[int]) -> bytes:
    """One value that nobody should send; among them the keys of rows that exist, for whoever may not name them."""
    roll = dice.random()
    if roll < 0.003:
        return BIG.encode()
    if roll < 0.12:
        return str(dice.choice(ids)).encode()
    if roll < 0.2:  # any characters of any plane
        return "".join(chr(dice.randrange(0x110000)) for _ in range(dice.randrange(1, 12))).encode(
            "utf-8", "surrogatepass"
        )
    if roll < 0.26:
        return dice.choice(VALUES) + dice.choice(VALUES)
    return dice.choice(VALUES)


# --- what a page asks for ------------------------------------------------------------------------------


@dataclass
class Asked:
    """A form of a page: where it goes and by which method, and for each field its kind and the values it offers."""

    action: str
    method: str
    fields: dict[str, tuple[str, list[str]]] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self, html: str):
        super().__init__()
        self.forms: list[Asked] = []
        self.links: list[str] = []
        self._form = self._select = self._area = None
        self.feed(html)

    def _offer(self, name: str, kind: str, value: str | None) -> None:
        values = self._form.fields.setdefault(name, (kind, []))[1]
        if value is not None and value not in values:
            values.append(value)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        name = attrs.get("name")
        if tag == "a":
            self.links.append(attrs.get("href") or "")
        elif tag == "form":
            self._form = Asked(attrs.get("action") or "", (attrs.get("method") or "get").lower())
            self.forms.append(self._form)
        elif self._form is None:
            return
        elif tag in ("input", "button", "textarea") and name:
            kind = tag if tag != "input" else attrs.get("type") or "text"
            self._area = name if tag == "textarea" else None
            self._offer(name, kind, attrs.get("value"))
            if tag == "button" and attrs.get("formaction"):
                self.forms.append(Asked(attrs["formaction"], self._form.method, self._form.fields))
        elif tag == "select" and name:
            self._select = name
            self._offer(name, "select", None)
        elif tag == "option" and self._select:
            self._offer(self._select, "select", attrs.get("value", ""))

    def handle_data(self, data):
        if self._area:
            self._offer(self._area, "textarea", data.strip())

    def handle_endtag(self, tag):
        if tag == "form":
            self._form = None
        elif tag == "textarea":
            self._area = None
        elif tag == "select":
            self._select = None


def forms_of(html: str) -> list[Asked]:
    return _Reader(html).forms


def links_of(html: str) -> list[str]:
    return _Reader(html).links


# --- answers -------------------------------------------------------------------------------------------

# Beginnings and parts of names, first match: what a person of good will writes there.
_GOOD = [
    ("current_password", lambda dice: PASSWORD),
    ("old_password", lambda dice: PASSWORD),
    ("new_password", lambda dice: "Wheat-field-27"),
    ("password", lambda dice: PASSWORD),
    ("id_number", lambda dice: an_id_number()),
    ("number", lambda dice: an_id_number()),
    ("uscc", lambda dice: a_code()),
    ("new_code", lambda dice: a_code()),
    ("mobile", lambda dice: "13800000000"),
    ("phone", lambda dice: "0538-8000000"),
    ("email", lambda dice: "somebody@example.org"),
    ("year", lambda dice: str(current_year())),
    ("opens_at", lambda dice: f"{current_year()}-03-01 08:00"),
    ("closes_at", lambda dice: f"{current_year()}-12-01 08:00"),
    ("ended_on", lambda dice: f"{current_year()}-01-09"),
    ("_on", lambda dice: f"{current_year()}-01-08"),
    ("day", lambda dice: f"{current_year()}-01-08"),
    ("hours", lambda dice: "6"),
    ("minimum", lambda dice: "30"),
    ("quantity", lambda dice: "2"),
    ("people", lambda dice: "3"),
    ("rank", lambda dice: "1"),
    ("share", lambda dice: "10"),
]


def good(name: str, kind: str, offered: list[str], dice: random.Random):
    """A right answer, or what comes nearest to one."""
    if kind == "file":
        return a_certificate()
    real = [one for one in offered if one]
    if kind in ("select", "radio", "checkbox") and real:
        return dice.choice(real)
    if kind == "hidden" and not real:
        return ""
    if (kind in ("hidden", "button") and real) or (kind in ("text", "textarea", "number") and len(real) == 1):
        return real[0]
    for part, value in _GOOD:
        if part in name:
            return value(dice)
    return real[0] if real else "测试"


def answers(asked: Asked, dice: random.Random) -> dict[str, list]:
    """The form filled in with good will."""
    filled = {}
    for name, (kind, offered) in asked.fields.items():
        if kind in ("button", "checkbox") and dice.random() < 0.5:
            continue
        filled[name] = [good(name, kind, offered, dice)]
    filled.pop("csrfmiddlewaretoken", None)
    return filled


def improved(filled: dict[str, list], asked: Asked, complaints: dict, dice: random.Random) -> dict[str, list]:
    """Other answers where the page complained: what a person would try next."""
    better = dict(filled)
    for name in complaints if any(name in asked.fields for name in complaints) else asked.fields:
        offered = asked.fields.get(name, ("", []))[1]
        better[name] = [
            dice.choice([*offered, "", "10", "0.5", f"{current_year()}-01-08", str(current_year())])
        ]
    return better


def spoilt(
    filled: dict[str, list], dice: random.Random, ids: list[int], others: list[str]
) -> dict[str, list]:
    """The same answers with one to three things wrong; one time in six all of them."""
    spoilt = {name: list(values) for name, values in filled.items()}
    names = list(spoilt)
    if names and dice.random() < 1 / 6:
        return {name: [hostile(dice, ids)] for name in names}
    for _ in range(dice.randrange(1, 4)):
        name = dice.choice(names) if names and dice.random() < 0.9 else dice.choice(others)
        roll = dice.random()
        if roll < 0.6:
            spoilt[name] = [hostile(dice, ids)]
        elif roll < 0.7:
            spoilt.pop(name, None)
        elif roll < 0.8:  # one value was expected
            spoilt[name] = [*spoilt.get(name, []), hostile(dice, ids)]
        elif roll < 0.85:
            spoilt[name] = [hostile(dice, ids), *spoilt.get(name, [])]
        elif roll < 0.9:
            spoilt[f"{name}[]"] = spoilt.pop(name, [b"1"])
        elif roll < 0.95:  # a file where a word belongs, or a word where a file belongs
            spoilt[name] = [SimpleUploadedFile("a.pdf", dice.choice(VALUES) or b"x")]
        else:
            spoilt[name] = [str(one).encode() for one in dice.choices(ids, k=dice.choice([2, 40]))]
    return spoilt


def encoded(filled: dict[str, list], dice: random.Random) -> tuple[bytes, str]:
    """The body and its content type: as multipart where a file is in it or by chance, else urlencoded."""
    pairs = [
        (name.encode("utf-8", "surrogatepass"), value) for name, values in filled.items() for value in values
    ]
    if any(hasattr(value, "read") for _, value in pairs) or dice.random() < 0.15:
        return _multipart(pairs), "multipart/form-data; boundary=XXfuzzXX"
    body = "&".join(f"{quote_from_bytes(name)}={quote_from_bytes(_bytes(value))}" for name, value in pairs)
    return body.encode(), "application/x-www-form-urlencoded"


def _bytes(value) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


def _multipart(pairs: list) -> bytes:
    parts = []
    for name, value in pairs:
        file = f'; filename="{value.name}"'.encode() if hasattr(value, "read") else b""
        content = value.read() if file else _bytes(value)
        parts.append(
            b'--XXfuzzXX\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (name, file, content)
        )
    return b"".join(parts) + b"--XXfuzzXX--\r\n"


def shown(filled: dict[str, list]) -> Iterator[str]:
    """A request in words that fit into a failure's message."""
    for name, values in filled.items():
        for value in values:
            text = f"<file {value.name}>" if hasattr(value, "read") else repr(value)
            yield f"{name}={text if len(text) < 120 else text[:100] + f'… ({len(text)})'}"
