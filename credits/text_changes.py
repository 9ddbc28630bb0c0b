"""Two versions of a text line by line, for reading: what went, what came, and a few lines around it."""

import difflib
from typing import NamedTuple

AROUND = 2


class Line(NamedTuple):
    """`kind`: "same", "gone", "new", or "gap" where lines were left out."""

    kind: str
    text: str


def changed_lines(before: str, after: str) -> list[Line]:
    """[] when both are the same."""
    found = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=AROUND))[2:]
    kinds = {"+": "new", "-": "gone", " ": "same"}
    lines = [Line("gap", "") if one.startswith("@@") else Line(kinds[one[0]], one[1:]) for one in found]
    return lines[1:] if lines and lines[0].kind == "gap" else lines
