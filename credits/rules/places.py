"""On which line of a text a mistake stands: Malformed names the place by its keys, people look for a line."""

import re

_HEADER = re.compile(r"\s*(\[\[?)\s*([a-z0-9_.-]+)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"\s*\"?([A-Za-z0-9_-]+)\"?\s*=")
_PART = re.compile(r"([^.\[\]]+)(?:\[(\d+)\])?")


def line_of_place(text: str, where: str) -> int | None:
    """The line (from 1) of "activity.paper.rates[2].level"; the nearest one that can be told, None when none can."""
    written = re.match(r"第 (\d+) 行", where)
    if written:
        return int(written[1])
    parts = [(name, int(number or 0)) for name, number in _PART.findall(where)]
    lines = text.splitlines()
    found, rest = _header(lines, parts)
    start = 0 if found is None else found
    if not rest:
        return None if found is None else found + 1
    inside = _key(lines, start if found is None else start + 1, rest[0][0])
    if inside is None:
        return None if found is None else found + 1
    return _row(lines, inside, rest[0][1]) + 1


def _header(lines: list[str], parts: list[tuple[str, int]]) -> tuple[int | None, list[tuple[str, int]]]:
    """The header of the table that the place is in, as long a name as there is one, and what is left of the place."""
    headers: dict[tuple[str, int], int] = {}
    counts: dict[str, int] = {}
    for at, line in enumerate(lines):
        found = _HEADER.match(line)
        if found:
            listed = found[1] == "[["
            counts[found[2]] = counts.get(found[2], 0) + 1
            headers[found[2], counts[found[2]] if listed else 0] = at
    for length in range(len(parts), 0, -1):
        name, number = ".".join(name for name, _ in parts[:length]), parts[length - 1][1]
        at = headers.get((name, number), headers.get((name, number or 1)))
        if at is not None:
            return at, parts[length:]
    return None, parts


def _key(lines: list[str], start: int, name: str) -> int | None:
    for at in range(start, len(lines)):
        if _HEADER.match(lines[at]):
            return None
        found = _KEY.match(lines[at])
        if found and found[1] == name:
            return at
    return None


def _row(lines: list[str], at: int, number: int) -> int:
    """Of a list over several lines the one where its n-th { stands."""
    seen = 0
    for place in range(at, len(lines)):
        if place > at and (_HEADER.match(lines[place]) or _KEY.match(lines[place])):
            break
        seen += _opened(lines[place])
        if number and seen >= number:
            return place
    return at


def _opened(line: str) -> int:
    """How many inline tables begin on a line, not counting those within one ({ least = { … } }) nor in strings."""
    depth = found = 0
    for sign in re.sub(r'"(\\.|[^"\\])*"', "", line).split("#")[0]:
        if sign == "{":
            found += depth == 0
            depth += 1
        elif sign == "}":
            depth -= 1
    return found
