"""The shipped packs say what their sources say: every value of tables A and D, Shandong's and Guangdong's minimums."""

import pytest

from credits.rules.required import measure
from tests.rules import PACKS, dec, pack, worth


def minimums(name: str) -> dict:
    return {one.subjects: one.hours for one in pack(name).minimums}


# Kind, answers, hours of one declaration: hours.md, table A.
TABLE_A = [
    ("title-exam", {}, 90),
    ("accounting-conference", {"quantity": 1}, 10),
    ("accounting-conference", {"quantity": 3}, 30),
    ("accounting-degree", {}, 90),
    ("research-project", {"people": 1}, 90),
    ("research-project", {"people": 4, "rank": 1}, 90),
    ("research-project", {"people": 4, "rank": 2}, 60),
    ("research-project", {"people": 4, "rank": 4}, 60),
    ("paper", {"people": 1}, 30),
    ("paper", {"people": 3, "rank": 1}, 30),
    ("paper", {"people": 3, "rank": 2}, 10),
    ("paper", {"people": 3, "rank": 3}, 10),
    ("book", {"people": 1}, 90),
    ("book", {"people": 2, "rank": 1}, 90),
    ("book", {"people": 2, "rank": 2}, 60),
]


@pytest.mark.parametrize(("kind", "answers", "hours"), TABLE_A)
def test_table_a_of_the_accountants(kind, answers, hours):
    found = worth("accounting", kind, **answers)
    assert (found.hours, found.raw, found.wants, found.refusal) == (hours, hours, (), "")


def test_every_activity_of_table_a_is_tested():
    assert {kind for kind, *_ in TABLE_A} == set(pack("accounting").activities)


def test_accounting_credits_hold_only_in_their_year():
    late = worth("accounting", "paper", people=1, started_on="2025-11-30")
    assert late.hours == 0
    assert late.refusal == "“发表会计类论文”只在完成或取得的当年有效，请计入 2025 年度。"


def test_an_accounting_project_counts_in_the_year_it_is_concluded():
    dates = {"started_on": "2024-05-01", "ended_on": "2026-02-01", "people": 1}
    assert worth("accounting", "research-project", **dates).hours == 90
    assert worth("accounting", "research-project", year=2025, **dates).hours == 0


def test_accountants_have_a_system_of_their_own():
    found = pack("accounting")
    assert found.series == ("17",)
    assert not found.inherits
    assert minimums("accounting") == {(): 90, ("professional",): 60}
    assert {code: one.max_hours for code, one in found.activities.items()} == {
        "title-exam": 90,
        "accounting-conference": 200,
        "accounting-degree": 90,
        "research-project": 90,
        "paper": 30,
        "book": 90,
    }


# hours.md, table D.
TABLE_D = [
    ("public-certificate", {"subject": "public"}, 72),
    ("certificate", {"variant": "title-exam"}, 40),
    ("certificate", {"variant": "qualification"}, 40),
    ("certificate", {"variant": "computer"}, 40),
    ("certificate", {"variant": "foreign-language"}, 40),
    ("training", {"variant": "full-time", "quantity": 1}, 6),
    ("training", {"variant": "full-time", "quantity": 2.5}, 15),
    ("training", {"variant": "part-time", "quantity": 1}, 3),
    ("training", {"variant": "part-time", "quantity": 7}, 21),
    ("degree", {"graduated_on": "2026-06-30"}, 50),
    ("degree", {"graduated_on": "2025-06-30"}, 50),
    ("course", {"variant": "single", "quantity": 1}, 10),
    ("course", {"variant": "self-study-exam", "quantity": 2}, 30),
    ("study-visit", {"stated": 17.5}, 17.5),
]


@pytest.mark.parametrize(("kind", "answers", "hours"), TABLE_D)
def test_table_d_of_suqian(kind, answers, hours):
    found = worth("suqian", kind, **answers)
    assert (found.hours, found.wants, found.refusal) == (dec(hours), (), "")


def test_every_activity_of_table_d_is_tested():
    assert {kind for kind, *_ in TABLE_D} == set(pack("suqian").activities)


def test_the_public_certificate_of_suqian_cannot_count_as_professional():
    assert worth("suqian", "public-certificate", subject="").hours == 72
    assert worth("suqian", "public-certificate").refusal == "“公需科目培训证书”只能计入公需科目，请改选科目。"


def test_shandong_asks_90_30_60_since_2021():
    found = pack("shandong")
    assert minimums("shandong") == {(): 90, ("public",): 30, ("professional",): 60}
    assert found.year_from == 2021
    assert "鲁人社字〔2021〕167号" in found.basis
    assert "鲁人社发〔2016〕10号" in found.basis


def test_shandong_names_its_kinds_and_invents_no_conversion():
    found = pack("shandong")
    assert {one.code: one.name for one in found.activities.values()} == {
        "filed-training": "线下已备案培训",
        "paper": "发表论文",
        "invention-patent": "获得发明专利",
        "academic-forum": "参加学术论坛",
        "degree-study": "学历（学位）教育",
        "research-project": "课题研究",
        "book": "出版著作",
        "standard": "制定标准规范",
        "study-visit": "进修、考察",
        "other": "其他继续教育活动",
    }
    assert found.empty_conversions
    assert all(one.conversion is None for one in found.activities.values())
    assert found.note.startswith("本地折算标准尚未公布")
    assert all("尚未公布" in one.line for one in found.activities.values())


def test_without_a_conversion_the_hours_of_the_proof_stand():
    found = worth("shandong", "academic-forum", stated=12.5)
    assert found.hours == dec(12.5)
    assert [step.text for step in found.steps] == ["按证明材料上的学时：12.5 学时"]
    assert worth("shandong", "academic-forum").wants == ("请填写证明材料上的学时。",)
    assert worth("shandong", "academic-forum", stated=120).hours == 90


def test_guangdong_has_three_buckets():
    assert minimums("guangdong") == {(): 90, ("public",): 30, ("professional",): 42, ("elective",): 18}
    labels = [line.label for line in measure(pack("guangdong"), {})]
    assert labels == ["合计", "公需科目", "专业科目", "个人选修科目"]


@pytest.mark.parametrize(
    ("variant", "quantity", "hours"),
    [("days", 1, 8), ("days", 1.5, 12), ("lessons", 5, 5), ("credits", 3, 3)],
)
def test_guangdong_days_lessons_and_credits(variant, quantity, hours):
    found = worth("guangdong", "training", subject="elective", variant=variant, quantity=quantity)
    assert (found.hours, found.subject) == (hours, "elective")


@pytest.mark.parametrize("path", sorted(PACKS.glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_pack_is_named_like_its_file_and_says_where_it_comes_from(path):
    found = pack(path.stem)
    assert found.code == path.stem
    assert found.origin
    assert found.mark in ("stated", "found")
    for activity in found.activities.values():
        assert activity.evidence
        assert activity.line.endswith("。")
