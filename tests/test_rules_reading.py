"""A pack is read strictly: whatever is wrong is named with its place and what to do, all of it at once."""

import re

import pytest

from credits.rules import pack as pack_module
from credits.rules.pack import Malformed, read
from credits.rules.words import LEVELS, PRECONDITIONS, UNITS
from tests.rules import PACKS, text

ACTIVITY = '[activity.a]\nname = "甲"\nsubjects = ["public"]\n'


def errors(written: str) -> list[tuple[str, str]]:
    with pytest.raises(Malformed) as found:
        read(written)
    return found.value.errors


def rate(row: str) -> str:
    return text(f"{ACTIVITY}rates = [{row}]")


@pytest.mark.parametrize(
    ("written", "where", "sentence"),
    [
        (text("", "surprise = 1"), "surprise", "没有这个名称"),
        (text("[rules]\na = 1"), "rules", "没有这个名称"),
        (text(ACTIVITY + "surprise = 1"), "activity.a.surprise", "没有这个名称"),
        (rate("{ hours = 1, surprise = 1 }"), "activity.a.rates[1].surprise", "没有这个名称"),
        (text("", 'note = ""'), "note", "请填一行文字"),
        (text("", "note = 3"), "note", "请填一行文字"),
        (text("", 'note = "a\\nb"'), "note", "请填一行文字"),
        (text("").replace("2021", '"2021"'), "year_from", "之间的整数"),
        (text("").replace("2021", "true"), "year_from", "之间的整数"),
        (text("").replace("2021", "21"), "year_from", "之间的整数"),
        (text("", "year_to = 2020"), "year_to", "不能早于 year_from（2021）"),
        (text("").replace('basis = "依据"', ""), "basis", "缺少这一项"),
        (text("").replace('code = "example"', 'code = "Ex ample"'), "code", "代码只用小写字母"),
        (text("").replace("public =", '"公" ='), "subjects.公", "代码只用小写字母"),
        (text("").replace("unverified", "sure"), "mark", "请改为其中之一：stated、found、unverified"),
        (text("", 'inherits = "no"'), "inherits", "true 或 false"),
        (text("", 'remove = "paper"'), "remove", "方括号"),
        (text("", 'remove = ["a", "a"]'), "remove", "“a”写了不止一次"),
        (text("[[minimum]]\nhours = -1"), "minimum[1].hours", "请填大于 0"),
        (text("[[minimum]]\nhours = 0"), "minimum[1].hours", "请填大于 0"),
        (text("[[minimum]]\nhours = 30.25"), "minimum[1].hours", "最多写 1 位小数"),
        (text('[[minimum]]\nhours = "30"'), "minimum[1].hours", "不加引号"),
        (text("[[minimum]]\nhours = true"), "minimum[1].hours", "不加引号"),
        (text("[[minimum]]\nhours = nan"), "minimum[1].hours", "请填大于 0"),
        (text("[[minimum]]\nhours = inf"), "minimum[1].hours", "请填大于 0"),
        (text("[[minimum]]\nhours = 1e400"), "minimum[1].hours", "请填大于 0"),
        (text("[[minimum]]\nhours = 1001"), "minimum[1].hours", "不超过 1000"),
        (
            text('[[minimum]]\nsubjects = ["other"]\nhours = 1'),
            "minimum[1].subjects[1]",
            "public、professional",
        ),
        (text('[[minimum]]\nsource = "sky"\nhours = 1'), "minimum[1].source", "platform、declaration"),
        (text("[[minimum]]\nhours = 1\n[[minimum]]\nhours = 2"), "minimum", "请只留一项"),
        (text("[minimum]\nhours = 1"), "minimum", "列表"),
        (text(ACTIVITY.replace("public", "other")), "activity.a.subjects[1]", "请改为其中之一"),
        (text('[activity.a]\nname = "甲"'), "activity.a.subjects", "缺少这一项"),
        (text("[activity]\na = 3"), "activity.a", "这里应是一个表"),
        (text('[activity.A]\nname = "甲"'), "activity.A", "代码只用小写字母"),
        (text(ACTIVITY + "rates = 3"), "activity.a.rates", "列表"),
        (text(ACTIVITY + "rates = []"), "activity.a.rates", "至少一项"),
        (rate("3"), "activity.a.rates[1]", "这里应是一个表"),
        (rate("{}"), "activity.a.rates[1]", "四者之一"),
        (rate("{ hours = 1, ranks = [1] }"), "activity.a.rates[1]", "四者之一"),
        (rate("{ ranks = [5, -4] }"), "activity.a.rates[1].ranks[2]", "请填大于 0"),
        (rate("{ first = 5 }"), "activity.a.rates[1].first", "others"),
        (rate("{ first = 5, others = 3, less = 1 }"), "activity.a.rates[1].first", "之一"),
        (rate("{ hours = 5, others = 3 }"), "activity.a.rates[1].first", "请写 first"),
        (rate("{ hours = 5, alone = 3 }"), "activity.a.rates[1].alone", "和 first 一起写"),
        (rate("{ ranks = [5, 4], last = 2 }"), "activity.a.rates[1].last", "请删去 last"),
        (rate("{ fills = false }"), "activity.a.rates[1].fills", "fills = true"),
        (rate('{ fills = true, per = "day" }'), "activity.a.rates[1].per", "请删去 per"),
        (rate('{ hours = 1, per = "week" }'), "activity.a.rates[1].per", "day、half-day"),
        (rate("{ hours = 1, only_full = true }"), "activity.a.rates[1].only_full", "写了 per"),
        (rate("{ hours = 1, least = 2000 }"), "activity.a.rates[1].least", "这里应是一个表"),
        (rate("{ hours = 1, least = { pages = 2 } }"), "activity.a.rates[1].least", "请写一种数量"),
        (
            rate('{ hours = 1, per = "day", least = { characters = 2000 } }'),
            "activity.a.rates[1].least",
            "请写 days",
        ),
        (rate('{ hours = 1, level = "moon" }'), "activity.a.rates[1].level", "请改为其中之一"),
        (rate('{ hours = 1, variant = "x" }'), "activity.a.rates[1].variant", "还没有定义"),
        (rate("{ hours = 1 }, { hours = 2 }"), "activity.a.rates", "请只留一行"),
        (rate('{ hours = 1, level = "city" }, { hours = 2 }'), "activity.a.rates", "要么每行都写"),
        (
            text(ACTIVITY + 'rates = [{ hours = 1 }]\nvariants = { x = "类" }'),
            "activity.a.variants",
            "没有用到",
        ),
        (text(ACTIVITY + 'counts = "never"'), "activity.a.counts", "during、finished"),
        (text(ACTIVITY + 'counts = "within"'), "activity.a.years", "请写明几年"),
        (text(ACTIVITY + "years = 2"), "activity.a.years", "请删去"),
        (text(ACTIVITY + "surcharges = [{ hours = 3 }]"), "activity.a.surcharges", "请先写 rates"),
        (text(ACTIVITY + 'group = "g"'), "activity.a.group", "还没有定义"),
        (
            text('[[cap]]\nper = "kind"\nname = "a"\nhours = 3'),
            "cap[1].per",
            "group、source、subject、provider",
        ),
        (text('[[cap]]\nper = "group"\nname = "g"\nhours = 3'), "cap[1].name", "还没有定义"),
        (
            text('[[cap]]\nper="provider"\nhours=3\n[[cap]]\nper="provider"\nhours=4'),
            "cap",
            "请只留一个",
        ),
        (text('[relief.r]\nname = "减"\neffect = "double"'), "relief.r.effect", "exempt、months、fraction"),
        (text('[relief.r]\nname = "减"\neffect = "fraction"'), "relief.r.value", "缺少这一项"),
        (
            text('[relief.r]\nname = "减"\neffect = "fraction"\nvalue = 1.5'),
            "relief.r.value",
            "不超过 1 的数",
        ),
        (text('[relief.r]\nname = "减"\neffect = "exempt"\nvalue = 0.5'), "relief.r.value", "请删去"),
        (text("[transition]\nuntil = 2030"), "transition.keeps", "缺少这一项"),
    ],
)
def test_what_is_wrong_is_named(written, where, sentence):
    found = [what for place, what in errors(written) if place == where]
    assert any(sentence in what for what in found), errors(written)
    assert all(what.endswith("。") for _, what in errors(written))


def test_minimums_that_cross_are_refused():
    crossing = '[[minimum]]\nsubjects=["public","professional"]\nhours=3\n[[minimum]]\nsubjects=["professional","more"]\nhours=3'
    written = text(crossing).replace("[subjects]", '[subjects]\nmore = "其他"')
    assert errors(written) == [
        ("minimum", "两项要求的科目只能互不相交，或一项完全包含另一项，请改写 subjects。")
    ]


def test_all_mistakes_are_named_at_once():
    written = text("[[minimum]]\nhours = -1\n[[minimum]]\nhours = 0.25", "surprise = 1")
    assert [where for where, _ in errors(written)] == [
        "minimum[1].hours",
        "minimum[2].hours",
        "minimum",
        "surprise",
    ]


@pytest.mark.parametrize(
    ("written", "where"),
    [
        ("code = ", "文件末尾"),
        ('code = "a"\nname = "b', "文件末尾"),
        ("[activity.a]\n[activity.a]\n", "第 2 行"),
        ("a = " + "[" * 5000, "全文"),
        ("a = " + "9" * 5000, "全文"),
        ("a = 1e99999999999999999999", "a"),
        ("\x00", "第 1 行"),
    ],
)
def test_what_is_no_toml_is_named_by_its_line(written, where):
    assert where in [place for place, _ in errors(written)]


def test_hours_are_exact_decimals():
    found = read(rate("{ hours = 0.1 }"))
    assert str(found.activities["a"].conversion[0].hours) == "0.1"


def test_the_manual_knows_every_word():
    manual = (PACKS / "README.md").read_text(encoding="utf-8")
    source = "".join((PACKS.parent / name).read_text(encoding="utf-8") for name in ("pack.py", "rates.py"))
    keys = set(
        re.findall(
            r'\.(?:text|texts|word|words|code|codes|flag|whole|number|numbers|labels|tables?|by_code)\("(\w+)"',
            source,
        )
    )
    assert len(keys) > 40
    words = keys | set(UNITS) | set(LEVELS) | set(PRECONDITIONS) | set(pack_module.COUNTS)
    assert [word for word in sorted(words) if not re.search(rf"\b{word}\b", manual)] == []


def test_the_examples_of_the_manual_are_right():
    manual = (PACKS / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", manual, re.DOTALL)
    subjects = "".join(blocks[0:1])
    head = 'code = "x"\nname = "x"\nbasis = "x"\norigin = "x"\nmark = "found"\nyear_from = 2021\n'
    surcharge = blocks[2]
    activity = blocks[1].replace(
        "rates = [{ alone = 30, first = 30, others = 10 }]",
        'rates = [{ level = "national", alone = 30, first = 30, others = 10 }]\n' + surcharge,
    )
    found = read(head + subjects + "\n".join([activity, *blocks[3:]]))
    assert found.activities["paper"].surcharges
    assert found.reliefs["maternity"].effect == "months"
    rows = re.findall(r"^\| `(\{.*?\})` \|", manual, re.MULTILINE)
    assert len(rows) == 9
    for row in rows:
        read(rate(row))
