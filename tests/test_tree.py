"""下级机构, 下属单位, 单位树 and the page of one organisation (A10, B6): who sees what, and at what price."""

import re

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AccountStatus, User
from desk import waiting
from orgs.models import OrgAdmin, Organization, Status
from registration.enrol import Person, enrol_organization
from registration.models import EmployerRegistration
from tests.test_inbox import declare, same_bytes, words

BUDGET = 12


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


def rows(page: str) -> dict[str, list[str]]:
    """Name of each organisation -> the words of its cells."""
    found = re.findall(r'<tr><td class="hd"><a href="[^"]+">(.*?)</a>(.*?)</tr>', page, re.S)
    return {
        name: [re.sub("<[^>]+>", "", cell) for cell in re.findall(r'data-l="[^"]+">(.*?)</td>', cells)]
        for name, cells in found
    }


def queries(client, path) -> int:
    client.get(path)
    with CaptureQueriesContext(connection) as caught:
        assert client.get(path).status_code == 200
    return len(caught)


def registering(town, superior, name="测试新单位"):
    """An employer's registration under this superior, still to be reviewed."""
    number = town.user().id_number
    User.objects.by_id_number(number).delete()
    payload = EmployerRegistration(
        situation="sub_unit",
        superior_unit=superior,
        division_id="370902",
        name=name,
        uscc="12370900MB00000017",
        contact_name="新联系人",
        phone="0538-1111111",
    )
    person = Person(number=number, name="新一", mobile="+8613800000099", password="correct-horse-9")
    return enrol_organization(person, payload, "employer")


# --- one level ------------------------------------------------------------------------------------------


def test_the_level_right_below_and_nothing_else(town):
    county = town.bureau_under(town.bureau, name="测试县人社局")
    authority = town.authority(name="测试住建局")
    unit = town.employer(under=authority, name="测试房管中心")
    below = town.employer(under=unit, name="测试保障中心")
    bureau, office = town.login(town.bureau), town.login(authority)
    assert list(rows(words(bureau.get("/organizations/")))) == [county.name, authority.name]
    assert list(rows(words(office.get("/organizations/")))) == [unit.name]
    assert list(rows(words(bureau.get(f"/organizations/{authority.pk}/below/")))) == [unit.name]
    page = words(bureau.get(f"/organizations/{unit.pk}/below/"))
    assert list(rows(page)) == [below.name]
    assert "二级单位" in page
    crumbs = re.search(r'<nav class="crumb".*?</nav>', page, re.S)[0]
    assert re.sub(r"\s|<[^>]+>", "", crumbs) == "单位树测试住建局测试房管中心"


@pytest.mark.parametrize(
    ("of", "label"), [("employer", "下级机构"), ("authority", "下属单位"), ("bureau", "单位树")]
)
def test_each_calls_it_by_its_own_word(town, of, label):
    who = town.bureau if of == "bureau" else getattr(town, of)()
    page = words(town.login(who).get("/organizations/"))
    assert f"<h1>{label}</h1>" in page
    assert f'aria-current="page">{label}</a>' in page
    assert "还没有下级机构" in page or of == "bureau"


def test_the_figures_of_a_row(town):
    authority = town.authority(name="测试住建局")
    unit = town.employer(under=authority)
    own, deep = town.practitioner(at=unit), town.practitioner(at=town.employer(under=unit))
    town.practitioner(at=unit, status=Status.PENDING)
    declare(town, own, days_ago=9)
    declare(town, deep, days_ago=3)
    login = town.super_admin(unit).user
    User.objects.filter(pk=login.pk).update(last_login=timezone.now())
    town.stands(own, 30, 60)
    waiting.refresh()
    page = words(town.login(authority).get("/organizations/"))
    state, below, people, rate, waits, last = rows(page)[unit.name]
    assert (state, below, people, rate, waits) == ("正常", "1", "2", "50.0%", "1，最久 9 天")
    assert last == timezone.localdate().isoformat()
    for address in (
        f"/people/?unit={unit.pk}",
        f"/statistics/?unit={unit.pk}",
        f"/organizations/{unit.pk}/below/",
    ):
        assert f'href="{address}"' in page


def test_what_is_below_is_counted_up_to_fifty(town, monkeypatch):
    monkeypatch.setattr("desk.units.MOST_BELOW", 3)
    unit = town.employer()
    for _ in range(5):
        town.employer(under=unit)
    assert rows(words(town.login(town.bureau).get("/organizations/")))[unit.name][1] == "3+"


def test_who_has_nobody_to_act_and_what_is_gone(town):
    headless = town._organization("employer", "测试无人单位", town.bureau, with_admin=False)
    suspended = town.employer(name="测试停用单位")
    OrgAdmin.objects.get(organization=suspended).account.__class__.objects.filter(
        pk=town.super_admin(suspended).pk
    ).update(status=AccountStatus.SUSPENDED)
    closed = town.employer(name="测试注销单位", status=Status.CLOSED)
    town.employer(name="测试未通过单位", status=Status.VOID)
    found = rows(words(town.login(town.bureau).get("/organizations/")))
    assert found[headless.name][0].strip() == found[suspended.name][0].strip() == "没有管理员"
    assert list(found)[-1] == closed.name
    assert found[closed.name][0].strip() == "已注销"
    assert "测试未通过单位" not in found


def test_a_registration_that_waits_comes_first_and_leads_to_its_application(town):
    call_command("load_reference", verbosity=0)
    unit = town.employer()
    town.employer(under=unit)
    filed = registering(town, unit)
    page = words(town.login(unit).get("/organizations/"))
    assert next(iter(rows(page))) == "测试新单位"
    assert f'href="/applications/{filed.pk}/"' in page
    assert "有 1 个机构的注册等您审核" in page
    assert 'href="/inbox/?duty=registrations"' in page
    # Who does not review it sees that it waits, without a way into it.
    for who in (town.bureau, town.admin(unit, duties=["hours"])):
        path = "/organizations/" if who != town.bureau else f"/organizations/{unit.pk}/below/"
        page = words(town.login(who).get(path))
        assert "注册待审核" in page
        assert "去审核" not in page
        assert "等您审核" not in page


def test_fifty_rows_cost_as_many_queries_as_one(town):
    authority = town.authority()
    unit = town.employer(under=authority, name="测试单位甲")
    declare(town, town.practitioner(at=unit))
    client, above = town.login(authority), town.login(town.bureau)
    asked = [
        (client, "/organizations/"),
        (client, "/organizations/?q=单位"),
        (above, f"/organizations/{authority.pk}/below/"),
        (above, f"/organizations/{authority.pk}/below/?q=单位"),
    ]
    few = [queries(*one) for one in asked]
    for _ in range(60):
        declare(town, town.practitioner(at=town.employer(under=authority)))
    assert [queries(*one) for one in asked] == few
    assert max(few) <= BUDGET
    page = words(client.get("/organizations/"))
    assert len(rows(page)) == 50
    link = re.search(r'rel="next" href="([^"]+)"', page)[1].replace("&amp;", "&")
    assert len(rows(words(client.get("/organizations/" + link)))) == 11


def test_searching_finds_in_the_whole_subtree_and_says_where(town):
    authority = town.authority(name="测试住建局")
    unit = town.employer(under=authority, name="测试房管中心")
    deep = town.employer(under=unit, name="测试（保障）中心", uscc="12370900MB00000017")
    town.employer(name="测试别处中心")
    client = town.login(authority)
    for asked in ("保障", "测试(保障)", "12370900MB00000017", " 12370900mb0000 0017 "):
        page = words(client.get("/organizations/", {"q": asked}))
        assert list(rows(page)) == [deep.name], asked
        assert "测试房管中心" in page
        assert town.bureau.name not in page
    assert set(rows(words(client.get("/organizations/", {"q": "中心"})))) == {unit.name, deep.name}
    assert "下级中没有找到" in words(client.get("/organizations/", {"q": "别处"}))


# --- one organisation -----------------------------------------------------------------------------------


def test_the_page_of_a_unit(town):
    authority = town.authority(name="测试住建局")
    unit = town.employer(
        under=authority, uscc="12370900MB00000017", contact_name="联系人甲", office_hours="工作日 9:00–17:00"
    )
    town.practitioner(at=unit)
    town.admin(unit, town.user("乙晓妮"), duties=["hours"])
    page = words(town.login(authority).get(f"/organizations/{unit.pk}/"))
    for shown in (
        unit.uscc,
        "联系人甲",
        unit.phone,
        "工作日 9:00–17:00",
        "乙*妮",
        "审核学时",
        "超级管理员",
        "从未登录",
    ):
        assert shown in page
    assert "乙晓妮" not in page
    path = re.sub(r"\s|<[^>]+>|└", "", re.search(r"<h2>隶属关系</h2>(.*?)<dl", page, re.S)[1])
    assert path == f"{town.bureau.name}{authority.name}{unit.name}"
    assert f'href="/people/?unit={unit.pk}"' in page
    assert "管理单位管理员</a>" not in page.split("<main")[1]


def test_admins_numbers_and_contacts_stay_away(town):
    unit = town.employer()
    admin = town.super_admin(unit).user
    page = words(town.login(town.bureau).get(f"/organizations/{unit.pk}/"))
    for secret in (
        admin.id_number.reveal(),
        admin.id_masked,
        admin.email,
        str(admin.mobile)[-8:],
        admin.name,
    ):
        assert secret not in page


def test_one_with_many_admins_and_changes_costs_as_much(town):
    unit = town.employer()
    client = town.login(town.bureau)
    path = f"/organizations/{unit.pk}/"
    town.admin(unit, duties=["hours"])
    unit.save()
    few = queries(client, path)
    for n in range(12):
        town.admin(unit, duties=["hours"])
        unit.phone = f"0538-{n:07d}"
        unit.save()
    assert queries(client, path) <= few


@pytest.mark.parametrize(
    "path",
    ["/organizations/{}/", "/organizations/{}/below/", "/organizations/{}/history/", "/people/?unit={}"],
)
def test_a_foreign_organisation_answers_like_a_missing_one(town, path):
    unit = town.employer(under=town.authority())
    client = town.login(unit)
    for foreign in (town.employer(), unit.superior, town.bureau):
        answers = [client.get(path.format(pk)) for pk in (foreign.pk, 10**9)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert same_bytes(answers[0]) == same_bytes(answers[1])


def test_for_admins_alone(town):
    unit = town.employer()
    person = town.login(town.practitioner(at=unit))
    for path in ("/organizations/", f"/organizations/{unit.pk}/", f"/organizations/{unit.pk}/history/"):
        assert person.get(path).status_code == 403
        assert Client().get(path).url.startswith("/login/")
        assert town.login(unit).post(path).status_code == 405


def test_people_of_one_unit_alone(town):
    authority = town.authority()
    unit, other = town.employer(under=authority), town.employer(under=authority)
    own = town.practitioner(at=unit, user=town.user("甲一"))
    deep = town.practitioner(at=town.employer(under=unit), user=town.user("甲二"))
    town.practitioner(at=other, user=town.user("甲三"))
    client = town.login(authority)
    for found in (
        client.get(f"/people/?unit={unit.pk}"),
        client.post(f"/people/?unit={unit.pk}", {"name": "甲"}, follow=True),
        client.get(f"/people/?unit={unit.pk}&unmet=1"),
    ):
        numbers = set(map(int, re.findall(r'<tr><td class="hd nw"><a href="/people/(\d+)/"', words(found))))
        assert numbers == {own.pk, deep.pk}
    assert client.get("/people/?unit=x").status_code == 404


def test_the_own_branch_moves_with_the_tree(town):
    authority = town.authority()
    unit = town.employer(under=town.authority())
    client = town.login(authority)
    assert client.get(f"/organizations/{unit.pk}/").status_code == 404
    Organization.objects.filter(pk=unit.pk).update(superior=authority, path=f"{authority.path}{unit.pk}/")
    assert client.get(f"/organizations/{unit.pk}/").status_code == 200
