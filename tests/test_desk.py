"""The first screen of each role, the public pages and the menus."""

import datetime
import re

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from config import context
from credits import certificates, packs
from credits.models import Certificate, RulePack, Window
from credits.years import current_year
from desk import faq, waiting
from orgs.models import Organization, SuperSwap
from tests.test_inbox import declare, first_step, words
from tests.town import Town
from workflow import engine
from workflow.models import Application, Step

HOME_BUDGET = 12


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


def met(person, public=30, professional=60, year=None):
    Town.stands(None, person, public, professional, year)


def queries(client) -> int:
    client.get("/")
    with CaptureQueriesContext(connection) as caught:
        assert client.get("/").status_code == 200
    return len(caught)


def heading(page: str) -> str:
    return re.search(r"<h1>(.*?)</h1>", page)[1]


def tile(page: str, label: str) -> str:
    return re.search(rf'<span class="big">([^<]*)</span> <span[^>]*>{label}', page)[1]


# --- the public page -----------------------------------------------------------------------------------


def test_the_public_page_says_this_years_rule_and_leads_to_the_three_tasks(town):
    page = words(Client().get("/"))
    assert (
        f"{current_year()} 年度累计不少于 90 学时，其中公需科目不少于 30 学时，专业科目不少于 60 学时。"
        in page
    )
    for name in ("accounts:login", "registration:start", "registration:progress", "desk:faq"):
        assert f'href="{reverse(name)}"' in page


def test_the_rule_is_data(town):
    pack = RulePack.objects.get(state="published")
    packs.publish(packs.draft(pack.text.replace("hours = 90", "hours = 100")))
    assert "不少于 100 学时" in words(Client().get("/"))
    RulePack.objects.all().delete()
    assert "不少于" not in words(Client().get("/"))


# --- practitioner ----------------------------------------------------------------------------------------


def test_the_practitioner_reads_what_is_missing_and_where_their_matter_is(town):
    unit = town.employer(phone="0538-7654321", contact_name="赵老师")
    person = town.practitioner(at=unit, user=town.user("甲晓妮"))
    met(person, 30, 38)
    declare(town, person, days_ago=3)
    page = words(town.login(person).get("/"))
    assert heading(page) == f"甲晓妮，还差 22 学时完成 {current_year()} 年度继续教育"
    assert "待用人单位审核" in page
    assert "已等 3 天" in page
    assert 'href="tel:0538-7654321"' in page
    assert "赵老师" in page


def test_a_rejected_matter_stands_under_what_to_do_until_it_is_filed_anew(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    filed = declare(town, person, title="测试培训")
    engine.reject(first_step(filed).pk, by=town.actor(unit), comment="缺证书扫描件")
    client = town.login(person)
    page = words(client.get("/"))
    assert "请处理" in page
    assert "缺证书扫描件" in page
    other = declare(
        town, person, title="测试培训"
    )  # another one of the same name leaves the first where it is
    assert "缺证书扫描件" in words(client.get("/"))
    Application.objects.filter(pk=other.pk).update(again_of=filed)
    assert "请处理" not in words(client.get("/"))


def test_the_practitioners_home_costs_the_same_with_many_matters(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    declare(town, person)
    engine.reject(first_step(declare(town, person)).pk, by=town.actor(unit), comment="理由")
    client = town.login(person)
    few = queries(client)
    for n in range(24):
        filed = declare(town, person, title=f"第{n}期")
        if n % 2:
            engine.reject(first_step(filed).pk, by=town.actor(unit), comment="理由")
    assert queries(client) == few <= HOME_BUDGET


# --- unit and authority --------------------------------------------------------------------------------------


def test_the_units_headline_and_numbers(town):
    unit = town.employer()
    below = town.employer(under=unit)
    people = [town.practitioner(at=unit), town.practitioner(at=below), town.practitioner(at=below)]
    elsewhere = town.practitioner(at=town.employer())
    met(people[0])
    met(people[1], 29, 90)  # too little of one subject
    met(people[2], year=current_year() - 1)
    met(elsewhere)
    declare(town, people[0], days_ago=14)
    page = words(town.login(unit).get("/"))
    assert heading(page) == "1 项等您审核，最久的已等 14 天"
    assert tile(page, "在册人员") == "3"
    assert tile(page, f"{current_year()} 年度已达标（1 人）") == "33.3%"
    assert tile(page, "未达标") == "2"


def test_nothing_to_do_and_nobody_yet(town):
    page = words(town.login(town.employer()).get("/"))
    assert heading(page) == "没有等您审核的事项"
    assert "还没有在册人员" in page


def test_fifty_people_and_matters_cost_a_unit_as_much_as_one(town):
    authority = town.authority()
    unit = town.employer(under=authority)
    people = [town.practitioner(at=unit) for _ in range(50)]
    declare(town, people[0])
    clients = [town.login(unit), town.login(authority)]
    few = [queries(client) for client in clients]
    for person in people[1:]:
        declare(town, person)
        met(person)
    for person in people[:20]:
        Step.objects.filter(person=person.user, state="open").first()
        engine.approve(Step.objects.get(person=person.user, state="open").pk, by=town.actor(unit))
    assert [queries(client) for client in clients] == few
    assert max(few) <= HOME_BUDGET


def test_an_authority_sees_which_of_its_units_keep_people_waiting(town):
    authority = town.authority()
    slow = town.employer(under=authority, name="测试慢单位")
    town.employer(under=authority, name="测试快单位")
    declare(town, town.practitioner(at=slow), days_ago=20)
    waiting.refresh()
    page = words(town.login(authority).get("/"))
    assert "下属单位的待办" in page
    assert "测试慢单位" in page
    assert "测试快单位" not in page
    assert "20 天" in page


def test_a_unit_reads_until_when_its_year_may_be_declared_and_decided(town):
    unit, year = town.employer(), current_year()
    client = town.login(unit)
    page = words(client.get("/"))
    assert f"{year} 年度申报</strong>" in page
    assert f"{year}-12-31 24:00 截止" in page
    assert "年度审核审验</strong>" not in page  # nobody has said until when
    now = timezone.now()
    for one, kind, ends in (
        (year, "declare", 3),
        (year, "review", 9),
        (year - 1, "review", 5),
        (year - 1, "declare", -5),
    ):
        opens, closes = now - datetime.timedelta(days=30), now + datetime.timedelta(days=ends)
        Window.objects.create(bureau=town.bureau, year=one, kind=kind, opens_at=opens, closes_at=closes)
    card = words(client.get("/")).partition("<h2>截止日期</h2>")[2].partition("</section>")[0]
    assert re.findall(r"<strong>(.*?)</strong><span[^>]*>(.*?)</span>", card) == [
        (f"{year} 年度申报", "还有 3 天"),
        (f"{year} 年度审核审验", "还有 9 天"),
        (f"{year - 1} 年度审核审验", "还有 5 天"),
    ]


def test_an_authority_reads_where_nobody_has_logged_in_for_a_month(town):
    authority = town.authority()
    now = timezone.now()
    for name, days in {"测试勤单位": 1, "测试静单位": 31, "测试新单位": None}.items():
        user = town.super_admin(town.employer(under=authority, name=name)).user
        user.last_login = None if days is None else now - datetime.timedelta(days=days)
        user.save(update_fields=["last_login"])
    town._organization("employer", "测试无人单位", authority, with_admin=False)
    Organization.objects.update(created_at=now - datetime.timedelta(days=40))
    town.employer(under=authority, name="测试今单位")  # entered today: nobody has had a month to log in
    page = words(town.login(authority).get("/"))
    card = page.partition("30 天无人登录的下属单位</h2>")[2].partition("</section>")[0]
    assert re.findall("测试.单位", card) == ["测试静单位", "测试新单位"]
    day = timezone.localtime(now - datetime.timedelta(days=31)).date()
    assert f"最近登录 {day}" in card
    assert "从未登录" in card


def test_an_admin_without_the_duty_for_people_gets_no_link_to_them(town):
    unit = town.employer()
    page = words(town.login(town.admin(unit, duties=["hours"])).get("/"))
    assert f'"{reverse("desk:people")}' not in page


def test_whoever_is_asked_to_take_over_finds_it_in_every_role(town):
    unit = town.employer()
    successor = town.admin(unit, duties=["hours"])
    person = town.practitioner(at=unit, user=successor.user)
    swap = SuperSwap.objects.create(
        organization=unit, outgoing=town.super_admin(unit).user, successor=successor.user
    )
    for who in (successor, person):
        page = words(town.login(who).get("/"))
        assert f'href="{reverse("orgs:answer_succession", args=[swap.pk])}"' in page
        assert f"接任{unit.name}的超级管理员" in page
    assert "接任" not in words(town.login(unit).get("/"))


# --- bureau ----------------------------------------------------------------------------------------------------


def test_the_bureaus_table_counts_each_childs_whole_subtree(town):
    county = town.bureau_under(town.bureau, name="测试县人社局")
    deep = town.employer(under=town.employer(under=town.authority(under=county)))
    one, two = town.practitioner(at=deep), town.practitioner(at=deep)
    direct = town.practitioner(at=town.employer())
    met(one)
    met(direct)
    page = words(town.login(town.bureau).get("/"))
    rows = {
        name: [re.sub("<[^>]+>", "", cell) for cell in re.findall(r'data-l="[^"]+">(.*?)</td>', cells)]
        for name, cells in re.findall(r'<tr><th scope="row"><a href="[^"]+">(.*?)</a></th>(.*?)</tr>', page)
    }
    assert rows["测试县人社局"] == ["2", "1", "50.0%", "0"]
    assert rows["直接管理的用人单位"] == ["1", "1", "100.0%", "0"]
    assert two.employer == deep


def test_a_childs_own_rule_counts_for_its_people(town):
    county = town.bureau_under(town.bureau, name="测试县人社局")
    town.rules(county, year_from=current_year(), total=10)
    met(town.practitioner(at=town.employer(under=county)), 5, 5)
    met(town.practitioner(at=town.employer()), 5, 5)
    page = words(town.login(town.bureau).get("/"))
    assert re.search(r'测试县人社局</a></th>.*?data-l="已达标"><a [^>]+>1<', page)
    assert re.search(r'直接管理的用人单位</a></th>.*?data-l="已达标">0<', page)


def test_the_pool_and_what_is_over_the_promised_time(town, settings):
    settings.PROMISED_DAYS = 10
    unit = town.employer()
    for days in (12, 3):
        filed = declare(town, town.practitioner(at=unit))
        engine.approve(first_step(filed).pk, by=town.actor(unit))
        moment = timezone.now() - datetime.timedelta(days=days)
        filed.steps.filter(state="open").update(opened_at=moment)
    page = words(town.login(town.bureau).get("/"))
    assert heading(page) == "审验池 2 项，其中 1 项已超承诺时限"


def test_units_that_nobody_looks_after_are_named(town, settings):
    settings.UNATTENDED_DAYS = 30
    slow = town.employer(name="测试慢单位")
    declare(town, town.practitioner(at=slow), days_ago=34)
    town._organization("employer", "测试无人单位", town.bureau, with_admin=False)
    waiting.refresh()
    page = words(town.login(town.bureau).get("/"))
    assert "测试慢单位" in page
    assert "已等 34 天" in page
    assert "测试无人单位" in page
    assert "没有管理员" in page


def test_many_children_cost_a_bureau_as_much_as_one(town):
    first = town.bureau_under(town.bureau)
    declare(town, town.practitioner(at=town.employer(under=first)), days_ago=50)
    client = town.login(town.bureau)
    few = queries(client)
    for _ in range(20):
        unit = town.employer(under=town.bureau_under(town.bureau))
        person = town.practitioner(at=unit)
        met(person)
        declare(town, person, days_ago=50)
    assert queries(client) == few <= HOME_BUDGET


def test_a_bureau_reads_how_many_certificates_it_issued_today(town):
    unit = town.employer()
    people = [town.practitioner(at=unit) for _ in range(3)]
    for person in people:
        met(person)
    client = town.login(town.bureau)
    assert "今天还没有签发" in words(client.get("/"))
    bureau = town.actor(town.bureau)
    for person in people[:2]:
        certificates.issue(person, current_year(), by=bureau)
    assert re.search('<a href="/hours/certificates/issued/">2 份</a>', words(client.get("/")))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # the table is append only
    earlier = timezone.now() - datetime.timedelta(days=1)
    Certificate.objects.filter(practitioner=people[0]).update(issued_at=earlier)
    assert "1 份</a>" in words(client.get("/"))
    assert "今天签发的证书" not in words(town.login(town.admin(town.bureau, duties=["people"])).get("/"))


def test_an_operator_reads_how_many_corrections_wait(town):
    page = words(town.login(town.operator()).get("/"))
    assert tile(page, "待核实更正") == "0"
    assert "待审验学时" not in page


def test_an_operators_home_opens(town):
    page = town.login(town.operator()).get("/")
    assert page.status_code == 200
    assert "测试人社局" in words(page) or town.bureau.name in words(page)


# --- menus ---------------------------------------------------------------------------------------------------------


def test_every_word_of_every_menu_leads_somewhere(town):
    unit = town.employer(under=town.authority())
    for who in (None, town.practitioner(at=unit), unit, unit.superior, town.bureau, town.operator()):
        client = town.login(who) if who else Client()
        actor = town.actor(who) if who else None
        for entry in context.menu_of(actor):
            for one in entry.under or (entry,):
                page = client.get(f"{reverse(one.page)}?{one.query}")
                assert page.status_code == 200, (who, one.label)
                text = words(page)
                assert text.count('aria-current="page"') >= 1, (who, one.label)
                assert one.label in text


def test_the_frame_costs_three_queries(town):
    client = town.login(town.practitioner(at=town.employer()))
    admin = town.login(town.employer())
    for browser, most in ((client, 5), (admin, 6)):  # session, user, actor come before
        with CaptureQueriesContext(connection) as caught:
            browser.get("/statement/")
        assert len(caught) <= most


def test_a_second_role_is_one_click_away(town):
    unit = town.employer()
    user = town.super_admin(unit).user
    person = town.practitioner(at=unit, user=user)
    client = town.login(unit)
    page = words(client.get("/"))
    assert f'formaction="/identity/{person.account_id}/"' in page
    assert "切换为专业技术人员" in page
    client.post(f"/identity/{person.account_id}/")
    assert "完成" in heading(words(client.get("/")))


# --- public pages --------------------------------------------------------------------------------------------------------


def test_the_twenty_questions_can_be_searched():
    assert [question.number for question in faq.questions()] == list(range(1, 21))
    page = words(Client().get("/faq/", {"q": "后六位"}))
    assert "重置后密码为身份证后六位" in page
    assert "含有“后六位”的问题 1 个" in page
    assert "没有找到" in words(Client().get("/faq/", {"q": "没有这样的词"}))


def test_addresses_in_the_questions_come_from_the_settings(settings):
    text = faq.FILE.read_text(encoding="utf-8")
    assert not re.search(r"https?://|@|\d{3,4}-\d{7}", text)
    assert settings.SITE["email"] in words(Client().get("/faq/"))


@pytest.mark.django_db
def test_larger_text_is_remembered_by_the_browser():
    client = Client()
    assert 'class="elder"' not in words(client.get("/statement/"))
    assert client.post("/accessibility/", {"elder": "on"}).status_code == 302
    assert 'class="elder"' in words(client.get("/statement/"))
    client.post("/accessibility/", {"elder": "off"})
    assert 'class="elder"' not in words(client.get("/statement/"))


@pytest.mark.parametrize("path", ["/faq/", "/statement/", "/accessibility/"])
@pytest.mark.django_db
def test_public_pages_need_no_login(path):
    assert Client().get(path).status_code == 200
    assert Client().put(path).status_code == 405


def test_where_nothing_is_required_nobody_has_met_it(town):
    unit = town.employer()
    town.practitioner(at=unit)
    RulePack.objects.all().delete()
    for admin in (unit, town.bureau):
        page = words(town.login(town.admin(admin)).get("/"))
        assert "达标（" not in page
        assert "达标率（" not in page
        assert "100" not in page
