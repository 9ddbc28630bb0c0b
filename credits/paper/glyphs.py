"""Which characters the certificate's font can draw: read from its own table (cmap, format 12), once."""

import re
import struct
import unicodedata
from functools import lru_cache
from pathlib import Path

FONTS = Path(__file__).resolve().parent / "fonts"
REGULAR = FONTS / "NotoSerifSC-Regular.ttf"

_SELECTORS = {*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}  # they only choose a form of the one before
# Letters and signs of scripts that break only at blanks, unlike Chinese.
_LETTER = r"[^\s\u200b\u2e80-\u303f\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
_BREAK = "\u200b"


def unprintable(text: str) -> str:
    """The characters of `text` that the font lacks, each once. A page can say so before a certificate is issued."""
    return "".join(dict.fromkeys(character for character in _plain(text) if not _drawn(character)))


def shown(text: str) -> str:
    """`text` as it is printed: NFC, on one line, without invisible characters that steer the direction of writing.

    A character that the font lacks is printed as its code point, 〔U+2A6D7〕, rather than as an empty box; where there
    are more than four, as 〓, the printers' mark for a missing type.
    """
    text = _plain(text)
    few = sum(not _drawn(character) for character in text) <= 4
    return "".join(
        character if _drawn(character) else f"〔U+{ord(character):04X}〕" if few else "〓"
        for character in text
    )


def breakable(text: str, longest: int = 16) -> str:
    """`shown`, with places to break in every run of more than `longest` letters, so that nothing leaves the frame.

    Who copies such a run from the PDF gets the invisible places too: so not in what fits anyway.
    """
    return re.sub(_LETTER + f"{{{longest + 1},}}", _broken, shown(text))


def _plain(text: str) -> str:
    text = "".join(
        " " if character.isspace() or unicodedata.category(character) == "Cc" else character
        for character in unicodedata.normalize("NFC", text)
        if unicodedata.category(character) not in ("Cf", "Cs")
    )
    return re.sub(" {2,}", " ", text).strip()


def _broken(run: re.Match) -> str:
    return _BREAK.join(run[0][start : start + 4] for start in range(0, len(run[0]), 4))


def _drawn(character: str) -> bool:
    code = ord(character)
    return code in _SELECTORS or code in _covered()


@lru_cache(maxsize=1)
def _covered() -> frozenset[int]:
    """Code points with a glyph. OpenType, "cmap": groups of (first, last, first glyph), big-endian."""
    data = REGULAR.read_bytes()
    (tables,) = struct.unpack_from(">H", data, 4)
    entries = (struct.unpack_from(">4sLLL", data, 12 + 16 * i) for i in range(tables))
    cmap = next(offset for tag, _, offset, _ in entries if tag == b"cmap")
    (subtables,) = struct.unpack_from(">H", data, cmap + 2)
    for i in range(subtables):
        (offset,) = struct.unpack_from(">L", data, cmap + 4 + 8 * i + 4)
        (form,) = struct.unpack_from(">H", data, cmap + offset)
        if form == 12:
            (groups,) = struct.unpack_from(">L", data, cmap + offset + 12)
            spans = (struct.unpack_from(">LLL", data, cmap + offset + 16 + 12 * i) for i in range(groups))
            return frozenset(code for first, last, _ in spans for code in range(first, last + 1))
    raise ValueError(f"{REGULAR.name} has no table of all characters")
