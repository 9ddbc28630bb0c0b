"""Each kind by its own rule: cards, exactly the fields that it wants, the account, what is kept and granted."""

import re
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.urls import reverse

from credits import packs
from credits.forms.declaring import DeclareForm
from credits.models import LedgerEntry
from credits.reckoning import account_of
from credits.required import packs_at
from credits.rules.facts import Facts
from credits.rules.reckon import reckon
from orgs.models import TitleMode, TitleSeries
from tests import declaring as walk
from tests.declaring import CHECK, DAY, DECLARE, YEAR, answers, errors_of, fill_in, text, usual
from tests.test_credits import sign

EVERY = ["suqian", "accounting", "guangdong", "shandong", *("table_b_example", "table_c_example"), "table_e_example", "table_f_example"]  # fmt: skip
EXTRA = {"level", "rank", "people"}  # where nothing is reckoned from them


@pytest.fixture
def person(town):
    return town.practitioner(at=town.employer(under=town.authority(name="市住建局"), name="测试中心"))


@pytest.fixture
def browser(town, person):
    return town.login(person)


def an_accountant(town, person):
    series = TitleSeries.objects.create(code="17", name="会计人员", order=17)
    type(person).objects.filter(pk=person.pk).update(
        title_series=series, title_level="middle", title="会计师", title_mode=TitleMode.EXAMINATION, title_awarded_on=DAY
    )  # fmt: skip
    person.refresh_from_db()


# --- cards ------------------------------------------------------------------------------------------------


def test_a_card_says_rule_proof_and_what_the_cap_leaves(town, person, browser):
    walk.publish("table_f_example", town.bureau)
    cards = {card.code: card for card in browser.get(DECLARE).context["cards"]}
    assert cards["paper"].name == "论文"
    assert "每年最多计 30 学时" in cards["paper"].line
    assert cards["paper"].room.left == 30
    assert cards["patent"].room.left == 60, "the group's"
    filled = usual(walk.activities_of(person)["paper"], variant="ordinary")
    walk.submit(browser, filled)
    page = browser.get(DECLARE)
    assert {card.code: card.room.left for card in page.context["cards"]}["paper"] == 10
    assert "本年度还可计 10 学时" in text(page)


def test_without_any_published_conversion_the_page_says_so_once(browser):
    call_command("load_hours", verbosity=0)
    page = text(browser.get(DECLARE))
    assert page.count("本地折算标准尚未公布") == 1
    assert "材料：期刊封面、目录、正文首页" in page
    assert "本地折算标准尚未公布，按证明材料上的学时申报" in text(browser.get(f"{DECLARE}?kind=paper"))


def test_the_cards_are_those_of_the_person_s_own_rules(town, person, browser):
    call_command("load_hours", verbosity=0)
    county = town.bureau_under(town.bureau)
    walk.publish("suqian", county)
    there = town.login(town.practitioner(at=town.employer(under=county)))
    assert "公需科目培训证书" in text(there.get(DECLARE))
    assert "公需科目培训证书" not in text(browser.get(DECLARE))
    walk.publish("accounting")
    assert "会计类专业会议" not in text(browser.get(DECLARE))
    an_accountant(town, person)
    assert "会计类专业会议" in text(browser.get(DECLARE))


def test_another_year_has_its_own_cards(browser):
    walk.put('[activity.forum]\nname = "往年的论坛"\nsubjects = ["public"]\nrates = [{ hours = 4 }]')
    assert "往年的论坛" in text(browser.get(DECLARE, {"year": YEAR - 1}))
    assert f"kind=forum&amp;year={YEAR - 1}" in text(browser.get(DECLARE, {"year": YEAR - 1}))
    for nonsense in ("x", "1999", "9" * 50, "٢٠٢٦"):
        assert browser.get(DECLARE, {"year": nonsense}).context["year"] == YEAR


def test_no_rules_no_cards_but_advice(browser):
    assert "请向本单位管理员或当地人社部门咨询" in text(browser.get(DECLARE))
    answer = browser.get(DECLARE, {"kind": "paper"})
    assert "请先选择申报形式" in text(answer)


# --- what is asked ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", EVERY)
def test_a_form_asks_what_its_activity_wants_and_nothing_else(town, person, browser, pack):
    walk.publish(pack, town.bureau)
    if pack == "accounting":
        an_accountant(town, person)
    common = {"title", "organiser", "started_on", "ended_on", "year", "certificate_number", "note", "files"}
    activities = walk.activities_of(person)
    assert activities
    for activity in activities.values():
        form = browser.get(DECLARE, {"kind": activity.code}).context["form"]
        asked = {field.name for field in form.visible_fields()}
        wanted = {"stated_hours" if name == "stated" else name for name in activity.asks} - {"provider"}
        assert asked - common - wanted <= (EXTRA if activity.conversion is None else set()), activity.code
        assert wanted | common <= asked, activity.code
        assert ("subject" in asked) == (len(activity.subjects) > 1)


@pytest.mark.parametrize("pack", EVERY)
def test_what_the_check_page_shows_is_kept_and_granted(town, person, browser, pack):
    """The property of issue item 2, for every activity of every pack, its usual answers and its lower ranks."""
    version = walk.publish(pack, town.bureau)
    if pack == "accounting":
        an_accountant(town, person)
    for code, activity in walk.activities_of(person).items():
        someone = town.practitioner(at=person.employer)
        if pack == "accounting":
            type(someone).objects.filter(pk=someone.pk).update(
                title_series="17", title_level="middle", title="会计师",
                title_mode=TitleMode.EXAMINATION, title_awarded_on=DAY,
            )  # fmt: skip
        hers = town.login(someone)
        page = fill_in(
            hers, usual(activity, rank="2" if any(row.is_ranked for row in activity.rates) else "1")
        )
        shown = walk.shown_hours(page)
        words = text(page)
        filed = walk.send(hers, page)
        kept = filed.declaration
        kept.refresh_from_db()
        assert kept.hours == shown > 0, code
        assert kept.pack == version
        assert kept.reckoning["line"] == activity.line
        for sentence, _ in kept.reckoning["steps"]:
            assert sentence in words
        assert f"申报 {shown}" not in words
        sign(town, filed)
        entry = LedgerEntry.objects.get(declaration=kept)
        assert (entry.hours, entry.subject, entry.year) == (shown, kept.subject, YEAR), code


def test_hours_by_table_d(town, person, browser):
    """Suqian: full-time training 6 a day, part-time 3; 100 for a degree over two years; 72 for the public certificate."""
    walk.publish("suqian", town.bureau)

    def worth(kind, **filled):
        return walk.shown_hours(fill_in(browser, answers(kind, **filled)))

    three = {"ended_on": str(DAY.replace(day=4)), "quantity": "3"}
    assert worth("training", variant="full-time", **three) == 18
    assert worth("training", variant="part-time", **three) == 9
    assert worth("public-certificate") == 72
    assert worth("degree", graduated_on=str(DAY)) == 50
    assert worth("course", variant="self-study-exam", quantity="2 门") == 30


def test_hours_by_table_a(town, person, browser):
    """Accounting: a paper 30 for the first author, 10 for each other; research 90 alone, 60 for each other."""
    walk.publish("accounting")
    an_accountant(town, person)

    def worth(kind, **filled):
        return walk.shown_hours(fill_in(browser, answers(kind, **filled)))

    assert worth("paper", people="1") == 30
    assert worth("paper", people="3", rank="1") == 30
    assert worth("paper", people="3", rank="2") == 10
    assert worth("research-project", people="１", rank="") == 90
    assert worth("research-project", people="4 人", rank="4") == 60


def test_an_unpublished_conversion_takes_the_hours_on_the_proof(browser):
    call_command("load_hours", verbosity=0)
    page = fill_in(browser, answers("paper", stated_hours="12.5", people="3", rank="2"))
    assert walk.shown_hours(page) == Decimal("12.5")
    assert "按证明材料上的学时：12.5 学时" in text(page)
    assert "第 2 作者" in text(page)
    kept = walk.send(browser, page).declaration
    assert (kept.rank, kept.people, kept.stated_hours) == (2, 3, Decimal("12.5"))


# --- a sentence beside the field --------------------------------------------------------------------------

WRONG = [
    ("table_b_example", "project", {"rank": ""}, "rank", "请填写本人是第几参加人。"),
    ("table_b_example", "project", {"rank": "6"}, "rank", "只计前 5 位参加人"),
    ("table_b_example", "project", {"level": ""}, "level", "请选择级别"),
    (
        "table_b_example",
        "conference",
        {"surcharge_quantity": "0"},
        "surcharge_quantity",
        "请填1 或更大的整数",
    ),
    ("table_b_example", "course", {"quantity": "2.5"}, "quantity", "数量（门）请填整数。"),
    ("table_c_example", "self-study", {"filed_in_advance": "no"}, "filed_in_advance", "须事先备案"),
    ("table_c_example", "self-study", {"in_plan": "no"}, "in_plan", "须列入单位年度计划"),
    ("table_c_example", "self-study", {"in_plan": ""}, "in_plan", "请选择是否已列入单位年度计划"),
    ("table_f_example", "patent", {"rank": "9", "people": "9"}, "rank", "已无学时"),
    ("table_f_example", "paper", {"quantity": "1999"}, "quantity", "2000 字以上才计学时"),
    (
        "table_f_example",
        "listed-course",
        {"organiser": "别的机构"},
        "organiser",
        "请从列出的选项中选择主办单位",
    ),
    ("table_e_example", "seminar", {"quantity": "3"}, "quantity", "起止日期只有 2 天"),
    ("table_e_example", "degree", {"graduated_on": ""}, "graduated_on", "请填写毕业或取得日期"),
    ("table_e_example", "degree", {"graduated_on": "2099-01-01"}, "graduated_on", "不能晚于今天"),
    ("accounting", "paper", {"people": "", "rank": "1"}, "rank", ""),
    ("accounting", "paper", {"people": "2", "rank": "3"}, "rank", "请核对本人位次"),
    ("accounting", "paper", {"people": "", "rank": ""}, "people", "请填写总人数"),
    ("shandong", "paper", {"stated_hours": ""}, "stated_hours", "请填写证明材料上的学时"),
    ("suqian", "training", {"quantity": ""}, "quantity", "请填写数量（天）"),
    ("suqian", "training", {"quantity": "三"}, "quantity", "请填大于 0 的数"),
]


@pytest.mark.parametrize(("pack", "kind", "changed", "field", "sentence"), WRONG)
def test_what_the_rules_say_stands_beside_its_field(
    town, person, browser, pack, kind, changed, field, sentence
):
    walk.publish(pack, town.bureau)
    if pack == "accounting":
        an_accountant(town, person)
    answer = browser.post(DECLARE, usual(walk.activities_of(person)[kind], **changed))
    if not sentence:
        assert answer.status_code == 302
        return
    assert field in errors_of(answer), errors_of(answer)
    assert text(answer).count(sentence) >= 2, "in the summary and beside the field"


@pytest.mark.parametrize("pack", EVERY)
def test_every_want_of_every_rule_has_a_field_of_the_form(town, person, browser, pack):
    """BESIDE is read from sentences: a new sentence of credits/rules must not end above the form."""
    walk.publish(pack, town.bureau)
    if pack == "accounting":
        an_accountant(town, person)
    held = list(packs_at(person.path))
    request = browser.get(DECLARE).wsgi_request
    for activity in walk.activities_of(person).values():
        form = DeclareForm(
            None,
            request=request,
            practitioner=person,
            packs=held,
            initial={"kind": activity.code, "year": YEAR},
        )
        empty = Facts(kind=activity.code, year=YEAR)
        chosen = Facts(
            kind=activity.code, year=YEAR, subject=activity.subjects[0], variant=next(iter(activity.variants), ""),
            level=next(iter(activity.levels), ""), started_on=DAY, filed_in_advance=True, in_plan=True,
            provider=next(iter(activity.providers), ""),
        )  # fmt: skip
        for facts in (empty, chosen):
            for sentence in reckon(form.rules, facts).wants:
                assert form._beside(sentence) in form.fields, (activity.code, sentence)


def test_a_year_whose_rules_do_not_know_the_kind(town, person, browser):
    walk.put('[activity.forum]\nname = "论坛"\nsubjects = ["public"]\nrates = [{ hours = 4 }]')
    newer = RULES_OF_THE_YEAR.format(year=YEAR)
    packs.publish(packs.draft(newer, bureau=town.bureau))
    day = DAY.replace(year=YEAR - 1)
    answer = browser.post(DECLARE, answers("new-kind", year=YEAR - 1, started_on=str(day), subject="public"))
    assert list(errors_of(answer)) == ["year"]
    assert "请重新选择" in errors_of(answer)["year"][0]


RULES_OF_THE_YEAR = """
code = "newer"
name = "新办法"
basis = "测试文号"
origin = "测试"
mark = "unverified"
year_from = {year}
[subjects]
public = "公需科目"
[activity.new-kind]
name = "新形式"
subjects = ["public"]
rates = [{{ hours = 4 }}]
"""


# --- years ------------------------------------------------------------------------------------------------


def test_a_degree_is_counted_in_two_parts_and_no_third(town, person, browser):
    walk.publish("suqian", town.bureau)
    graduated = DAY.replace(year=YEAR - 2)

    def degree(year):
        return answers(
            "degree", title="工程硕士", year=year, started_on=f"{YEAR - 5}-09-01", ended_on=str(graduated),
            graduated_on=str(graduated),
        )  # fmt: skip

    for year in (YEAR - 2, YEAR - 1):
        assert walk.submit(browser, degree(year)).declaration.hours == 50
    answer = browser.post(DECLARE, degree(YEAR))
    assert "分 2 年计入" in errors_of(answer)["year"][0]
    answer = browser.post(DECLARE, degree(YEAR - 1))
    assert f"已计入 {YEAR - 1} 年度" in errors_of(answer)["year"][0]


def test_an_exclusive_work_brings_only_what_the_higher_adds(town, person, browser):
    walk.publish("table_f_example", town.bureau)
    kinds = walk.activities_of(person)
    walk.submit(browser, usual(kinds["paper"], title="《混凝土 研究》", variant="ordinary"))
    page = fill_in(browser, usual(kinds["prize"], title="混凝土研究", organiser="测试省厅"))
    assert walk.shown_hours(page) == 10
    assert "同一成果只按最高的一项计：已计 20 学时，只补 10 学时" in text(page)


def test_who_fills_in_nothing_is_led_on_and_loses_nothing(browser):
    call_command("load_hours", verbosity=0)
    filled = answers("", stated_hours="3")
    answer = browser.post(DECLARE, filled)
    assert answer.url == DECLARE
    page = browser.get(DECLARE)
    assert "请先选择申报形式" in text(page)
    assert "测试活动" in text(browser.get(f"{DECLARE}?kind=paper"))


def test_the_account_names_its_pack(town, person, browser):
    call_command("load_hours", verbosity=0)
    walk.publish("suqian", town.bureau)
    above = fill_in(browser, answers("paper", stated_hours="3"))
    assert "山东省专业技术人员继续教育 第 1 版" in text(above)
    own = fill_in(browser, answers("public-certificate", subject="public"))
    assert "宿迁市专业技术人员继续教育（样例） 第 1 版" in text(own)


def test_a_person_without_a_form_means_the_hours_on_the_proof(town, person):
    """Programs (the unit's declaration, the demo) give hours alone."""
    call_command("load_hours", verbosity=0)
    from tests.test_credits import declaration

    made = declaration(person, hours="7.5")
    assert account_of(made).result.hours == Decimal("7.5")


def test_the_home_page_leads_straight_to_each_form(town, person, browser):
    call_command("load_hours", verbosity=0)
    home = text(browser.get(reverse("desk:home")))
    links = set(re.findall(r"/hours/declare/\?kind=([\w-]+)", home))
    assert links == set(walk.activities_of(person))


def test_the_check_page_belongs_to_practitioners(town, person):
    assert town.login(person.employer).get(CHECK).status_code == 403
