"""A pack as TOML text again: what pack.read gives, written so that reading it gives the same pack.

Always the same text for the same pack; what a default says already is left out. Comments are no part of a pack: of a
text that is rewritten only its head is kept (`head_of`).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal

from credits.rules.pack import MOST_STATED, Malformed, read
from credits.rules.rates import most_of
from credits.rules.shapes import Activity, Cap, Minimum, Pack, Rate, Relief, Surcharge
from credits.rules.words import shown

MEMBER = Activity.member  # what a pack that says nothing calls people
_SHORT_LINE = 100


def write(pack: Pack, head: str = "") -> str:
    """The text of a pack; `head` is comment lines to stand above it."""
    lines = [*head.splitlines(), *([""] if head else []), *_top(pack)]
    if pack.subjects:
        lines += ["", "[subjects]", *_labels(pack.subjects)]
    if pack.groups:
        lines += ["", "[groups]", *_labels(pack.groups)]
    for one in pack.minimums:
        lines += ["", "[[minimum]]", *_minimum(one, pack)]
    for one in pack.caps:
        lines += ["", "[[cap]]", *_cap(one)]
    for one in pack.activities.values():
        lines += ["", f"[activity.{one.code}]", *_activity(one, pack)]
    for one in pack.reliefs.values():
        lines += ["", f"[relief.{one.code}]", *_relief(one, pack)]
    if pack.transition:
        old = pack.transition
        lines += ["", "[transition]", f"newcomers_from = {old.newcomers_from}", f"until = {old.until}"]
        lines += [f"keeps = {quoted(old.keeps)}"]
    return "\n".join(lines) + "\n"


def head_of(text: str) -> str:
    """The comment lines that a text begins with, "" without any."""
    head = []
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            break
        head.append(line.rstrip())
    return "\n".join(head).strip("\n")


def with_top(text: str, **fields) -> str:
    """The text with other values at its top (code, name, year_from …; None drops one), its comments kept if it can be."""
    wanted = replace(read(text), **fields)
    lines = text.splitlines()
    end = next((at for at, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    for key, value in fields.items():
        places = [at for at in range(end) if re.match(rf"{key}\s*=", lines[at])]
        said = "" if value is None else f"{key} = {value if isinstance(value, int) else quoted(value)}"
        if places:
            lines[places[0]] = said
    kept = "\n".join(lines) + "\n"
    return kept if _says(kept, wanted) else write(wanted, head_of(text))


def _says(text: str, pack: Pack) -> bool:
    try:
        return read(text) == pack
    except Malformed:
        return False


def usual_most(rates: tuple[Rate, ...], surcharges: tuple[Surcharge, ...]) -> Decimal:
    """The most of one declaration, where the text does not say it."""
    return most_of(rates, surcharges) if rates else MOST_STATED


def quoted(text: str) -> str:
    """A TOML string on one line."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _top(pack: Pack) -> Iterator[str]:
    yield f"code = {quoted(pack.code)}"
    yield f"name = {quoted(pack.name)}"
    yield f"basis = {quoted(pack.basis)}"
    yield f"origin = {quoted(pack.origin)}"
    yield f"mark = {quoted(pack.mark)}"
    yield f"year_from = {pack.year_from}"
    if pack.year_to is not None:
        yield f"year_to = {pack.year_to}"
    yield from _text("note", pack.note)
    yield from _list("series", pack.series)
    if not pack.inherits:
        yield "inherits = false"
    yield from _list("remove", pack.remove)


def _minimum(one: Minimum, pack: Pack) -> Iterator[str]:
    yield from _list("subjects", one.subjects)
    yield f"hours = {shown(one.hours)}"
    yield from _text("source", one.source)
    yield from _list("levels", one.levels)
    yield from _text("basis", one.basis, default=pack.basis)


def _cap(one: Cap) -> Iterator[str]:
    yield f"per = {quoted(one.per)}"
    yield from _text("name", one.name)
    yield f"hours = {shown(one.hours)}"


def _activity(one: Activity, pack: Pack) -> Iterator[str]:
    yield f"name = {quoted(one.name)}"
    yield from _list("subjects", one.subjects)
    yield from _list("evidence", one.evidence)
    if one.variants:
        yield f"variants = {{ {', '.join(_labels(one.variants))} }}"
    yield from _text("member", one.member, default=MEMBER)
    yield from _text("leader", one.leader)
    yield from _text("counts", one.counts, default="during")
    if one.years is not None:
        yield f"years = {one.years}"
    yield from _rows("rates", map(_rate, one.rates))
    yield from _text("surcharge_name", one.surcharge_name)
    yield from _rows("surcharges", map(_surcharge, one.surcharges))
    for cap in one.caps:
        yield f"cap = {shown(cap.hours)}"
    if one.max_hours != usual_most(one.rates, one.surcharges):
        yield f"max_hours = {shown(one.max_hours)}"
    yield from _text("group", one.group)
    yield from _text("exclusive", one.exclusive)
    yield from _list("preconditions", one.preconditions)
    yield from _list("providers", one.providers)
    yield from _text("basis", one.basis, default=pack.basis)
    yield from _text("note", one.note)


def _rate(row: Rate) -> str:
    least = f"{{ {row.measure} = {shown(row.least)} }}" if row.least is not None else ""
    parts = [
        *_text("level", row.level),
        *_text("variant", row.variant),
        *_number("hours", row.hours),
        *([f"ranks = [{', '.join(map(shown, row.ranks))}]"] if row.ranks else []),
        *_number("alone", row.alone),
        *_number("first", row.first),
        *_number("others", row.others),
        *_number("less", row.less),
        *([f"last = {row.last}"] if row.last is not None else []),
        *(["fills = true"] if row.fills else []),
        *_text("per", row.per),
        *(["only_full = true"] if row.only_full else []),
        *([f"least = {least}"] if least else []),
    ]
    return f"{{ {', '.join(parts)} }}"


def _surcharge(row: Surcharge) -> str:
    parts = [*_text("level", row.level), *_number("above", row.above), *_number("up_to", row.up_to)]
    return f"{{ {', '.join([*parts, *_number('hours', row.hours)])} }}"


def _relief(one: Relief, pack: Pack) -> Iterator[str]:
    yield f"name = {quoted(one.name)}"
    yield f"effect = {quoted(one.effect)}"
    yield from _number("value", one.value)
    yield from _list("evidence", one.evidence)
    yield from _text("basis", one.basis, default=pack.basis)


def _labels(labels: dict[str, str]) -> list[str]:
    return [f"{code} = {quoted(label)}" for code, label in labels.items()]


def _text(key: str, value: str, default: str = "") -> list[str]:
    return [f"{key} = {quoted(value)}"] if value and value != default else []


def _number(key: str, value: Decimal | None) -> list[str]:
    return [] if value is None else [f"{key} = {shown(value)}"]


def _list(key: str, values: tuple[str, ...]) -> list[str]:
    return [f"{key} = [{', '.join(map(quoted, values))}]"] if values else []


def _rows(key: str, rows: Iterable[str]) -> list[str]:
    rows = list(rows)
    if not rows:
        return []
    if len(rows) == 1 and len(rows[0]) < _SHORT_LINE:
        return [f"{key} = [{rows[0]}]"]
    return [f"{key} = [", *(f"  {row}," for row in rows), "]"]
