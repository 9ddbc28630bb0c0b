"""No ID number and no mobile number in a log (trust.md §3.14).

Whoever logs need not think of it: the filter stands on every handler (config/logs.py). Numbers are found however they
were typed: full-width digits, a small x, blanks or hyphens in between. Imports nothing of Django, because gunicorn's
own process uses it before there are settings.
"""

import logging
import re
import unicodedata

HIDDEN = "[已隐去]"

# 17 digits and a check character, or a mobile number (also as it is stored, with +86), standing alone.
_PERSONAL = re.compile(r"(?<![0-9A-Za-z])(\d{17}[\dXx]|(?:\+?86|0086)?1[3-9]\d{9})(?![0-9A-Za-z])")
# The same as people type them, or with a letter beside them (\n370902…). What is found in an ID's shape counts only
# with the right date and check character; both may begin inside what another candidate covers.
_BETWEEN = r"[\s\-\u2010-\u2015\uff0d\u200b-\u200f\u2060\ufeff]{0,2}"
_ID = re.compile(rf"(?<!\d)(?=((?:\d{_BETWEEN}){{17}}[\dXxＸｘ])(?!\d))")
_ONE, _THREE_TO_NINE = "[1１]", "[3-9３-９]"
_MOBILE = re.compile(
    rf"(?<!\d)((?:(?:\+|00)?86{_BETWEEN})?{_ONE}{_THREE_TO_NINE}\d{_BETWEEN}\d{{4}}{_BETWEEN}\d{{4}})(?!\d)"
)
# A digest has eleven digits in a row now and then; it is nobody's number.
_DIGEST = re.compile(r"(?<![0-9A-Za-z])(?=[0-9]*[a-f])[0-9a-f]{32,}(?![0-9A-Za-z])")
_QUERY = re.compile(r"(/[^\s?'\"]*)\?[^\s'\"]+")  # of an address
_RESET = re.compile(r"(/reset/)[^/\s'\"]+")  # who has the address may set the password
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "request_id"}


def without_numbers(text: str) -> str:
    """The text with every number that could be an ID or mobile number replaced."""
    text = _PERSONAL.sub(HIDDEN, text)
    digests = [match.span() for match in _DIGEST.finditer(text)]
    spans = [match.span(1) for match in _ID.finditer(text) if _is_id_number(match[1])]
    spans += [match.span(1) for match in _MOBILE.finditer(text)]
    kept, end = [], 0
    for first, last in sorted(spans):
        if any(start <= first and last <= stop for start, stop in digests):
            continue
        if first >= end:
            kept += [text[end:first], HIDDEN]
        end = max(end, last)
    return "".join(kept) + text[end:]


def _is_id_number(written: str) -> bool:
    """Whether 17 digits and a check character fit (ISO 7064 MOD 11-2) and name a possible day of birth."""
    values = [10 if one in "XxＸｘ" else unicodedata.digit(one, None) for one in written]
    values = [one for one in values if one is not None]
    year, month, day = (int("".join(map(str, values[a:b]))) for a, b in ((6, 10), (10, 12), (12, 14)))
    if not (1800 <= year <= 2199 and 1 <= month <= 12 and 1 <= day <= 31):
        return False
    return sum(value * pow(2, 17 - place, 11) for place, value in enumerate(values)) % 11 == 1


def without_numbers_inside(value: object) -> object:
    """The same for whatever stands beside a message: texts, numbers, and those in lists and mappings."""
    if isinstance(value, str):
        return without_numbers(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        written = str(value)
        return value if len(written) < 11 or without_numbers(written) == written else HIDDEN
    if isinstance(value, dict):
        return {without_numbers_inside(key): without_numbers_inside(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [without_numbers_inside(one) for one in value]
    return value


class NoIdNumbers(logging.Filter):
    """Rewrites the record: message with its arguments, traceback, stack, and whatever `extra` put beside them."""

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except Exception:  # arguments that do not fit: what was meant is still worth a line
            message = f"{record.msg} {record.args!r}"
        record.msg, record.args = _RESET.sub(r"\1…", without_numbers(message)), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = without_numbers(record.exc_text)
        if record.name.startswith("gunicorn"):  # its own sentences quote addresses as they came
            record.msg = _QUERY.sub(r"\1?…", record.msg)
            record.exc_text = record.exc_text and _QUERY.sub(r"\1?…", record.exc_text)
        if record.stack_info:
            record.stack_info = without_numbers(record.stack_info)
        for name in vars(record).keys() - _OWN:
            setattr(record, name, without_numbers_inside(getattr(record, name)))
        return True
