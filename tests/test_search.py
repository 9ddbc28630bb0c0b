"""综合查询: one box, one's own branch (A19); what a new admin does first (A1)."""

import re

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Authenticator
from orgs.models import Status
from tests.test_inbox import declare, first_step, same_bytes, words
from workflow import engine


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


def ask(client, text):
    return client.post("/search/", {"q": text}, follow=True)


def test_a_receipt_number_leads_to_its_application(town):
    unit = town.employer()
    filed = declare(town, town.practitioner(at=unit))
    filed.refresh_from_db()
    client = town.login(unit)
    for typed in (
        filed.receipt,
        f" {filed.receipt} ",
        filed.receipt.replace("-", "－"),
        filed.receipt.replace("-", ""),
    ):
        assert ask(client, typed).redirect_chain == [(f"/applications/{filed.pk}/", 302)], typed
    wrong_day = "2001" + filed.receipt[4:]
    assert "没有找到" in words(ask(client, wrong_day))


def test_a_whole_number_leads_to_the_person_and_never_stands_in_an_address(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    number = person.user.id_number.reveal()
    client = town.login(unit)
    assert ask(client, number).redirect_chain == [(f"/people/{person.pk}/", 302)]
    for typed in (number[:-1] + ("0" if number[-1] != "0" else "1"), number[:17], "E12345678", "H12345678"):
        answer = ask(client, typed)
        assert answer.redirect_chain == []
        assert "没有找到" in words(answer)
    assert number not in words(client.get("/search/", {"q": number}))


def test_people_by_name_and_last_four_and_units_by_name_and_code(town):
    authority = town.authority()
    unit = town.employer(under=authority, name="测试房管中心", uscc="12370900MB00000017")
    person = town.practitioner(at=unit, user=town.user("甲晓妮"))
    client = town.login(authority)
    for typed in ("甲", "甲晓妮", person.user.id_last4.lower()):
        page = words(ask(client, typed))
        assert f'href="/people/{person.pk}/"' in page
        assert "甲*妮" in page
        assert "甲晓妮</a>" not in page
    for typed in ("房管", "12370900MB00000017"):
        assert f'href="/organizations/{unit.pk}/"' in words(ask(client, typed))


@pytest.mark.parametrize("what", ["receipt", "number", "name", "last four", "unit", "code"])
def test_what_is_not_in_the_own_branch_is_not_found(town, what):
    elsewhere = town.employer(name="别处单位", uscc="12370900MB00000017")
    person = town.practitioner(at=elsewhere, user=town.user("别一"))
    filed = declare(town, person)
    unknown = town.user()
    typed, nothing = {
        "receipt": (filed.receipt, filed.receipt[:9] + "999999"),
        "number": (person.user.id_number.reveal(), unknown.id_number.reveal()),
        "name": ("别一", "无此"),
        "last four": (person.user.id_last4, "987X"),
        "unit": ("别处单位", "无此单位"),
        "code": (elsewhere.uscc, "12370900MB00000025"),
    }[what]
    client = town.login(town.employer())
    pages = [same_bytes(ask(client, one)).replace(one, "") for one in (typed, nothing)]
    assert pages[0] == pages[1]
    assert "没有找到" in pages[0]


def test_without_the_duty_no_people(town):
    unit = town.employer()
    person = town.practitioner(at=unit, user=town.user("甲一"))
    client = town.login(town.admin(unit, duties=["hours"]))
    for typed in ("甲", person.user.id_number.reveal(), person.user.id_last4):
        page = words(ask(client, typed))
        assert f"/people/{person.pk}/" not in page
        assert "没有找到" in page


def test_for_admins_alone_and_an_empty_box_says_so(town):
    unit = town.employer()
    assert town.login(town.practitioner(at=unit)).get("/search/").status_code == 403
    assert Client().get("/search/").url.startswith("/login/")
    assert "请填写要查找的内容" in words(ask(town.login(unit), " "))


def test_many_hits_cost_as_much_as_one(town):
    authority = town.authority()
    client = town.login(authority)

    def cost():
        with CaptureQueriesContext(connection) as caught:
            page = words(client.get("/search/?q=测试"))
        return len(caught), page

    town.practitioner(at=town.employer(under=authority))
    few, _ = cost()
    for _ in range(15):
        town.practitioner(at=town.employer(under=authority))
    many, page = cost()
    assert many == few <= 12
    assert page.count('href="/organizations/') >= 10
    assert 'href="/people/?name=' in page
    assert 'href="/organizations/?q=' in page


# --- what a new admin does first ------------------------------------------------------------------------


def test_the_list_of_beginnings_shrinks_and_goes(town):
    unit = town.employer(office_hours="工作日")
    client = town.login(unit)

    def left() -> set[str]:
        page = words(client.get("/"))
        found = re.findall(r'<a class="go" href="[^"]+">([^<]+)</a>\s*<span class="tag', page)
        return {one for one in found if one in page.split("开始使用")[-1]} if "开始使用" in page else set()

    assert left() == {"设置第二管理员", "打开两步验证", "处理第一件"}
    town.admin(unit, duties=["hours"])
    engine.approve(first_step(declare(town, town.practitioner(at=unit))).pk, by=town.actor(unit))
    assert left() == {"打开两步验证"}
    assert "开始使用" not in words(town.login(unit.admins.get(is_super=False).account).get("/"))
    Authenticator.objects.create(user=town.super_admin(unit).user, key_sealed=b"")
    client.get("/")
    assert "开始使用" not in words(client.get("/"))


def test_a_further_identity_is_one_click_from_everywhere(town):
    unit = town.employer()
    for who in (unit, town.practitioner(at=unit)):
        page = words(town.login(who).get("/"))
        assert '<a href="/register/another-role/">添加身份</a>' in page
    assert "添加身份" not in words(town.login(town.operator()).get("/"))


def test_opening_people_has_a_budget(town, settings):
    settings.PERSONS_PER_HOUR = 2
    unit = town.employer()
    people = [town.practitioner(at=unit) for _ in range(3)]
    client = town.login(unit)
    answers = [client.get(f"/people/{person.pk}/").status_code for person in people]
    assert answers == [200, 200, 429]
    assert town.practitioner(at=unit, status=Status.PENDING).pk not in answers
