"""What holds for every pack and every answer; and no float anywhere in credits/rules."""

import ast
import datetime
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credits.rules.amounts import TENTH
from credits.rules.pack import Malformed, read
from credits.rules.reckon import Already, Facts, Item, reckon
from credits.rules.words import LEVELS, source_of
from tests.rules import EXAMPLES, PACKS, pack

PATHS = sorted([*PACKS.glob("*.toml"), *EXAMPLES.glob("*.toml")])
ALL = {path.stem: pack(path.stem) for path in PATHS}
CHOICES = [(name, kind) for name, rules in ALL.items() for kind in (*rules.activities, "", "unknown")]
LENGTHS = [Decimal(n) for n in (100, 1999, 2000, 2001, 5000, 120000)]
STRANGE = st.none() | st.decimals(allow_nan=True, allow_infinity=True) | st.decimals(-5, 300000, places=2)

hours = st.decimals(0, 70, places=1)


def mostly(usual, strange):
    """The strange answer one time in eight: most questions should get as far as the rules behind."""
    return st.sampled_from([usual] * 7 + [strange]).flatmap(lambda chosen: chosen)


@st.composite
def questions(draw):
    """Any shipped or example pack, and answers that are mostly possible."""
    name, kind = draw(st.sampled_from(CHOICES))
    rules, activity = ALL[name], ALL[name].activities.get(kind)
    first = draw(mostly(st.dates(datetime.date(2025, 6, 1), datetime.date(2026, 6, 30)), st.none()))
    length = draw(mostly(st.integers(0, 30), st.integers(31, 900)))
    year = first.year if first else 2026
    some_place = mostly(st.integers(1, 4), st.none() | st.integers(-2, 12))
    facts = Facts(
        kind=kind,
        year=draw(mostly(st.just(year), st.integers(2022, 2029))),
        subject=draw(st.sampled_from([*(activity or rules).subjects] * 4 + ["", "unknown"])),
        started_on=first,
        ended_on=first and first + datetime.timedelta(days=length),
        stated=draw(mostly(hours, STRANGE)),
        level=draw(st.sampled_from([*(activity.levels if activity else ())] * 4 + ["", *LEVELS])),
        variant=draw(st.sampled_from([*(activity.variants if activity else ())] * 4 + ["", "unknown"])),
        rank=draw(some_place),
        people=draw(some_place),
        quantity=draw(mostly(st.integers(1, 12).map(Decimal) | st.sampled_from(LENGTHS), STRANGE)),
        surcharge_quantity=draw(mostly(st.sampled_from(LENGTHS), STRANGE)),
        graduated_on=draw(st.none() | st.dates(datetime.date(2021, 1, 1), datetime.date(2027, 1, 1))),
        spread_index=draw(st.none() | st.integers(-1, 4)),
        filed_in_advance=draw(mostly(st.just(True), st.sampled_from([None, False]))),
        in_plan=draw(mostly(st.just(True), st.sampled_from([None, False]))),
        provider=draw(st.sampled_from(["石大云培", "石大云培", "石大云培", "", "某公司"])),
        source=draw(st.sampled_from(["declaration", "import"])),
        title_level=draw(st.sampled_from(["", "senior", "clerk"])),
    )
    pots = st.fixed_dictionaries(
        {}, optional=dict.fromkeys([*rules.subjects, kind, "results", "declaration", "石大云培"], hours)
    )
    items = st.builds(
        Item, st.sampled_from(["evidence", "event", "exclusive"]), hours, st.integers(2022, 2028)
    )
    already = Already(*(draw(pots) for _ in range(5)), items=tuple(draw(st.lists(items, max_size=2))))
    return rules, facts, draw(st.sampled_from([Already(), replace(already, items=()), already]))


@settings(max_examples=500, deadline=None)
@given(questions())
def test_every_reckoning_is_sound(question):
    rules, facts, already = question
    found = reckon(rules, facts, already)
    assert found.hours >= 0
    assert found.hours == found.hours.quantize(TENTH)
    assert (found.hours > 0) == (not found.wants and not found.refusal)
    assert not (found.wants and found.refusal)
    assert all(sentence.endswith("。") for sentence in (*found.wants, found.refusal) if sentence)
    if found.raw is not None:
        assert found.hours <= found.raw
    if not found.hours:
        return
    assert found.steps[-1].hours == found.hours
    assert found.subject in rules.subjects
    activity = rules.activities.get(facts.kind)
    if activity:
        assert found.hours <= activity.max_hours
    counted = {
        "kind": (facts.kind, already.by_kind),
        "group": (activity.group if activity else "", already.by_group),
        "source": (source_of(facts.source), already.by_source),
        "subject": (found.subject, already.by_subject),
        "provider": (facts.provider, already.by_provider),
    }
    for cap in (*rules.caps, *(activity.caps if activity else ())):
        key, used = counted[cap.per]
        if key and cap.name in ("", key):
            assert used.get(key, 0) + found.hours <= cap.hours
            assert cap.hours > 0


@settings(max_examples=150, deadline=None)
@given(questions())
def test_reckoning_twice_gives_the_same(question):
    assert reckon(*question) == reckon(*question)


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_any_text_is_a_pack_or_malformed(written):
    with pytest.raises(Malformed):
        read(written)


VALUES = st.sampled_from(
    [
        "-1",
        "0",
        "1.25",
        "nan",
        "inf",
        "1e999",
        "true",
        '""',
        '"x"',
        "[]",
        "[[]]",
        "{}",
        "[1]",
        '["x"]',
        "2021-01-01",
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(PATHS), st.randoms(use_true_random=False), VALUES)
def test_a_spoilt_pack_is_a_pack_or_malformed(path, random, value):
    """Real packs with one value replaced, one line dropped, or one line doubled."""
    lines = path.read_text(encoding="utf-8").splitlines()
    at = random.randrange(len(lines))
    kind = random.choice(["value", "drop", "double", "cut"])
    if kind == "value" and "=" in lines[at]:
        lines[at] = f"{lines[at].split('=')[0]}= {value}"
    elif kind == "drop":
        del lines[at]
    elif kind == "double":
        lines.insert(at, lines[at])
    elif kind == "cut":
        lines[at] = lines[at][: random.randrange(len(lines[at]) + 1)]
    spoilt = "\n".join(lines)
    assert all(where and sentence.endswith("。") for where, sentence in mistakes(spoilt))


def mistakes(written: str) -> list[tuple[str, str]]:
    try:
        read(written)
    except Malformed as malformed:
        return malformed.errors
    return []


# No floats ----------------------------------------------------------------------------------------

RULES = Path(__file__).parents[1] / "credits" / "rules"
MODULES = sorted(RULES.glob("*.py"))
# Divisions, each read by hand: both sides are Decimals.
DIVISIONS = {
    "quantity / UNITS[per].size",
    "hours / Decimal(years)",
    "left * (MONTHS - min(max(months, ZERO), MONTHS)) / MONTHS",
}


def float_places(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        literal = isinstance(node, ast.Constant) and isinstance(node.value, float | complex)
        name = isinstance(node, ast.Name) and node.id in ("float", "complex")
        division = isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)
        power = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)
        if literal or name or power or (division and ast.unparse(node) not in DIVISIONS):
            found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_float_in_the_rules(path):
    assert float_places(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source", ["x = 0.5", "x = float(y)", "x = a / b", "x /= 2", "x = 2 ** -1", "map(float, y)"]
)
def test_a_float_would_be_seen(source):
    assert float_places(source)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_rules_know_no_framework(path):
    """Only the standard library and each other."""
    roots = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            roots |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots.add(node.module)
    allowed = {"ast", "collections.abc", "dataclasses", "datetime", "decimal", "re", "tomllib"}
    assert {root for root in roots if not root.startswith("credits.rules")} <= allowed


def test_packs_do_not_change():
    rules = ALL["shandong"]
    assert replace(rules) == rules
    with pytest.raises(AttributeError):
        rules.code = "other"
