"""No ID number and no mobile number in a log (trust.md §3.14)."""

import logging
import re

# 17 digits and a check character, or a mobile number (also as it is stored, with +86), standing alone.
_PERSONAL = re.compile(r"(?<![0-9A-Za-z])(\d{17}[\dXx]|(?:\+?86|0086)?1[3-9]\d{9})(?![0-9A-Za-z])")


def without_numbers(text: str) -> str:
    """The text with every number that could be an ID or mobile number replaced."""
    return _PERSONAL.sub("[已隐去]", text)


class NoIdNumbers(logging.Filter):
    """Rewrites the finished message, so that arguments and tracebacks are covered too."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = without_numbers(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = without_numbers(record.exc_text)
        return True
