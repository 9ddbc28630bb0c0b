"""What changed between two packs in words, and on which line of a text a mistake stands."""

from dataclasses import replace

import pytest

from credits.rules.compare import changes, effects
from credits.rules.pack import Malformed, read
from credits.rules.places import line_of_place
from tests.rules import EXAMPLES, PACKS, dec, pack, text


def said(before, after) -> list[tuple]:
    return [(one.section, one.what, one.before, one.after) for one in changes(before, after)]


def edited(name: str, *replacements: tuple[str, str]):
    words = (PACKS / f"{name}.toml").read_text(encoding="utf-8")
    for old, new in replacements:
        assert old in words
        words = words.replace(old, new, 1)
    return read(words)


@pytest.mark.parametrize(
    "path", [*PACKS.glob("*.toml"), *EXAMPLES.glob("*.toml")], ids=lambda path: path.stem
)
def test_a_pack_does_not_differ_from_itself(path):
    one = read(path.read_text(encoding="utf-8"))
    assert said(one, one) == []


def test_a_higher_requirement():
    then = edited("shandong", ("hours = 30", "hours = 36"))
    assert said(pack("shandong"), then) == [("年度要求", "公需科目", "不少于 30 学时", "不少于 36 学时")]


def test_a_new_requirement_of_the_platform_and_of_levels():
    now = read(text("[[minimum]]\nhours = 90"))
    then = read(
        text(
            '[[minimum]]\nhours = 90\n[[minimum]]\nhours = 20\nsource = "platform"\nsubjects = ["professional"]\n'
            '[[minimum]]\nhours = 40\nlevels = ["senior", "middle"]\nsubjects = ["public"]'
        )
    )
    assert said(now, then) == [
        ("年度要求", "专业科目（学习平台）", "", "不少于 20 学时"),
        ("年度要求", "公需科目（正高级、中级职称）", "", "不少于 40 学时"),
    ]
    assert [one.kind for one in changes(now, then)] == ["新增", "新增"]
    assert [one.kind for one in changes(then, now)] == ["取消", "取消"]


def test_a_conversion_comes_and_an_activity_goes():
    then = edited(
        "shandong",
        ('member = "作者"\n', 'member = "作者"\nrates = [{ alone = 30, first = 30, others = 10 }]\n'),
    )
    then = replace(then, activities={code: one for code, one in then.activities.items() if code != "book"})
    found = {what: (before, after) for _, what, before, after in said(pack("shandong"), then)}
    assert found["发表论文：折算"][1] == "独立完成 30 学时，第 1 作者 30 学时，其他作者各 10 学时。"
    assert found["发表论文：折算"][0].startswith("本地折算标准尚未公布")
    assert found["发表论文：一次最多"] == ("90 学时", "30 学时")
    assert found["出版著作"][1] == ""
    assert set(found) == {"发表论文：折算", "发表论文：一次最多", "出版著作"}


def test_every_aspect_is_told():
    """Each value of an activity that a person could be held to shows up when it changes."""
    now = read(
        text(
            '[groups]\nresults = "论文论著"\n[activity.a]\nname = "甲"\nsubjects = ["public"]\nrates = [{ hours = 5 }]'
        )
    )
    one = now.activities["a"]
    for aspect in (
        {"name": "乙"}, {"subjects": ("public", "professional")}, {"evidence": ("证书",)}, {"max_hours": dec(7)},
        {"member": "作者"}, {"leader": "主持人"}, {"exclusive": "work"}, {"basis": "另一文件"}, {"note": "说明"},
    ):  # fmt: skip
        then = replace(now, activities={"a": replace(one, **aspect)})
        assert len(changes(now, then)) == 1, aspect


def test_the_head_is_told():
    now = pack("accounting")
    then = edited(
        "accounting",
        (f'basis = "{now.basis}"', 'basis = "新文件"'),
        ("year_from = 2018", "year_from = 2027\nyear_to = 2030"),
        ('series = ["17"]', ""),
        ("inherits = false", ""),
    )
    # What had the pack's own basis follows it, and that is said once.
    assert {what: (before, after) for _, what, before, after in said(now, then)} == {
        "依据": (now.basis, "新文件"),
        "开始年度": ("2018 年", "2027 年"),
        "结束年度": ("", "2030 年"),
        "适用的职称系列": ("17", ""),
        "与上级规则的关系": ("自成一套，不叠加上级的规则", ""),
    }


def test_caps_and_reliefs():
    now = read(text('[groups]\nr = "成果"\n[[cap]]\nper = "group"\nname = "r"\nhours = 40'))
    then = read(
        text(
            '[groups]\nr = "成果"\n[[cap]]\nper = "group"\nname = "r"\nhours = 50\n[[cap]]\nper = "provider"\nhours = 9\n'
            '[relief.m]\nname = "产假"\neffect = "months"\nevidence = ["证明"]'
        )
    )
    assert said(now, then) == [
        ("上限", "成果合计", "每年最多计 40 学时", "每年最多计 50 学时"),
        ("上限", "每个机构", "", "每年最多计 9 学时"),
        ("减免", "产假", "", "按减免月数占全年的比例减少各项学时要求。须提交证明。"),
    ]


# --- the line of a mistake ------------------------------------------------------------------------------------

WRONG = """\
code = "x"
name = "样例"
basis = "依据"
origin = "测试"
mark = "sure"
year_from = 2021

[subjects]
public = "公需科目"

[[minimum]]
hours = 90

[[minimum]]
hours = 0
subjects = ["public"]

[activity.paper]
name = "论文"
subjects = ["private"]
rates = [
  { level = "national", hours = 30, least = { characters = 2000 } },
  { level = "city", hours = -1 },
]
odd = 1

[relief.ill]
name = "病假"
"""


def test_each_mistake_has_its_line():
    with pytest.raises(Malformed) as caught:
        read(WRONG)
    lines = {where: line_of_place(WRONG, where) for where, _ in caught.value.errors}
    assert lines == {
        "mark": 5,
        "minimum[2].hours": 15,
        "activity.paper.subjects[1]": 20,
        "activity.paper.rates[2].hours": 23,
        "activity.paper.odd": 25,
        "relief.ill.effect": 27,
    }


def test_what_toml_itself_refuses_has_its_line():
    wrong = WRONG.replace("hours = 90", "hours = ")
    with pytest.raises(Malformed) as caught:
        read(wrong)
    assert [line_of_place(wrong, where) for where, _ in caught.value.errors] == [12]


def test_a_key_that_is_missing_has_no_line_at_the_top():
    assert line_of_place("code = 'x'\n", "name") is None
    assert line_of_place("", "全文") is None


def test_effects_leave_out_what_binds_nobody():
    now = pack("accounting")
    renamed = edited(
        "accounting", ('name = "会计专业', 'name = "本市会计专业'), (f'basis = "{now.basis}"', 'basis = "新"')
    )
    assert effects(now, renamed) == []
    assert changes(now, renamed)
    dearer = edited("accounting", (f'basis = "{now.basis}"', 'basis = "新"'), ("hours = 60", "hours = 66"))
    assert [(one.what, one.before, one.after) for one in effects(now, dearer)] == [
        ("专业科目", "不少于 60 学时", "不少于 66 学时")
    ]
