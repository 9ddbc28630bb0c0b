"""A year measured: lines, the fewest hours that complete it, title levels, sources, relief."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credits.models import Level
from credits.rules.pack import Minimum
from credits.rules.required import Line, measure, missing
from credits.rules.words import LEVELS, TITLE_LEVELS
from orgs.models import TitleLevel
from tests.rules import dec, pack


def test_the_words_are_those_of_the_database():
    assert dict(Level.choices) == LEVELS
    assert dict(TitleLevel.choices) == TITLE_LEVELS


def lack(name: str, earned: dict, **more):
    return missing(measure(pack(name), {subject: dec(hours) for subject, hours in earned.items()}, **more))


@pytest.mark.parametrize(
    ("public", "professional", "hours"),
    [(0, 0, 90), (30, 60, 0), (30, 59.5, 0.5), (90, 0, 60), (0, 90, 30), (40, 20, 40), (29.9, 60.1, 0.1)],
)
def test_three_conditions_at_once(public, professional, hours):
    assert lack("shandong", {"public": public, "professional": professional}) == dec(hours)


def test_lines_of_shandong():
    lines = measure(pack("shandong"), {"public": dec(35), "professional": dec(10)})
    assert [(one.label, one.earned, one.required, one.missing, one.done) for one in lines] == [
        ("合计", 45, 90, 45, False),
        ("公需科目", 35, 30, 0, True),
        ("专业科目", 10, 60, 50, False),
    ]


def test_title_levels_ask_for_different_years():
    assert lack("table_e_example", {}, level="middle") == 72
    assert lack("table_e_example", {}, level="assistant") == 40
    # A person without a title, or of a level that no rule names, is never told "complete" by omission.
    assert lack("table_e_example", {}) == 72


def test_ningbo_public_of_which_general():
    assert lack("ningbo_example", {"professional": 72, "other-public": 18}) == 12
    assert lack("ningbo_example", {"professional": 72, "general": 12}) == 6
    assert lack("ningbo_example", {"professional": 72, "general": 12, "other-public": 6}) == 0
    assert measure(pack("ningbo_example"), {})[2].label == "一般公需、其他公需"


@pytest.mark.parametrize("source", ["platform", "import"])
def test_zibo_twenty_from_the_platform(source):
    earned = {"public": 30, "professional": 60}
    assert lack("zibo_example", earned) == 20
    assert lack("zibo_example", earned, by_source={source: {"professional": dec(15), "public": dec(9)}}) == 5
    assert lack("zibo_example", earned, by_source={source: {"professional": dec(20)}}) == 0
    assert measure(pack("zibo_example"), {})[3].label == "专业科目（学习平台）"


def reliefs(*named):
    rules = pack("table_f_example").reliefs
    return [(rules[code], amount) for code, amount in named]


@pytest.mark.parametrize(
    ("relief", "total", "professional"),
    [
        ([], 72, 48),
        ([("aid", None)], 0, 0),
        ([("long-illness", 6)], 36, 24),
        ([("long-illness", 5)], 42, 28),
        ([("long-illness", 1)], 66, 44),
        ([("long-illness", 12)], 0, 0),
        ([("long-illness", 20)], 0, 0),
        ([("long-illness", 4), ("long-illness", 2)], 36, 24),
        ([("half", None)], 36, 24),
        ([("half", dec("0.333"))], 48, 32),
        ([("half", None), ("long-illness", 6)], 18, 12),
        ([("long-illness", None)], 72, 48),
    ],
)
def test_relief_reduces_every_minimum(relief, total, professional):
    lines = measure(pack("table_f_example"), {}, relief=reliefs(*relief))
    assert [one.required for one in lines] == [total, professional]


def test_relief_is_rounded_in_the_persons_favour():
    asked = (Minimum((), dec(100)),)
    assert measure(asked, {}, relief=reliefs(("long-illness", 1)))[0].required == dec("91.6")  # 91.666…
    assert measure(asked, {}, relief=reliefs(("half", dec("0.333"))))[0].required == dec("66.7")


def test_relief_lines_read_aloud():
    rules = pack("table_f_example").reliefs
    assert [one.line for one in rules.values()] == [
        "按减免月数占全年的比例减少各项学时要求。",
        "免除本年度全部学时要求。",
        "各项学时要求减少 50%。",
    ]


def test_nothing_asked_is_nothing_missing():
    assert measure((), {}) == []
    assert missing([]) == 0


# Every sum that the largest set of gaps gives is also the true minimum: compared with trying all ways.

SETS = [((), ""), (("a",), ""), (("b", "c"), ""), (("b",), ""), ((), "platform"), (("a",), "platform")]
CELLS = list(product("abc", ("platform", "declaration")))


def fewest_by_trying(lines: list[Line]) -> int:
    reach = [
        [(not one.subjects or s in one.subjects) and one.source in ("", source) for one in lines]
        for s, source in CELLS
    ]
    kinds = sorted({tuple(row) for row in reach})
    states = {tuple(int(one.required) for one in lines)}
    for spent in range(100):
        if any(not any(state) for state in states):
            return spent
        states = {
            tuple(max(left - hit, 0) for left, hit in zip(state, kind, strict=True))
            for state in states
            for kind in kinds
        }
    raise AssertionError


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 4), min_size=len(SETS), max_size=len(SETS)))
def test_the_fewest_hours_are_the_fewest(hours):
    lines = [
        Line("", subjects, dec(0), dec(n), source) for (subjects, source), n in zip(SETS, hours, strict=True)
    ]
    assert missing(lines) == fewest_by_trying(lines)
