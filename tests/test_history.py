"""变更记录 in plain words: who changed what, when, on which application."""

import datetime
import re

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from orgs import granting
from orgs.models import AdminRole, OrgAdmin, TitleSeries
from tests.test_inbox import words
from transfers.models import SuperiorChange, UnitTransfer
from workflow import engine
from workflow.models import Step

NAME, OTHER = "赵一", "钱晓二"


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    granting.load_ready_made()
    return town


def sentences(answer) -> list[str]:
    page = words(answer)
    found = re.findall(r'<li><div class="more"><span class="muted nw">(.*?)</div></li>', page, re.S)
    return [re.sub(r"\s+", " ", re.sub("<[^>]+>", "", one)).strip() for one in found]


def named(town, organization, name=NAME):
    User.objects.filter(pk=town.super_admin(organization).user_id).update(name=name)


def sign(town, application):
    for step in Step.objects.filter(application=application).order_by("order", "pk"):
        engine.approve(step.pk, by=town.actor(step.approver))


def history_of(town, who, thing) -> list[str]:
    kind = "people" if hasattr(thing, "employer_id") else "organizations"
    return sentences(town.login(who).get(f"/{kind}/{thing.pk}/history/"))


def test_a_transfer(town):
    old, new = town.employer(name="测试旧单位"), town.employer(name="测试新单位")
    named(town, new)
    person = town.practitioner(at=old)
    filed = engine.submit(
        "unit-transfer",
        UnitTransfer(practitioner=person, old_employer=old, new_employer=new, reason="测试"),
        by=town.actor(person),
    )
    sign(town, filed)
    newest = history_of(town, new, person)[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d .*", newest)
    assert newest[17:] == f"赵* 把用人单位由“测试旧单位”改为“测试新单位”（受理号 {filed.receipt}）"
    page = words(town.login(new).get(f"/people/{person.pk}/"))
    assert f'href="/applications/{filed.pk}/">{filed.receipt}</a>' in page


def test_a_change_of_title(town):
    unit = town.employer()
    named(town, unit, OTHER)
    series = TitleSeries.objects.create(code="T1", name="工程技术人员")
    person = town.practitioner(
        at=unit,
        title_series=series,
        title_level="middle",
        title="工程师",
        title_mode="evaluation",
        title_awarded_on=datetime.date(2021, 5, 1),
    )
    person.title_level, person.title, person.title_awarded_on = (
        "vice_senior",
        "高级工程师",
        datetime.date(2026, 5, 1),
    )
    person._history_user, person._change_reason = (
        town.super_admin(unit).user,
        "20261108-000047",
    )  # as the engine does
    person.save()
    assert history_of(town, unit, person)[0][17:] == (
        "钱*二 把职称级别由“中级”改为“副高级”，把职称名称由“工程师”改为“高级工程师”，"
        "把职称评审通过时间由“2021-05-01”改为“2026-05-01”（受理号 20261108-000047）"
    )
    person.title_series, person.title_level, person.title, person.title_mode = None, "", "", ""
    person.title_awarded_on = None
    person._history_user, person._change_reason = person.user, None
    person.save()
    newest = history_of(town, unit, person)[0]
    assert newest[17:].startswith("本人清除了职称系列“工程技术人员”")
    assert "受理号" not in newest


def test_a_change_of_superior(town):
    old, new = town.authority(name="测试旧局"), town.authority(name="测试新局")
    unit = town.employer(under=old)
    named(town, new)
    filed = engine.submit(
        "superior-change",
        SuperiorChange(organization=unit, old_superior=old, new_superior=new, reason="测试"),
        by=town.actor(unit),
    )
    sign(town, filed)
    unit.refresh_from_db()
    assert (
        history_of(town, unit, unit)[0][17:]
        == f"赵* 把上级由“测试旧局”改为“测试新局”（受理号 {filed.receipt}）"
    )
    assert history_of(town, town.bureau, unit)[0] == history_of(town, unit, unit)[0]


def test_a_change_of_contact(town):
    unit = town.employer(contact_name="联系人甲", phone="0538-1111111")
    unit.phone, unit.office_hours, unit.contact_name = "0538-2222222", "工作日", ""
    unit._history_user = town.super_admin(unit).user
    named(town, unit)
    unit.save()
    assert history_of(town, unit, unit)[0][17:] == (
        "赵* 清除了联系人“联系人甲”，把联系电话由“0538-1111111”改为“0538-2222222”，填写了审核时间“工作日”"
    )


def test_admins_come_and_go_through_the_pages(town):
    unit = town.employer()
    named(town, unit)
    client = town.login(unit)
    number = town.practitioner(at=town.employer(), user=town.user(OTHER)).user.id_number.reveal()
    client.post(reverse("orgs:add_admin"), {"id_number": number})
    page = client.get(reverse("orgs:appoint"))
    role = AdminRole.objects.get(name="学时审核员")
    sealed = re.search(r'name="person" value="([^"]+)"', words(page))[1]
    client.post(reverse("orgs:appoint"), {"person": sealed, "role": role.pk})
    one = OrgAdmin.objects.get(organization=unit, user__name=OTHER)
    other_role = AdminRole.objects.get(name="注册审核员")
    client.post(reverse("orgs:admin", args=[one.pk]), {"role": other_role.pk})
    for verb in ("suspend", "restore", "remove"):
        client.post(reverse(f"orgs:{verb}", args=[one.pk]))
    told = [one[17:] for one in history_of(town, town.bureau, unit)]
    assert told[:5] == [
        "赵* 移除，钱*二 不再是管理员",
        "赵* 恢复管理员 钱*二",
        "赵* 停用管理员 钱*二",
        "赵* 更改管理员 钱*二 的角色，现在角色为“注册审核员”",
        "赵* 添加 钱*二 为管理员，角色为“学时审核员”",
    ]
    assert number not in words(town.login(town.bureau).get(f"/organizations/{unit.pk}/history/"))


def test_only_what_may_be_opened_is_a_link(town):
    """A receipt of an application that this admin may not see is plain text."""
    unit = town.employer()
    person = town.practitioner(at=unit)
    person.title = ""
    person._change_reason = "20261108-999999"
    person.save()
    page = words(town.login(unit).get(f"/people/{person.pk}/"))
    assert "20261108-999999" in page
    assert "/applications/999999/" not in page


def test_many_changes_cost_as_much_as_one_and_turn_pages(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    client = town.login(town.bureau)
    paths = [f"/organizations/{unit.pk}/history/", f"/people/{person.pk}/history/", f"/people/{person.pk}/"]

    def change(n):
        unit.phone = f"0538-{n:07d}"
        unit.save()
        person.education = "master" if n % 2 else "doctor"
        person.save()

    def cost():
        counts = []
        for path in paths:
            client.get(path)
            with CaptureQueriesContext(connection) as caught:
                assert client.get(path).status_code == 200
            counts.append(len(caught))
        return counts

    change(1)
    few = cost()
    for n in range(2, 62):
        change(n)
    # Never more; fewer where no admin is named on the page.
    assert all(many <= one for many, one in zip(cost(), few, strict=True))
    assert max(few[:2]) <= 12
    first = client.get(paths[0])
    assert len(sentences(first)) == 50
    link = re.search(r'rel="next" href="([^"]+)"', words(first))[1].replace("&amp;", "&")
    second = client.get(paths[0] + link)
    assert len(sentences(second)) == 13  # 61 changes, the organisation and its admin
    assert sentences(second)[0][17:] == "平台把联系电话由“0538-0000010”改为“0538-0000011”"
    back = re.search(r'rel="prev" href="([^"]+)"', words(second))[1].replace("&amp;", "&")
    assert sentences(client.get(paths[0] + back)) == sentences(first)
    assert "全部变更记录" in words(client.get(f"/organizations/{unit.pk}/"))


@pytest.mark.parametrize("path", ["/people/{}/history/"])
def test_a_foreign_persons_history_is_missing(town, path):
    client = town.login(town.employer())
    foreign = client.get(path.format(town.practitioner(at=town.employer()).pk))
    missing = client.get(path.format(10**9))
    assert foreign.status_code == missing.status_code == 404
