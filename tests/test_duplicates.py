"""What may have been counted before (F-107): each rule, to the person before submitting and to who signs, in few look-ups."""

import datetime
import re
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credits.ledger import revoke
from credits.models import Declaration, UnitDeclaration
from credits.past import past_of
from credits.reckoning import account_of
from credits.required import packs_at
from registration.models import IdentityCorrection
from tests import declaring as walk
from tests.declaring import DAY, DECLARE, YEAR, answers, errors_of, fill_in, proof, text
from tests.test_attachments import pdf
from tests.test_credits import declaration, declare, sign
from workflow import engine
from workflow.attachments import attach

DOI = "10.1000/jz.2026.001"


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


@pytest.fixture
def unit(town):
    return town.employer(under=town.authority(name="市住建局"), name="测试中心")


@pytest.fixture
def person(town, unit):
    return town.practitioner(at=unit, user=town.user("测试甲"))


@pytest.fixture
def browser(town, person):
    return town.login(person)


def paper(**changed) -> dict:
    return answers("paper", **{"stated_hours": "6", "title": "一篇论文", **changed})


def forum(**changed) -> dict:
    return answers("academic-forum", **{"stated_hours": "6", **changed})


def told(page) -> list[str]:
    return [one["text"] for one in page.context["signals"]]


def to_reviewer(town, application, who=None) -> list[tuple]:
    """The signals on the page of who signs first: (words, whether a link leads to the other matter)."""
    page = text(town.login(who or application.steps.first().approver).get(detail(application)))
    block = re.search(r"核对提示：可能重复</h2>\s*<ul[^>]*>(.*?)</ul>", page, re.S)
    lines = re.findall(r"<li[^>]*>(.*?)</li>", block[1], re.S) if block else []
    return [(re.sub(r"\s*<a.*?</a>", "", line).strip(), "<a href" in line) for line in lines]


def detail(application) -> str:
    return reverse("workflow:detail", args=[application.pk])


# --- the same file ----------------------------------------------------------------------------------------


def test_one_s_own_file_once_more(town, person, browser):
    same = proof("论坛证书.pdf").read()
    first = walk.submit(browser, forum(files=[proof("论坛证书.pdf", same)], title="甲论坛", stated_hours="2"))
    page = fill_in(browser, forum(files=[proof("另一个名字.pdf", same)], title="乙论坛", stated_hours="2"))
    assert told(page) == [
        f"文件“论坛证书.pdf”已用于本人的另一件申报：{first.summary}，受理号 {first.receipt}。"
    ]
    assert detail(first) in text(page)
    assert "上面的可能重复我已逐条核对" in text(page)
    filed = walk.send(browser, page)
    assert filed.declaration.reckoning["signals"] == told(page)
    assert to_reviewer(town, filed) == [(told(page)[0], True)]


def test_somebody_else_s_file_names_nobody_to_the_person(town, person, unit, browser):
    same = proof().read()
    other = town.practitioner(at=unit, user=town.user("测试乙丙"))
    first = walk.submit(town.login(other), forum(files=[proof("一.pdf", same)], title="别人的论坛"))
    page = fill_in(browser, forum(files=[proof("二.pdf", same)], title="我的论坛"))
    assert told(page) == ["已有他人用完全相同的文件申报。"]
    for secret in ("测试乙", "测*", "别人的论坛", first.receipt, detail(first)):
        assert secret not in text(page)
    filed = walk.send(browser, page)
    ((words, linked),) = to_reviewer(town, filed)
    assert words == f"测**丙（测试中心）用完全相同的文件申报：{first.summary}"
    assert linked
    own = text(browser.get(detail(filed)))
    assert "已有他人用完全相同的文件申报。" in own
    assert detail(first) not in own


def test_a_reviewer_reads_no_name_of_people_elsewhere(town, person, browser):
    stranger = town.practitioner(at=town.employer(name="别的单位"), user=town.user("测试丁戊"))
    first = walk.submit(town.login(stranger), paper(certificate_number=DOI, title="别处的论文"))
    filed = walk.submit(browser, paper(certificate_number=DOI))
    ((words, linked),) = to_reviewer(town, filed)
    assert words == "其他单位有人用同一编号申报，姓名和单位您无权查看。"
    assert not linked
    page = text(town.login(person.employer).get(detail(filed)))
    assert "别处的论文" not in page
    assert detail(first) not in page
    sign(town, filed, times=2)
    ((words, linked),) = to_reviewer(town, filed, town.bureau)
    assert words.startswith("测**戊（别的单位）用同一编号申报：")
    assert linked
    assert town.login(town.bureau).get(detail(first)).status_code == 200


def test_two_others_are_one_sentence_to_the_person(town, person, unit, browser):
    for _ in range(2):
        walk.submit(town.login(town.practitioner(at=unit)), paper(certificate_number=DOI))
    page = fill_in(browser, paper(certificate_number=DOI))
    assert told(page) == ["已有他人用同一编号申报。"]
    filed = walk.send(browser, page)
    assert filed.declaration.reckoning["signals"] == told(page)
    assert len(to_reviewer(town, filed)) == 2


@pytest.mark.parametrize("end", ["rejected", "withdrawn"])
def test_what_came_to_nothing_is_no_duplicate(town, person, browser, end):
    same = proof().read()
    first = walk.submit(browser, paper(files=[proof("一.pdf", same)], certificate_number=DOI))
    if end == "rejected":
        engine.reject(first.steps.first().pk, by=town.actor(person.employer), comment="不符")
    else:
        engine.withdraw(first.pk, by=town.actor(person))
    page = fill_in(browser, paper(files=[proof("二.pdf", same)], certificate_number=DOI))
    assert told(page) == []
    assert "可能重复" not in text(page)


def test_files_of_other_matters_are_not_compared(town, person, browser):
    same = proof().read()
    correction = IdentityCorrection(user=person.user, practitioner=person, new_name="测试新", reason="写错")
    attach(engine.submit("identity-correction", correction, by=town.actor(person)), proof("x.pdf", same))
    assert told(fill_in(browser, paper(files=[proof("y.pdf", same)]))) == []


# --- the same number --------------------------------------------------------------------------------------


def test_one_s_own_number_written_in_another_way(town, person, browser):
    first = walk.submit(browser, forum(certificate_number="TA-2026-00123", title="甲论坛", stated_hours="2"))
    page = fill_in(browser, forum(certificate_number="证书编号：ta 2026 00123", title="乙", stated_hours="2"))
    (sentence,) = told(page)
    assert f"已用于本人的另一件申报：“甲论坛”（受理号 {first.receipt}，审核中）。" in sentence
    sign(town, first)
    (sentence,) = told(
        fill_in(browser, forum(certificate_number="TA202600123", title="乙", stated_hours="2"))
    )
    assert f"已计入 {YEAR} 年度" in sentence
    revoke(first.declaration, by=town.actor(town.bureau), reason="误计")
    assert told(fill_in(browser, forum(certificate_number="TA202600123", title="乙", stated_hours="2"))) == []


CO_AUTHORS = [
    ("another rank", {"rank": "2", "people": "3"}, {"rank": "1", "people": "3"}, 0),
    ("the same rank", {"rank": "2", "people": "3"}, {"rank": "2", "people": "3"}, 1),
    ("no rank given", {"rank": "", "people": ""}, {"rank": "1", "people": "3"}, 1),
    ("nobody gave a rank", {"rank": "", "people": ""}, {"rank": "", "people": ""}, 1),
    ("a sole author", {"rank": "1", "people": "1"}, {"rank": "2", "people": "2"}, 1),
]


@pytest.mark.parametrize(("why", "mine", "theirs", "signals"), CO_AUTHORS, ids=[one[0] for one in CO_AUTHORS])
def test_co_authors_are_allowed_within_their_ranks(town, person, unit, browser, why, mine, theirs, signals):
    other = town.practitioner(at=unit)
    walk.submit(town.login(other), paper(certificate_number=DOI, **theirs))
    page = fill_in(browser, paper(certificate_number=f"doi:{DOI.upper()}", **mine))
    assert len(told(page)) == signals
    if signals:
        assert told(page)[0].startswith("已有他人用同一编号申报")


def test_more_authors_than_the_work_has(town, person, unit, browser):
    for rank in "12":
        other = town.practitioner(at=unit)
        walk.submit(town.login(other), paper(certificate_number=DOI, rank=rank, people="2"))
    page = fill_in(browser, paper(certificate_number=DOI, rank="3", people="3"))
    assert told(page) == []
    page = fill_in(browser, paper(certificate_number=DOI, rank="2", people="2"))
    assert "已有他人用同一编号申报，而且人数已超过填写的总人数。" in told(page)


def test_a_rank_that_does_not_count_is_refused_by_the_rule_itself(town, person, browser):
    walk.publish("table_b_example", town.bureau)
    answer = browser.post(DECLARE, answers("paper", certificate_number=DOI, rank="4", people="5"))
    assert "只计前 3 位作者" in errors_of(answer)["rank"][0]


def test_a_journal_s_number_is_nobody_s(town, person, unit, browser):
    walk.submit(town.login(town.practitioner(at=unit)), paper(certificate_number="CN 37-1234/TU"))
    assert told(fill_in(browser, paper(certificate_number="CN37-1234/TU"))) == []


def test_what_a_unit_filed_for_its_people_is_one_filing(town, person, unit):
    """They share proof and number by nature; the same number from elsewhere is still a signal."""
    other = town.practitioner(at=unit)
    kind = walk.kind_of("filed-training")
    facts = {
        "year": YEAR, "subject": "public", "kind": kind, "title": "公需培训", "organiser": "中心",
        "started_on": DAY, "ended_on": DAY, "certificate_number": "GX-2026-0001",
    }  # fmt: skip
    filing = UnitDeclaration.objects.create(
        organization=unit, hours=Decimal(6), by=town.super_admin(unit).user, **facts
    )
    content = proof().read()
    for one in (other, person):
        made = Declaration(practitioner=one, hours=Decimal(6), unit_declaration=filing, **facts)
        attach(engine.submit("hours-declaration", made, by=town.actor(one)), proof("名册.pdf", content))
    mine = Declaration.objects.get(practitioner=person)
    mine.digests = tuple(mine.application.attachments.values_list("sha256", flat=True))
    assert account_of(mine, without=mine.pk).signals == []
    mine.unit_declaration_id = None
    assert {one.rule for one in account_of(mine, without=mine.pk).signals} == {"file", "number"}


# --- the same activity, the same time ----------------------------------------------------------------------


def test_the_same_activity_once_more(town, person, browser):
    first = walk.submit(browser, paper(title="《混凝土 研究》"))
    page = fill_in(browser, paper(title="混凝土研究"))
    assert told(page) == [f"本人已申报过同一项活动：“《混凝土 研究》”（受理号 {first.receipt}，审核中）。"]
    later = str(DAY + datetime.timedelta(days=40))
    assert told(fill_in(browser, paper(title="混凝土研究", started_on=later))) == []


def span(first: int, last: int, hours, **changed) -> dict:
    days = [str(DAY + datetime.timedelta(days=number)) for number in (first, last)]
    return forum(started_on=days[0], ended_on=days[1], stated_hours=str(hours), **changed)


OVERLAPS = [
    ("the same day, twelve hours", (0, 0, 6), (0, 0, 6), 1),
    ("the same day, eight hours", (0, 0, 4), (0, 0, 4), 0),
    ("one day in common of four", (0, 3, 20), (3, 6, 20), 1),
    ("one after the other", (0, 3, 40), (4, 6, 40), 0),
    ("inside a long one", (0, 9, 20), (4, 4, 7), 1),
    ("inside a long and light one", (0, 9, 10), (4, 4, 7), 0),
    ("alone more than eight", (0, 0, 20), (30, 30, 20), 0),
]


@pytest.mark.parametrize(("why", "first", "second", "signals"), OVERLAPS, ids=[one[0] for one in OVERLAPS])
def test_trainings_on_the_same_days(browser, why, first, second, signals):
    filed = walk.submit(browser, span(*first, title="甲培训"))
    sentences = told(fill_in(browser, span(*second, title="乙研讨")))
    assert len(sentences) == signals
    if signals:
        assert f"与“甲培训”（受理号 {filed.receipt}，审核中）重叠" in sentences[0]
        assert "超过 8 学时" in sentences[0]


def test_a_paper_takes_no_day_away(browser):
    walk.submit(browser, span(0, 0, 8))
    assert told(fill_in(browser, paper(stated_hours="20"))) == []


def test_three_light_ones_on_one_day(browser):
    for name in ("甲研讨", "乙培训"):
        walk.submit(browser, span(0, 0, 3, title=name))
    (sentence,) = told(fill_in(browser, span(0, 0, 3, title="丙讲座")))
    assert "“甲研讨”" in sentence
    assert "“乙培训”" in sentence
    assert "合计每天 9 学时" in sentence


def test_a_training_over_new_year_by_days_counts_in_both(town, person, browser):
    walk.publish("suqian", town.bureau)
    over = {
        "started_on": f"{YEAR - 1}-12-30",
        "ended_on": f"{YEAR}-01-02",
        "variant": "part-time",
        "quantity": "2",
    }
    walk.submit(browser, answers("training", year=YEAR - 1, **over))
    page = fill_in(browser, answers("training", year=YEAR, **over))
    assert [one for one in told(page) if "同一项活动" in one] == []
    with_stated = {"started_on": f"{YEAR - 1}-12-30", "ended_on": f"{YEAR}-01-02", "stated_hours": "4"}
    walk.submit(browser, answers("study-visit", year=YEAR - 1, **with_stated))
    page = fill_in(browser, answers("study-visit", year=YEAR, **with_stated))
    assert any("同一项活动" in one for one in told(page)), "hours on a proof would count twice"


# --- imported against declared (F-107) ----------------------------------------------------------------------


def test_the_number_a_platform_reported_is_refused(town, person, browser):
    walk.reported(town, person, certificate_number="PX-2026-00077", title="平台课程", hours=12)
    answer = browser.post(DECLARE, forum(certificate_number="px 2026 00077"))
    assert errors_of(answer) == {
        "certificate_number": [
            f"“测试平台”已经把这项学时导入 {YEAR} 年度：平台课程，12 学时。平台统一导入的学时不用申报。"
        ]
    }
    assert not Declaration.objects.exists()


def test_refused_at_the_button_when_the_report_came_meanwhile(town, person, browser):
    page = fill_in(browser, forum(certificate_number="PX-2026-00077"))
    walk.reported(town, person, certificate_number="PX-2026-00077")
    answer = browser.post(walk.CHECK, walk.hidden(page), follow=True)
    assert not Declaration.objects.exists()
    assert "平台统一导入的学时不用申报。" in text(answer)


def test_programs_are_refused_as_well(town, person):
    walk.reported(town, person, certificate_number="PX-2026-00077")
    with pytest.raises(engine.Refused, match="平台统一导入的学时不用申报"):
        declare(town, person, certificate_number="PX202600077")


def test_a_similar_name_at_the_same_time_is_a_signal(town, person, browser):
    walk.reported(town, person, title="建筑节能技术（2026）", hours=3, started_on=None)
    page = fill_in(browser, forum(title="山东省建筑节能技术2026培训", stated_hours="2"))
    assert told(page) == [
        "学习平台已导入时间重叠、名称相近的学时：“建筑节能技术（2026）”（测试平台，3 学时）。"
    ]
    assert to_reviewer(town, walk.send(browser, page)) == [(told(page)[0], False)]


@pytest.mark.parametrize(
    "changed",
    [
        {"title": "另一个题目完全不同"},
        {"started_on": str(DAY + datetime.timedelta(days=9)), "title": "建筑节能技术"},
    ],
)
def test_another_name_or_another_time_is_none(town, person, browser, changed):
    walk.reported(town, person, title="建筑节能技术", hours=3)
    assert told(fill_in(browser, forum(**{"stated_hours": "2", **changed}))) == []


def test_a_corrected_report_no_longer_speaks(town, person, browser):
    wrong = walk.reported(town, person, certificate_number="PX-2026-00077", hours=12)
    walk.reported(
        town, person, certificate_number="PX-2026-00078", hours=10, title="更正后的课程", corrects=wrong
    )
    assert browser.post(DECLARE, forum(certificate_number="PX-2026-00077")).status_code == 302
    assert browser.post(DECLARE, forum(certificate_number="PX-2026-00078")).status_code == 200


def test_other_people_s_reports_are_nobody_else_s_affair(town, person, unit, browser):
    walk.reported(town, town.practitioner(at=unit), certificate_number="PX-2026-00077")
    assert browser.post(DECLARE, forum(certificate_number="PX-2026-00077")).status_code == 302


# --- live and frozen ----------------------------------------------------------------------------------------


def test_the_reviewer_sees_what_is_true_now_and_what_the_person_saw(town, person, unit, browser):
    filed = walk.submit(browser, paper(certificate_number=DOI))
    assert to_reviewer(town, filed) == []
    other = town.practitioner(at=unit, user=town.user("测试己"))
    second = walk.submit(town.login(other), paper(certificate_number=DOI, title="后来的论文"))
    ((words, _),) = to_reviewer(town, filed)
    assert "后来的论文" in words
    assert filed.declaration.reckoning["signals"] == [], "frozen as it was"
    engine.withdraw(filed.pk, by=town.actor(person))
    assert to_reviewer(town, second) == [("提交时的提示，现在已不存在：已有他人用同一编号申报。", False)]


def test_signals_stay_readable_once_decided(town, person, unit, browser):
    walk.submit(town.login(town.practitioner(at=unit)), paper(certificate_number=DOI))
    filed = sign(town, walk.submit(browser, paper(certificate_number=DOI)))
    assert "已有他人用同一编号申报。" in text(browser.get(detail(filed)))


# --- cost -----------------------------------------------------------------------------------------------------


def test_three_look_ups_however_much_there_is(town, person, unit, browser):
    content = pdf()

    def cost() -> tuple[int, int]:
        made = declaration(person, hours=6, certificate_number=DOI)
        made.digests = ("0" * 64,)
        held = list(packs_at(person.path))
        with CaptureQueriesContext(connection) as queries:
            account = account_of(made, held)
        return len(queries), len(account.signals)

    alone = cost()
    for _ in range(4):
        other = town.practitioner(at=unit)
        attach(declare(town, other, certificate_number=DOI), proof("a.pdf", content))
        declare(town, person, certificate_number=DOI)
        walk.reported(town, person, title="山东省建筑节能学术论坛")
    many = cost()
    assert alone[0] == many[0] == 3, "a fourth tells whose a file is, where one is known"
    assert alone[1] == 0
    assert many[1] == 9, "three and a word on the fourth, of one's own and of others; one of time"


def test_many_of_one_rule_are_counted_not_listed(town, person, browser):
    for _ in range(5):
        declare(town, person, certificate_number=DOI)
    page = fill_in(browser, paper(certificate_number=DOI))
    assert len([one for one in told(page) if f"编号“{DOI}”" in one]) == 3
    assert "同样的情况另有 2 件，没有逐一列出。" in told(page)


def test_every_look_up_has_an_index(town, person):
    """With sequential scans forbidden, the planner must find another way for each of the four."""
    made = declaration(person, hours=6, certificate_number=DOI)
    made.digests = ("0" * 64,)
    held = list(packs_at(person.path))
    with CaptureQueriesContext(connection) as queries:
        account_of(made, held)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        plans = []
        for query in queries:
            cursor.execute("EXPLAIN " + query["sql"])
            plans.append("\n".join(row[0] for row in cursor.fetchall()))
    for table in ("workflow_attachment", "credits_declaration", "credits_intakerecord"):
        assert not any(f"Seq Scan on {table}" in plan for plan in plans), table


def test_one_s_past_is_read_for_the_years_concerned(town, person):
    walk.reported(town, person, year=YEAR - 3, completed_on=DAY.replace(year=YEAR - 3), started_on=None)
    declare(town, person, day=DAY.replace(year=YEAR - 3))
    past = past_of(person, [YEAR])
    assert [(one.year, one.application_id is None) for one in past] == [(YEAR - 3, False)]
