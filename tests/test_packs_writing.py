"""A pack written as text and read again is the same pack: every shipped one, every example, and made-up ones."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credits.rules.asks import asks_of
from credits.rules.lines import line_of, relief_line
from credits.rules.pack import COUNTS, Cap, Minimum, Pack, Relief, Transition, read
from credits.rules.shapes import Activity, Rate, Surcharge
from credits.rules.words import LEVELS, MARKS, PRECONDITIONS, SOURCES, TITLE_LEVELS, UNITS
from credits.rules.writing import head_of, quoted, usual_most, with_top, write
from tests.rules import EXAMPLES, PACKS, text

PATHS = sorted([*PACKS.glob("*.toml"), *EXAMPLES.glob("*.toml")])


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_shipped_pack_comes_back(path):
    pack = read(path.read_text(encoding="utf-8"))
    written = write(pack)
    assert read(written) == pack
    assert write(read(written)) == written, "the same pack is always the same text"


def test_the_shipped_packs_show_every_shape():
    """What the test above would not see, if no pack used it."""
    packs = [read(path.read_text(encoding="utf-8")) for path in PATHS]
    rates = [row for one in packs for activity in one.activities.values() for row in activity.rates]
    for name in ("hours", "ranks", "alone", "first", "others", "less", "last", "fills", "per", "only_full"):
        assert any(getattr(row, name) for row in rates), name
    assert any(one.reliefs for one in packs)
    assert any(one.transition for one in packs)


# --- made-up packs ------------------------------------------------------------------------------------------

codes = st.from_regex(r"[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,3})?", fullmatch=True)
printable = st.characters(exclude_categories=("C", "Z"), include_characters="\"\\'#{}[]=")
words = st.text(printable, min_size=1, max_size=10)
hours = st.integers(1, 2000).map(lambda tenths: Decimal(tenths) / 10)
lengths = st.integers(1, 90_000).map(Decimal)


def some(values, **sizes):
    return st.lists(st.sampled_from(sorted(values)), unique=True, **sizes).map(tuple)


def maybe(values, nothing=""):
    return st.just(nothing) | values


@st.composite
def rates(draw, variants):
    """A whole table: a row for each level and variant it distinguishes."""
    levels = draw(st.just([""]) | some(LEVELS, min_size=1, max_size=3).map(list))
    return tuple(draw(rows(level, variant)) for level in levels for variant in (variants or [""]))


@st.composite
def rows(draw, level, variant):
    way = draw(st.sampled_from(["hours", "ranks", "others", "less", "fills"]))
    per = "" if way == "fills" else draw(maybe(st.sampled_from(sorted(UNITS))))
    least, measure = None, UNITS[per].measure if per else ""
    if draw(st.booleans()):
        least, measure = draw(lengths), measure or draw(st.sampled_from(["points", "characters"]))
    first = draw(hours) if way in ("others", "less") else None
    return Rate(
        level=level,
        variant=variant,
        hours=draw(hours) if way == "hours" else None,
        ranks=tuple(draw(st.lists(hours, min_size=1, max_size=6))) if way == "ranks" else (),
        alone=draw(st.none() | hours) if first else None,
        first=first,
        others=draw(hours) if way == "others" else None,
        less=draw(hours) if way == "less" else None,
        last=None if way in ("ranks", "fills") else draw(st.none() | st.integers(1, 100)),
        fills=way == "fills",
        per=per,
        only_full=bool(per) and draw(st.booleans()),
        least=least,
        measure=measure,
    )


@st.composite
def activities(draw, code, subjects, groups, basis):
    variants = draw(st.dictionaries(codes, words, max_size=2))
    table = draw(rates(list(variants))) if variants or draw(st.booleans()) else ()
    surcharged = table and draw(st.booleans())
    named = draw(st.booleans())
    surcharges = tuple(
        Surcharge(draw(hours), draw(st.sampled_from(sorted(LEVELS))) if named else "", *draw(bounds()))
        for _ in range(draw(st.integers(1, 3)) if surcharged else 0)
    )
    counts = draw(st.sampled_from([one for one in COUNTS if one != "spread" or not _fills(table)]))
    if counts in ("within", "spread"):
        years = draw(st.integers(1, 20))
    else:
        years = draw(st.none() | st.integers(1, 20)) if counts == "yearly" else None
    cap = draw(st.none() | hours)
    made = Activity(
        code=code,
        name=draw(words),
        subjects=draw(some(subjects, min_size=1)),
        conversion=table or None,
        evidence=tuple(draw(st.lists(words, unique=True, max_size=3))),
        max_hours=draw(st.just(usual_most(table, surcharges)) | hours.filter(lambda one: one <= 200)),
        caps=(Cap(cap, "kind", code),) if cap else (),
        preconditions=draw(some(PRECONDITIONS)),
        providers=tuple(draw(st.lists(words, unique=True, max_size=2))),
        group=draw(maybe(st.sampled_from(sorted(groups)))) if groups else "",
        exclusive=draw(maybe(codes)),
        counts=counts,
        years=years,
        variants=variants,
        member=draw(words),
        leader=draw(maybe(words)),
        surcharges=surcharges,
        surcharge_name=draw(words) if surcharges else draw(maybe(words)),
        basis=draw(st.just(basis) | words),
        note=draw(maybe(words)),
    )
    return replace(made, asks=asks_of(made))


def _fills(table):
    return any(row.fills for row in table)


@st.composite
def bounds(draw):
    above, more = draw(st.none() | lengths), draw(st.none() | lengths)
    return above, None if more is None else (above or 0) + more


@st.composite
def packs(draw):
    basis = draw(words)
    subjects = draw(st.dictionaries(codes, words, min_size=1, max_size=3))
    groups = draw(st.dictionaries(codes, words, max_size=2))
    caps = [Cap(draw(hours), "group", one) for one in draw(some(groups))] if groups else []
    caps += [Cap(draw(hours), "source", one) for one in draw(some(SOURCES))]
    caps += [Cap(draw(hours), "subject", one) for one in draw(some(subjects))]
    caps += [
        Cap(draw(hours), "provider", one) for one in draw(st.lists(maybe(words), unique=True, max_size=2))
    ]
    named = draw(st.lists(codes, unique=True, max_size=3))
    kinds = {code: draw(activities(code, list(subjects), list(groups), basis)) for code in named}
    kinds = {code: replace(one, line=line_of(one, groups, caps)) for code, one in kinds.items()}
    reliefs = {}
    for code in draw(st.lists(codes, unique=True, max_size=2)):
        effect = draw(st.sampled_from(["exempt", "months", "fraction"]))
        value = Decimal(draw(st.integers(1, 1000))) / 1000 if effect == "fraction" else None
        evidence = tuple(draw(st.lists(words, unique=True, max_size=2)))
        relief = Relief(code, draw(words), effect, value, evidence, "", draw(st.just(basis) | words))
        reliefs[code] = replace(relief, line=relief_line(relief))
    first = draw(st.integers(1990, 2100))
    return Pack(
        code=draw(codes),
        name=draw(words),
        basis=basis,
        year_from=first,
        year_to=draw(st.none() | st.integers(first, 2150)),
        note=draw(maybe(words)),
        subjects=subjects,
        minimums=draw(minimums(list(subjects), basis)),
        activities=kinds,
        reliefs=reliefs,
        transition=draw(
            st.none() | st.builds(Transition, st.integers(2000, 2100), st.integers(2000, 2100), codes)
        ),
        origin=draw(words),
        mark=draw(st.sampled_from(sorted(MARKS))),
        groups=groups,
        caps=tuple(caps),
        remove=tuple(draw(st.lists(codes, unique=True, max_size=2))),
        series=tuple(draw(st.lists(words.map(lambda one: one[:8]), unique=True, max_size=2))),
        inherits=draw(st.booleans()),
        empty_conversions=bool(kinds) and all(one.conversion is None for one in kinds.values()),
    )


@st.composite
def minimums(draw, subjects, basis):
    """Over all, of single subjects, from a source, for levels: sets that do not cross, each said once."""
    found, said = [], set()
    for _ in range(draw(st.integers(0, 4))):
        of = draw(st.just(()) | st.sampled_from(subjects).map(lambda one: (one,)))
        source, levels = draw(maybe(st.sampled_from(sorted(SOURCES)))), draw(some(TITLE_LEVELS, max_size=2))
        keys = {(of, source, level) for level in levels or ("",)}
        if not keys & said:
            said |= keys
            found.append(Minimum(of, draw(hours), source, levels, draw(st.just(basis) | words)))
    return tuple(found)


@settings(max_examples=200, deadline=None)
@given(packs())
def test_any_pack_comes_back(pack):
    assert read(write(pack)) == pack


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters().filter(str.isprintable), min_size=1, max_size=30).filter(str.strip))
def test_any_sentence_comes_back(sentence):
    pack = read(text(""))
    assert read(write(replace(pack, note=sentence.strip()))).note == sentence.strip()


def test_a_writer_that_forgets_would_be_seen():
    """The control: without its last line a written pack is another pack, or none."""
    pack = read((EXAMPLES / "transition_example.toml").read_text(encoding="utf-8"))
    forgetful = write(replace(pack, transition=None))
    assert read(forgetful) != pack


# --- the head stays -----------------------------------------------------------------------------------------


def test_the_comments_at_the_head_stay():
    shipped = (PACKS / "shandong.toml").read_text(encoding="utf-8")
    head = head_of(shipped)
    assert head.startswith("# 山东省：年度要求（2021 年起）")
    assert "code =" not in head
    written = write(read(shipped), head)
    assert head_of(written) == head
    assert read(written) == read(shipped)


@pytest.mark.parametrize("words", ["", "code = 1", "\n\ncode = 1"])
def test_no_head_is_no_head(words):
    assert head_of(words) == ""


def test_quotes_and_backslashes_are_written_as_toml_wants():
    assert quoted('一"二\\三') == '"一\\"二\\\\三"'


def test_another_year_keeps_every_comment():
    shipped = (PACKS / "accounting.toml").read_text(encoding="utf-8")
    then = with_top(shipped, code="b7-accounting", name='会计"本市"', year_from=2027, year_to=None)
    assert read(then) == replace(read(shipped), code="b7-accounting", name='会计"本市"', year_from=2027)
    assert "# 主管部门或行业组织的课题，结项后计。" in then
    assert then.count("\n") == shipped.count("\n")


def test_what_does_not_stand_at_the_top_is_written_anew():
    shipped = (PACKS / "accounting.toml").read_text(encoding="utf-8")
    then = with_top(shipped, year_to=2030)
    assert read(then) == replace(read(shipped), year_to=2030)
    assert head_of(then) == head_of(shipped)
