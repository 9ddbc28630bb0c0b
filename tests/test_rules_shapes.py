"""Each of the 14 shapes of rules (hours.md 2.4) works from data alone: right value, readable step, right refusal."""

import pytest

from credits.rules.pack import merged, read
from credits.rules.reckon import Already
from tests.rules import counted, dec, pack, text, worth

ACTIVITY = '[activity.a]\nname = "甲"\nsubjects = ["professional"]\n'


def steps(found) -> list[str]:
    return [step.text for step in found.steps]


# 1 fixed and per unit -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "answers", "hours"),
    [
        ("table_b_example", "course", {"quantity": 2}, 30),
        ("table_c_example", "book", {"quantity": 105000}, 52.5),
        ("table_c_example", "book", {"quantity": 10000}, 5),
        ("table_c_example", "paper", {"variant": "national", "quantity": 3500}, 17.5),
        ("table_c_example", "paper", {"variant": "next", "quantity": 3999}, 9),
        ("table_f_example", "computer-test", {"quantity": 3, "subject": ""}, 36),
        ("zibo_example", "filed-training", {"quantity": 3, "filed_in_advance": True}, 12),
        ("table_f_example", "listed-course", {"provider": "石大云培", "quantity": 7}, 3.5),
    ],
)
def test_hours_per_unit(name, kind, answers, hours):
    found = worth(name, kind, **answers)
    assert (found.hours, found.refusal, found.wants) == (dec(hours), "", ())


def test_a_quantity_is_shown_with_its_unit():
    found = worth("table_c_example", "paper", variant="national", quantity=3500)
    assert steps(found) == ["国家级刊物：每千字 5 学时，3500 字：17.5 学时"]


@pytest.mark.parametrize(("characters", "hours"), [(3010, 15.1), (3009, 15.0), (29, 0.1)])
def test_hours_are_rounded_half_up_to_one_decimal(characters, hours):
    assert worth("table_c_example", "paper", variant="national", quantity=characters).hours == dec(hours)


def test_less_than_a_tenth_of_an_hour_is_nothing():
    found = worth("table_c_example", "paper", variant="national", quantity=9)
    assert found.refusal == "按规则折算后不足 0.1 学时，不能计入。"


def test_half_a_course_is_asked_again():
    assert worth("table_b_example", "course", quantity=1.5).wants == ("数量（门）请填整数。",)


def test_papers_below_a_length_do_not_count():
    assert worth("table_f_example", "paper", variant="core", quantity=2000).hours == 30
    short = worth("table_f_example", "paper", variant="core", quantity=1999)
    assert short.refusal == "“论文”2000 字以上才计学时，本次是 1999 字。"


def test_points_bring_ten_hours_or_none():
    assert worth("zibo_example", "xuexi-qiangguo", subject="public", quantity=2000).hours == 10
    assert worth("zibo_example", "xuexi-qiangguo", subject="public", quantity=5000).hours == 10
    assert worth("zibo_example", "xuexi-qiangguo", subject="public", quantity=1999).refusal


# 2 levels and variants ----------------------------------------------------------------------------


def test_levels():
    assert worth("table_b_example", "conference", level="national").hours == 12
    assert worth("table_b_example", "conference", level="province").hours == 8
    assert worth("table_b_example", "conference").wants == ("请选择级别：国家级、省（部）级。",)
    county = worth("table_b_example", "conference", level="county")
    assert county.refusal == "“学术会议”的折算标准里没有“县级”，不能折算学时。"


def test_a_variant_is_asked_by_its_names():
    assert worth("table_c_example", "paper", quantity=2000).wants == ("请选择类别：国家级刊物、次一级刊物。",)


# 3 sole, leader, participant; rank list; decrement; cut-off ----------------------------------------


@pytest.mark.parametrize(
    ("level", "variant", "ranks"),
    [
        ("national", "main", [64, 56, 48, 40, 32]),
        ("national", "sub", [48, 40, 32]),
        ("province", "main", [56, 48, 40]),
        ("province", "sub", [40, 32, 24]),
    ],
)
def test_rank_lists_of_table_b(level, variant, ranks):
    for rank, hours in enumerate(ranks, 1):
        found = worth("table_b_example", "project", level=level, variant=variant, rank=rank)
        assert found.hours == hours
    after = worth("table_b_example", "project", level=level, variant=variant, rank=len(ranks) + 1)
    last = len(ranks)
    assert after.refusal == f"“科研项目”只计前 {last} 位参加人，本人是第 {last + 1} 位，不能折算学时。"


def test_the_place_is_named():
    found = worth("table_b_example", "project", level="national", variant="main", rank=2)
    assert steps(found) == ["国家级主课题，第 2 参加人：56 学时"]
    assert steps(worth("accounting", "paper", people=2, rank=1)) == ["第一作者：30 学时"]
    assert steps(worth("accounting", "paper", people=2, rank=2)) == ["第 2 作者：10 学时"]
    assert steps(worth("accounting", "research-project", people=1)) == ["独立完成：90 学时"]


@pytest.mark.parametrize(("rank", "hours"), [(1, 40), (2, 34), (6, 10), (7, 4)])
def test_six_less_for_each_rank(rank, hours):
    assert worth("table_f_example", "patent", variant="invention", rank=rank).hours == hours


def test_a_decrement_ends_before_nothing():
    found = worth("table_f_example", "patent", variant="invention", rank=8)
    assert (found.hours, found.refusal) == (0, "“专利”每后一位少计，到第 8 发明人已无学时。")
    rules = read(text(f"{ACTIVITY}rates = [{{ first = 40, less = 10 }}]"))
    assert [worth(rules, "a", rank=n).hours for n in (4, 5)] == [10, 0]
    assert worth(rules, "a", rank=5).refusal == "“甲”每后一位少计，到第 5 完成人已无学时。"


def test_three_less_for_each_rank_and_a_cut_off():
    assert [worth("table_f_example", "prize", variant="first", rank=n).hours for n in (1, 2, 5)] == [
        30,
        27,
        18,
    ]
    assert "只计前 5 位" in worth("table_f_example", "prize", variant="first", rank=6).refusal


def test_only_the_first_three_authors_count():
    assert [worth("table_b_example", "paper", rank=n).hours for n in (1, 2, 3, 4)] == [20, 20, 20, 0]


@pytest.mark.parametrize(
    ("answers", "wants"),
    [
        ({}, ("请填写总人数，独立完成填 1。", "请填写本人是第几作者。")),
        ({"people": 3}, ("请填写本人是第几作者。",)),
        ({"people": 3, "rank": 4}, ("请核对本人位次：第 4 作者，共 3 人。",)),
        ({"people": 0, "rank": 1}, ("总人数请填 1 或更大的整数，独立完成填 1。",)),
        ({"people": 3, "rank": 0}, ("请核对本人位次：第 0 作者，共 3 人。",)),
    ],
)
def test_missing_places_are_asked(answers, wants):
    assert worth("accounting", "paper", **answers).wants == wants


# 4 surcharges -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "length", "hours"),
    [
        ("national", None, 12),
        ("national", 2000, 18),
        ("national", 2001, 20),
        ("province", 1, 12),
        ("province", 3000, 14),
    ],
)
def test_a_paper_read_brings_more_by_its_length(level, length, hours):
    assert worth("table_b_example", "conference", level=level, surcharge_quantity=length).hours == hours


def test_a_surcharge_above_a_length_only():
    rows = 'rates = [{ hours = 5 }]\nsurcharge_name = "宣读"\nsurcharges = [{ above = 2000, hours = 8 }]'
    rules = read(text(ACTIVITY + rows))
    assert [worth(rules, "a", surcharge_quantity=n).hours for n in (None, 2000, 2001)] == [5, 5, 13]


def test_the_surcharge_is_a_step_of_its_own():
    found = worth("table_b_example", "conference", level="national", surcharge_quantity=2500)
    assert steps(found) == ["国家级：12 学时", "宣读论文 2500 字：另加 8 学时"]


# 5 yearly, spread, years per event ----------------------------------------------------------------

PROJECT = {
    "level": "national",
    "variant": "main",
    "rank": 1,
    "started_on": "2024-09-01",
    "ended_on": "2026-03-01",
}


def test_a_project_counts_in_each_year_while_it_runs():
    assert [worth("table_b_example", "project", year=y, **PROJECT).hours for y in (2024, 2025, 2026)] == [
        64
    ] * 3
    outside = worth("table_b_example", "project", year=2027, **PROJECT)
    assert outside.refusal == "活动在 2024 到 2026 年，不能计入 2027 年度。"


def test_a_project_counts_once_in_each_year():
    before = Already(items=(counted("event", 64, 2025, "某课题"), counted("evidence", 64, 2025)))
    assert worth("table_b_example", "project", before, year=2026, **PROJECT).hours == 64
    again = worth("table_b_example", "project", before, year=2025, **PROJECT)
    assert again.refusal == "这项活动已计入 2025 年度（某课题），不重复计。"


def test_one_event_counts_for_at_most_two_years():
    dates = {"started_on": "2024-11-01", "ended_on": "2026-02-28", "quantity": 5}
    one = Already(items=(counted("event", 40, 2024),))
    two = Already(items=(counted("event", 40, 2024), counted("event", 40, 2025)))
    assert worth("table_e_example", "university-training", one, year=2025, **dates).hours == 40
    third = worth("table_e_example", "university-training", two, **dates)
    assert third.refusal == "同一项活动最多计 2 个年度，已经计满。"


def test_a_degree_is_spread_over_two_years():
    first = worth("suqian", "degree", graduated_on="2026-06-30")
    assert steps(first) == ["取得学历（学位）：100 学时", "分 2 年计入，本年度是第 1 年：50 学时"]
    third = worth("suqian", "degree", graduated_on="2024-06-30")
    assert third.refusal == "“取得学历（学位）”分 2 年计入，2026 年度不在其中。"
    early = worth("suqian", "degree", year=2025, graduated_on="2026-06-30")
    assert early.refusal == "“取得学历（学位）”分 2 年计入，2025 年度不在其中。"
    assert worth("suqian", "degree", spread_index=2, started_on=None).hours == 50
    twice = Already(items=(counted("event", 50, 2026),))
    assert worth("suqian", "degree", twice, graduated_on="2026-06-30").hours == 0


def test_what_cannot_be_divided_evenly_loses_nothing():
    rules = read(
        text('[activity.a]\nname="甲"\nsubjects=["public"]\ncounts="spread"\nyears=3\nrates=[{hours=100}]')
    )
    parts = [worth(rules, "a", subject="", spread_index=n).hours for n in (1, 2, 3)]
    assert parts == [dec(33.3), dec(33.3), dec(33.4)]


# 6 validity ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("year", "hours"), [(2023, 0), (2024, 72), (2026, 72), (2027, 72), (2028, 0)])
def test_a_degree_is_valid_for_three_years_from_a_leap_day(year, hours):
    found = worth("table_e_example", "degree", year=year, graduated_on="2024-02-29")
    assert found.hours == hours
    assert bool(found.refusal) == (hours == 0)


def test_a_degree_counts_once():
    before = Already(items=(counted("event", 72, 2024),))
    assert worth("table_e_example", "degree", before, graduated_on="2024-06-30").refusal


# Days, leap years, over new year ------------------------------------------------------------------


def test_there_are_no_more_days_than_the_dates_have():
    leap = {"year": 2024, "started_on": "2024-02-28", "ended_on": "2024-03-01"}
    assert worth("table_e_example", "seminar", quantity=3, **leap).hours == 36
    common = {"started_on": "2026-02-28", "ended_on": "2026-03-01"}
    assert worth("table_e_example", "seminar", quantity=3, **common).wants == (
        "2026 年度内的起止日期只有 2 天，请按这一年度的天数填写。",
    )


def test_over_new_year_each_year_has_its_own_days():
    dates = {"started_on": "2025-12-30", "ended_on": "2026-01-02"}
    assert worth("table_e_example", "seminar", year=2025, quantity=2, **dates).hours == 24
    assert worth("table_e_example", "seminar", year=2025, quantity=3, **dates).wants
    rest = Already(items=(counted("event", 24, 2025),))
    assert worth("table_e_example", "seminar", rest, year=2026, quantity=2, **dates).hours == 24
    assert worth("table_e_example", "seminar", rest, year=2025, quantity=2, **dates).refusal


# 7 bucket, and "fills the subject for the year" -----------------------------------------------------


def test_an_exam_completes_the_subject_of_the_year():
    assert worth("table_f_example", "title-exam").hours == 48
    rest = worth("table_f_example", "title-exam", Already(by_subject={"professional": dec(30.5)}))
    assert rest.hours == dec(17.5)
    assert steps(rest) == ["计满本年度“专业科目”：还差 17.5 学时"]
    full = worth("table_f_example", "title-exam", Already(by_subject={"professional": dec(48)}))
    assert full.refusal == "本年度“专业科目”已经达到 48 学时，不用再计满。"


def test_what_must_come_from_a_platform_cannot_be_filled_by_an_exam():
    only = '[[minimum]]\nsubjects = ["professional"]\nhours = 20\nsource = "platform"\n'
    found = worth(read(text(f"{only}{ACTIVITY}rates = [{{ fills = true }}]")), "a")
    assert found.refusal == "本年度对“专业科目”没有最低学时要求，不能计满。"


def test_the_subject_is_fixed_asked_or_refused():
    assert worth("table_f_example", "patent", subject="", variant="utility", rank=1).subject == "professional"
    assert worth("shandong", "paper", subject="", stated=3).wants == ("请选择科目。",)
    assert worth("table_f_example", "patent", subject="public", variant="utility", rank=1).refusal


# 8 caps -------------------------------------------------------------------------------------------


def test_a_cap_bites_in_part_exactly_and_wholly():
    paper = {"variant": "core", "quantity": 3000}
    part = worth("table_f_example", "paper", Already(by_kind={"paper": dec(20)}), **paper)
    assert (part.hours, part.raw, part.cap.name) == (10, 30, "paper")
    assert steps(part)[-1] == "本年度“论文”最多计 30 学时，已计 20 学时，只计 10 学时"
    exactly = worth("table_f_example", "paper", **paper)
    assert (exactly.hours, exactly.cap) == (30, None)
    full = worth("table_f_example", "paper", Already(by_kind={"paper": dec(30)}), **paper)
    assert (full.hours, full.raw, full.cap.name) == (0, 30, "paper")
    assert full.refusal == "本年度“论文”最多计 30 学时，已计 30 学时，不能再计。"


@pytest.mark.parametrize(
    ("already", "per", "hours"),
    [
        (Already(by_group={"results": dec(50)}), "group", 10),
        (Already(by_source={"declaration": dec(55)}), "source", 15),
        (Already(by_source={"import": dec(70)}), None, 40),
        (Already(by_group={"results": dec(50)}, by_source={"declaration": dec(65)}), "source", 5),
    ],
)
def test_the_tightest_cap_counts(already, per, hours):
    found = worth("table_f_example", "patent", already, variant="invention", rank=1)
    assert (found.hours, found.cap and found.cap.per) == (hours, per)


def test_caps_of_a_subject_and_of_each_provider():
    found = worth(
        "table_f_example", "computer-test", Already(by_subject={"public": dec(30)}), subject="", quantity=1
    )
    assert (found.hours, found.cap.per) == (6, "subject")
    before = Already(by_provider={"石大云培": dec(23.5)})
    course = {"provider": "石大云培", "quantity": 4}
    assert worth("table_f_example", "listed-course", before, **course).hours == dec(0.5)
    other = {"provider": "泰安市专业技术人员继续教育平台", "quantity": 4}
    assert worth("table_f_example", "listed-course", before, **other).hours == 2


def test_the_most_of_one_declaration():
    rules = read(
        text('[activity.a]\nname="甲"\nsubjects=["public"]\nmax_hours=20\nrates=[{hours=6, per="day"}]')
    )
    found = worth(rules, "a", subject="", quantity=5)
    assert (found.hours, found.raw, found.cap) == (20, 30, None)
    assert steps(found)[-1] == "一次最多计 20 学时，只计 20 学时"


def test_a_platforms_record_has_no_rule_but_the_caps():
    found = worth("table_f_example", "", source="import", subject="public", provider="甲平台", stated=30)
    assert (found.hours, found.raw, found.cap.per) == (24, 30, "provider")


# 9 exclusivity and once ---------------------------------------------------------------------------


def test_of_one_work_only_the_highest_counts():
    prize = {"variant": "first", "rank": 1}
    found = worth("table_f_example", "prize", Already(items=(counted("exclusive", 20),)), **prize)
    assert (found.hours, found.raw) == (10, 30)
    assert steps(found)[-1] == "同一成果只按最高的一项计：已计 20 学时，只补 10 学时"
    lower = worth("table_f_example", "prize", Already(items=(counted("exclusive", 30),)), **prize)
    assert lower.refusal == "同一成果只按最高的一项计，已计 30 学时，“获奖”不再计。"


def test_one_proof_counts_once():
    used = Already(items=(counted("evidence", 20, 2025, "论文：甲"),))
    found = worth("table_f_example", "paper", used, variant="core", quantity=3000)
    assert found.refusal == "这份证明材料已计入 2025 年度（论文：甲），不重复计。"


# 10 preconditions ---------------------------------------------------------------------------------


def test_what_must_be_filed_and_planned():
    asked = worth("table_c_example", "self-study", quantity=8)
    assert asked.wants == ("请说明是否已事先备案，并附备案材料。", "请说明是否已列入单位年度计划，并附计划。")
    yes = {"filed_in_advance": True, "in_plan": True}
    assert worth("table_c_example", "self-study", quantity=8, **yes).hours == 8
    no = worth("table_c_example", "self-study", quantity=8, **(yes | {"filed_in_advance": False}))
    assert no.refusal == "“自学”须事先备案，未备案的不能折算学时。"
    assert (
        "年度计划" in worth("table_c_example", "self-study", quantity=8, **(yes | {"in_plan": False})).refusal
    )


def test_an_organiser_must_be_on_the_list():
    assert worth("table_f_example", "listed-course", quantity=2).wants == ("请填写主办单位。",)
    found = worth("table_f_example", "listed-course", quantity=2, provider="某公司")
    assert found.refusal == "“某公司”不在“指定机构培训”认可的主办单位名单内，不能折算学时。"


# 11 evidence: every shipped activity has it (test_rules_tables.py) ----------------------------------


# 12 sector; 13 years, transition, inheritance -------------------------------------------------------


def test_a_sector_replaces_everything():
    found = merged([pack("accounting"), pack("shandong")], 2026)
    assert "filed-training" not in found.activities
    assert found.activities["paper"].conversion
    assert found.basis == pack("accounting").basis


def test_a_city_changes_adds_and_removes():
    found = merged([pack("zibo_example"), pack("shandong")], 2026)
    assert (found.code, found.name) == ("zibo-example", "样例：淄博")
    assert len(found.minimums) == 4
    assert "standard" not in found.activities
    assert found.activities["filed-training"].conversion
    assert found.activities["paper"].conversion is None
    assert found.activities["paper"].basis == pack("shandong").basis
    assert "xuexi-qiangguo" in found.activities
    assert not found.empty_conversions
    assert merged([pack("suqian"), pack("shandong")], 2026).minimums == pack("shandong").minimums


def test_a_pack_holds_from_year_to_year():
    assert merged([pack("zibo_example"), pack("shandong")], 2021).code == "shandong"
    before = merged([pack("shandong")], 2020)
    assert (before.code, before.minimums, before.activities) == ("", (), {})
    old = read(text("", "year_to = 2023"))
    assert merged([old], 2023).code == "example"
    assert merged([old], 2024).code == ""


def test_the_line_of_an_inherited_activity_knows_the_nearer_caps():
    above = read(
        text('[groups]\ng="成果"\n[activity.a]\nname="甲"\nsubjects=["public"]\ngroup="g"\nrates=[{hours=6}]')
    )
    near = read(
        text('[groups]\ng="成果"\n[[cap]]\nper="group"\nname="g"\nhours=40').replace('"example"', '"near"')
    )
    assert above.activities["a"].line == "每项 6 学时。"
    assert merged([near, above], 2026).activities["a"].line == "每项 6 学时；与“成果”合计每年最多 40 学时。"


@pytest.mark.parametrize(
    ("since", "year", "code"),
    [
        (2019, 2024, "anhui-2001-example"),
        (2019, 2025, "anhui-2001-example"),
        (2024, 2030, "anhui-2001-example"),
        (2025, 2025, "anhui-2025-example"),
        (2019, 2031, "anhui-2025-example"),
        (None, 2026, "anhui-2025-example"),
    ],
)
def test_old_people_keep_the_old_rules_until_2030(since, year, code):
    old = read(text("", "year_to = 2024").replace('"example"', '"anhui-2001-example"'))
    assert merged([pack("transition_example"), old], year, newcomer_since=since).code == code


# 14 relief: test_rules_required.py ------------------------------------------------------------------


def test_an_unknown_kind_is_refused():
    found = worth("shandong", "nothing")
    assert (found.hours, found.refusal) == (0, "这种申报形式在本年度的政策里没有，请重新选择。")


@pytest.mark.parametrize(
    ("name", "kind", "line"),
    [
        (
            "accounting",
            "paper",
            "独立完成 30 学时，第一作者 30 学时，其他作者各 10 学时；只在完成或取得的当年有效。",
        ),
        ("suqian", "training", "脱产：每天 6 学时；半脱产：每天 3 学时。"),
        ("suqian", "study-visit", "按实际学时计，以单位签章的考察报告为准。"),
        (
            "table_b_example",
            "conference",
            "国家级：每项 12 学时；省（部）级：每项 8 学时；国家级宣读论文（2000 字以内）另加 6 学时；"
            "国家级宣读论文（超过 2000 字）另加 8 学时；省（部）级宣读论文（2000 字以内）另加 4 学时；"
            "省（部）级宣读论文（超过 2000 字）另加 6 学时。",
        ),
        (
            "table_f_example",
            "prize",
            "一等奖：第 1 完成人 30 学时，每后一位少 3 学时，只计前 5 位完成人；"
            "二等奖：第 1 完成人 24 学时，每后一位少 3 学时，只计前 5 位完成人；"
            "同一成果只按最高的一项计；与“成果”合计每年最多 60 学时。",
        ),
        ("table_e_example", "degree", "每项 72 学时；取得后 3 年内有效，计一次。"),
        ("table_e_example", "university-training", "每天 8 学时；进行期间每年计一次，最多计 2 年。"),
    ],
)
def test_the_rule_in_one_sentence(name, kind, line):
    assert pack(name).activities[kind].line == line


def test_what_a_rule_asks():
    asks = {code: one.asks for code, one in pack("table_b_example").activities.items()}
    assert asks == {
        "course": ("quantity",),
        "conference": ("level", "surcharge_quantity"),
        "project": ("variant", "level", "rank"),
        "paper": ("rank",),
    }
    assert pack("table_c_example").activities["self-study"].asks == (
        "quantity",
        "filed_in_advance",
        "in_plan",
    )
    assert pack("guangdong").activities["training"].measure(variant="lessons") == "个 45 分钟"
