"""Moves through the pages: 单位调转, 人员调出 and 调入, 更换上级部门; how many clicks each takes: test_click_targets.py."""

import re

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.id_number import IdNumber
from accounts.models import RoleAccount, User
from orgs.models import Duty, Organization, Practitioner, Status
from tests.clicks import Visitor
from tests.test_credits import declare, hours_of, sign
from tests.town import synthetic_id
from transfers import releasing
from transfers.models import Release, SuperiorChange, UnitTransfer
from workflow import engine
from workflow.models import Application


@pytest.fixture
def units(town):
    """(old, new): two employers under two authorities."""
    old = town.employer(under=town.authority(name="测试住建局"), name="测试房产中心")
    new = town.employer(under=town.authority(name="测试交通局"), name="测试公路中心")
    return old, new


@pytest.fixture
def person(town, units):
    return town.practitioner(at=units[0], user=town.user(name="测试甲乙"))


def filed(person) -> Application:
    return Application.objects.get(practitioner=person)


def file_transfer(town, person, new, by=None) -> Application:
    return engine.submit(
        "unit-transfer",
        UnitTransfer(practitioner=person, old_employer=person.employer, new_employer=new, reason="测试原因"),
        by=town.actor(by or person),
    )


def complete(town, application) -> None:
    for step in application.steps.filter(state__in=["open", "waiting"]):
        engine.approve(step.pk, by=town.actor(step.approver))


# --- 单位调转 by the person (F-54 … F-59, F-63 … F-65) --------------------------------------------------


@pytest.mark.parametrize("stage", ["old", "new"])
def test_it_can_be_withdrawn_at_either_stage(town, units, person, stage):
    """F-59."""
    application = file_transfer(town, person, units[1])
    if stage == "new":
        engine.approve(application.steps.get(order=1).pk, by=town.actor(units[0]))
    visitor = Visitor(town.login(person), "/moves/unit/")
    visitor.click("撤回")
    person.refresh_from_db()
    assert filed(person).state == "withdrawn"
    assert person.employer == units[0]


def test_after_a_rejection_one_starts_anew_with_what_was_written(town, units, person):
    """Decision 10; F-63: the person stays, the reason is recorded."""
    application = file_transfer(town, person, units[1])
    engine.reject(application.steps.get(order=1).pk, by=town.actor(units[0]), comment="合同期未满")
    visitor = Visitor(town.login(person), f"/applications/{application.pk}/")
    assert "合同期未满" in visitor.text
    visitor.click("重新申请")
    assert 'value="测试公路中心"' in visitor.html
    assert "测试原因" in visitor.html
    visitor.click("查找单位并核对")
    visitor.click("提交调转申请")
    assert Application.objects.about(person).pending().count() == 1


def test_what_is_pending_comes_first_with_a_link_and_stops_it(town, units, person):
    """F-54, F-55: a declaration under review."""
    call_command("load_hours", verbosity=0)
    application = declare(town, person)
    visitor = Visitor(town.login(person), "/moves/unit/")
    assert "还有 1 件事项在审核中" in visitor.text
    assert f'href="/applications/{application.pk}/"' in visitor.html
    assert "查找单位并核对" not in visitor.text
    answer = visitor.client.post(
        "/moves/unit/", {"new_unit": units[1].name, "reason": "家庭原因", "do": "submit"}
    )
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "办结或撤回后才能提交“单位调转”" in page
    assert "家庭原因" in page  # nothing typed is lost
    assert not UnitTransfer.objects.exists()


def test_while_a_transfer_is_open_no_declaration_begins(town, units, person):
    """Decision 2, the other way round."""
    call_command("load_hours", verbosity=0)
    file_transfer(town, person, units[1])
    with pytest.raises(engine.Refused, match="办结或撤回后才能提交"):
        declare(town, person)


def test_a_sent_transfer_is_not_filed_twice(town, units, person):
    client = town.login(person)
    data = {"new_unit": units[1].name, "reason": "家庭原因", "chosen": units[1].pk, "do": "submit"}
    assert client.post("/moves/unit/", data).status_code == 302
    second = client.post("/moves/unit/", data)
    assert "已有一件“单位调转”在审核中" in second.content.decode()
    assert UnitTransfer.objects.count() == 1


BAD_TRANSFERS = {
    "nothing": ({}, "请填写新单位"),
    "no reason": ({"new_unit": "公路"}, "请填写调转原因"),
    "blank": ({"new_unit": "  ", "reason": " "}, "请填写新单位"),
    "too long a reason": ({"new_unit": "公路", "reason": "长" * 201}, "200 字以内"),
    "too long a name": ({"new_unit": "长" * 121, "reason": "x"}, "120"),
    "unknown": ({"new_unit": "不存在的单位", "reason": "x"}, "没有找到名称含“不存在的单位”的用人单位"),
    "own unit": ({"new_unit": "测试房产中心", "reason": "x"}, "就是现在的单位"),
    "an authority": ({"new_unit": "测试住建局", "reason": "x"}, "没有找到"),
    "a pending unit": ({"new_unit": "未批单位", "reason": "x"}, "没有找到"),
    "NUL": ({"new_unit": "公\0路", "reason": "x"}, "空字符|null|Null"),
    "wildcards": ({"new_unit": "%_", "reason": "x"}, "没有找到"),
    "only a dash": ({"new_unit": "——", "reason": "x"}, "没有找到"),
    "chosen text": ({"new_unit": "公路", "reason": "x", "chosen": "abc"}, ""),
    "chosen huge": ({"new_unit": "公路", "reason": "x", "chosen": "9" * 30}, ""),
    "chosen missing": ({"new_unit": "公路", "reason": "x", "chosen": "999999"}, "现在不能选择"),
    "markup": ({"new_unit": "<b>&", "reason": "<script>"}, "&lt;b&gt;"),
}


@pytest.mark.parametrize("case", BAD_TRANSFERS)
def test_bad_input_is_said_beside_the_field_and_kept(town, units, person, case):
    data, sentence = BAD_TRANSFERS[case]
    town.employer(name="未批单位", status=Status.PENDING)
    answer = town.login(person).post("/moves/unit/", {**data, "do": "check"})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert re.search(sentence, page)
    assert "<script>" not in page
    assert not UnitTransfer.objects.exists()


@pytest.mark.parametrize("tampered", ["own", "authority", "pending", "closed"])
def test_a_tampered_destination_is_refused(town, units, person, tampered):
    target = {
        "own": units[0],
        "authority": units[0].superior,
        "pending": town.employer(status=Status.PENDING),
        "closed": town.employer(status=Status.CLOSED),
    }[tampered]
    data = {"new_unit": "公路", "reason": "x", "chosen": target.pk, "do": "submit"}
    page = town.login(person).post("/moves/unit/", data).content.decode()
    assert "现在不能选择" in page or "就是现在的单位" in page
    assert not UnitTransfer.objects.exists()


def test_a_unit_is_found_by_its_code_and_by_half_width_brackets(town, units, person):
    Organization.objects.filter(pk=units[1].pk).update(name="测试（集团）公司", uscc="LS3709020000000014")
    client = town.login(person)
    for text in ("测试(集团)公司", "ls370902 0000000014", "集团 公司"):
        page = client.post("/moves/unit/", {"new_unit": text, "reason": "x", "do": "check"}).content.decode()
        assert "核对并提交单位调转" in page, text


def test_many_hits_are_cut_and_that_is_said(town, units, person):
    for number in range(22):
        town.employer(under=units[1].superior, name=f"测试同名{number:02d}", with_admin=False)
    page = (
        town.login(person)
        .post("/moves/unit/", {"new_unit": "同名", "reason": "x", "do": "check"})
        .content.decode()
    )
    assert "找到 20 家以上" in page
    assert page.count('name="chosen"') == 20


# --- what a transfer causes -------------------------------------------------------------------------


def test_the_old_unit_loses_sight_at_once_and_the_new_one_gains_it(town, units, person):
    old, new = units
    application = file_transfer(town, person, new)
    assert person in Practitioner.objects.visible_to(town.actor(old))
    assert application not in Application.objects.visible_to(town.actor(new))
    complete(town, application)
    for gone in (old, old.superior):
        assert person not in Practitioner.objects.visible_to(town.actor(gone))
    for there in (new, new.superior, town.bureau):
        assert person in Practitioner.objects.visible_to(town.actor(there))
    client = town.login(old)
    assert client.get(f"/people/{person.pk}/").status_code == 404
    assert client.get(f"/moves/release/?person={person.pk}").status_code == 404


def test_hours_go_with_the_person(town, units, person):
    """F-64."""
    call_command("load_hours", verbosity=0)
    sign(town, declare(town, person))
    before = hours_of(person)
    complete(town, file_transfer(town, person, units[1]))
    assert hours_of(person) == before != ()
    person.refresh_from_db()
    again = declare(town, person)
    assert again.steps.get(order=1).approver == units[1]


def test_the_chooser_after_login_names_the_new_unit(town, units, person):
    complete(town, file_transfer(town, person, units[1]))
    person.account.refresh_from_db()
    assert person.account.place == units[1].name


# --- 人员调出 by the unit (F-60 … F-62) -----------------------------------------------------------------


def test_from_a_persons_page_the_person_is_ticked_already(town, units, person):
    visitor = Visitor(town.login(units[0]), f"/moves/release/?person={person.pk}")
    assert "已选 1 人" in visitor.text
    visitor.type("new_unit", "公路")
    visitor.type("reason", "机构调整")
    visitor.click("查找单位并核对")
    visitor.click("提交调出 1 人")
    assert visitor.clicks == 2
    assert filed(person).state == "pending"


def test_people_with_something_pending_are_left_out_with_the_reason(town, units, person):
    """F-62."""
    call_command("load_hours", verbosity=0)
    free = town.practitioner(at=units[0], user=town.user(name="测试丙丁"))
    declare(town, person)
    visitor = Visitor(town.login(units[0]), "/moves/release/")
    for one in (person, free):
        visitor.tick("person", one.pk)
    visitor.type("new_unit", "公路")
    visitor.type("reason", "机构调整")
    visitor.click("查找单位并核对")
    assert "调出 1 人" in visitor.text
    assert "不能调出：1 人" in visitor.text
    assert "在审核中，办结或撤回后才能调出" in visitor.text
    visitor.click("提交调出 1 人")
    release = Release.objects.get()
    assert release.rows.count() == 2
    assert release.rows.get(practitioner=free).application is not None
    assert "在审核中" in release.rows.get(practitioner=person).refusal
    assert not UnitTransfer.objects.filter(practitioner=person).exists()
    assert "未调出" in visitor.text


def test_the_new_unit_receives_and_the_person_is_there(town, units, person):
    """F-61, A9."""
    file_transfer(town, person, units[1], by=units[0])
    visitor = Visitor(town.login(units[1]), "/moves/incoming/")
    assert "发起调出" in visitor.text
    assert person.user.id_masked in visitor.text
    visitor.click("测**乙")
    assert "原单位办理人员调出" in visitor.text
    visitor.click("通过")
    person.refresh_from_db()
    assert person.employer == units[1]
    assert "没有等待接收的人员" in Visitor(visitor.client, "/moves/incoming/").text
    assert "已调转" in Visitor(visitor.client, "/moves/records/?way=in").text


def test_a_coming_transfer_is_not_shown_before_the_old_unit_agreed(town, units, person):
    """F-57: the new unit neither acts nor sees before the old one."""
    application = file_transfer(town, person, units[1])
    client = town.login(units[1])
    for url in ("/moves/incoming/", "/moves/records/?way=in"):
        assert person.user.id_masked not in client.get(url).content.decode()
    engine.approve(application.steps.get(order=1).pk, by=town.actor(units[0]), comment="手续已办")
    page = client.get("/moves/incoming/").content.decode()
    assert person.user.id_masked in page
    assert "同意调出：手续已办" in page


def test_records_show_both_ways_and_stay_after_the_person_left(town, units, person):
    complete(town, file_transfer(town, person, units[1], by=units[0]))
    page = town.login(units[0]).get("/moves/records/").content.decode()
    assert person.user.id_masked in page
    assert "已调转" in page


def test_an_admin_who_releases_themselves_does_not_sign(town, units):
    """Decision 8: filing is no consent in one's own matter."""
    boss = town.super_admin(units[0])
    own = town.practitioner(at=units[0], user=boss.user)
    file_transfer(town, own, units[1], by=units[0])
    first = filed(own).steps.get(order=1)
    assert (first.state, first.approver) == ("open", units[0].superior)


def test_the_choice_survives_searching_and_turning_pages(town, units):
    crowd = [town.practitioner(at=units[0]) for _ in range(60)]
    visitor = Visitor(town.login(units[0]), "/moves/release/")
    visitor.tick("person", crowd[0].pk)
    visitor.type("reason", "写了一半的原因")
    visitor.click("下一页")
    assert "写了一半的原因" in visitor.html
    visitor.tick("person", crowd[-1].pk)
    visitor.type("q", crowd[30].user.id_masked[-4:])
    visitor.click("查找")
    assert "已选 2 人" in visitor.text
    visitor.type("q", "")
    visitor.click("查找")
    visitor.tick("person", crowd[0].pk)  # off again
    visitor.click("下一页")
    assert "已选 1 人" in visitor.text
    visitor.click("选择全部 60 人")
    assert "已选 60 人" in visitor.text
    visitor.click("全部取消选择")
    assert "已选" not in visitor.text


def test_enter_in_a_box_searches_when_the_search_text_is_new(town, units, person):
    client = town.login(units[0])
    data = {"do": "enter", "q": "不存在", "searched": "", "picked": str(person.pk), "reason": "写了一半"}
    page = client.post("/moves/release/", data).content.decode()
    assert "没有找到这样的人员" in page
    assert "写了一半" in page
    data = {"do": "enter", "q": "", "searched": "", "picked": "", "reason": "写了一半"}
    assert "请填写调往单位" in client.post("/moves/release/", data).content.decode()


BAD_RELEASES = {
    "nothing": ({}, "请勾选要调出的人员"),
    "garbage ids": ({"picked": "a,b,,-1,1e3," + "9" * 40, "person": "x"}, "请勾选要调出的人员"),
    "own unit": ({"new_unit": "测试房产中心", "reason": "x"}, "就是现在的单位"),
    "place that does not read": ({"do": "go", "go": "?after=zzz"}, "测试"),
    "long token": ({"token": "x" * 33, "new_unit": "公路", "reason": "x"}, "请勾选要调出的人员"),
}


@pytest.mark.parametrize("case", BAD_RELEASES)
def test_bad_input_of_a_release(town, units, person, case):
    data, sentence = BAD_RELEASES[case]
    answer = town.login(units[0]).post("/moves/release/", {"do": "check", **data})
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not Release.objects.exists()


def test_somebody_elses_people_cannot_be_slipped_in(town, units, person):
    """Neither a stranger's nor a sub-unit's: they fall out of the choice, and nothing tells whether they exist."""
    sub = town.employer(under=units[0])
    foreign = [town.practitioner(at=units[1]), town.practitioner(at=sub)]
    client = town.login(units[0])
    ids = ",".join(str(one.pk) for one in [person, *foreign])
    data = {"picked": ids, "new_unit": "公路", "reason": "x", "do": "submit", "token": "a" * 32}
    client.post("/moves/release/", data)
    assert list(Release.objects.get().rows.values_list("practitioner", flat=True)) == [person.pk]
    for one in [*foreign, None]:
        assert client.get(f"/moves/release/?person={one.pk if one else 999999}").status_code == 404


def test_a_second_click_on_submit_finds_the_first_ones_record(town, units, person):
    client = town.login(units[0])
    data = {"picked": person.pk, "new_unit": "公路", "reason": "x", "do": "submit", "token": "a" * 32}
    first, second = client.post("/moves/release/", data), client.post("/moves/release/", data)
    assert first.url == second.url
    assert UnitTransfer.objects.count() == 1


def test_somebody_elses_token_opens_nothing(town, units, person):
    data = {"picked": person.pk, "new_unit": "公路", "reason": "x", "do": "submit", "token": "a" * 32}
    town.login(units[0]).post("/moves/release/", data)
    other = town.practitioner(at=units[1])
    answer = town.login(units[1]).post(
        "/moves/release/", {**data, "picked": other.pk, "new_unit": "测试房产中心"}
    )
    assert answer.status_code == 302
    assert Release.objects.count() == 2


def test_what_was_interrupted_is_carried_on(town, units, person):
    release = releasing.begin("b" * 32, {person.pk}, units[1], "机构调整", by=town.actor(units[0]))
    visitor = Visitor(town.login(units[0]), f"/moves/release/{release.pk}/")
    assert "还有 1 人尚未办理" in visitor.text
    visitor.click("继续办理")
    assert "待新单位审核" in visitor.text


def test_a_crowd_is_one_action_with_one_row_each(town, units):
    """How long 500 people take is measured by bench/release.py."""
    old = units[0]
    people = crowd(old, 120)
    visitor = Visitor(town.login(old), "/moves/release/")
    visitor.click("选择全部 120 人")
    visitor.type("new_unit", "公路")
    visitor.type("reason", "机构调整")
    visitor.click("查找单位并核对")
    visitor.click("提交调出 120 人")
    assert visitor.clicks == 3
    assert visitor.html.count("待新单位审核") == len(people) == 120


def crowd(at, count):
    """Many practitioners without passwords, in a few statements."""
    users = []
    for number in range(count):
        user = User(name=f"测试{number}", password="!")
        user.set_id_number(IdNumber.parse(synthetic_id(10_000 + number)))
        users.append(user)
    users = User.objects.bulk_create(users)
    accounts = RoleAccount.objects.bulk_create(
        RoleAccount(user=user, role="practitioner", status="active", place=at.name) for user in users
    )
    return Practitioner.objects.bulk_create(
        Practitioner(user=user, account=account, employer=at, path=at.path, status=Status.ACTIVE)
        for user, account in zip(users, accounts, strict=True)
    )


# --- 更换上级部门 (F-66 … F-71) -------------------------------------------------------------------------


def test_a_change_of_the_superior_is_filed_and_withdrawn(town, units):
    unit, new = units[0], units[1].superior
    town.practitioner(at=town.employer(under=unit))
    visitor = Visitor(town.login(unit))
    visitor.click("更换上级部门")
    assert visitor.url == "/moves/superior/"
    visitor.tick("kind", "authority")
    visitor.type("new_superior", "交通局")
    visitor.type("reason", "机构改革")
    visitor.click("查找上级并核对")
    assert "2 个单位（含本单位）、1 名专业技术人员" in visitor.text
    for superior in (unit.superior, new):
        assert superior.name in visitor.text
        assert superior.phone in visitor.text
    visitor.click("提交更换申请")
    application = Application.objects.get(organization=unit)
    assert {title for (title,) in application.steps.filter(state="open").values_list("title")} == {
        "原上级审核",
        "新上级审核",
    }
    again = Visitor(visitor.client, "/moves/superior/")
    assert "原上级审核" in again.text
    assert "查找上级并核对" not in again.text
    again.click("撤回")
    application.refresh_from_db()
    assert application.state == "withdrawn"


def test_the_subtree_moves_along_and_open_steps_stay(town, units):
    """F-68, F-71, decision 9."""
    call_command("load_hours", verbosity=0)
    unit, new = units[0], units[1].superior
    person = town.practitioner(at=town.employer(under=unit))
    declaration = declare(town, person)
    approvers = list(declaration.steps.values_list("approver", flat=True))
    change = engine.submit(
        "superior-change",
        SuperiorChange(organization=unit, old_superior=unit.superior, new_superior=new, reason="x"),
        by=town.actor(unit),
    )
    complete(town, change)
    person.refresh_from_db()
    assert person.path.startswith(new.path)
    assert list(declaration.steps.values_list("approver", flat=True)) == approvers


@pytest.mark.parametrize("kind", ["employer", "bureau", "authority"])
def test_each_of_the_three_kinds_of_superior_can_be_chosen(town, units, kind):
    """F-67."""
    target = {"employer": units[1], "bureau": town.bureau, "authority": units[1].superior}[kind]
    data = {"kind": kind, "new_superior": target.name, "reason": "x", "do": "submit"}
    answer = town.login(units[0]).post("/moves/superior/", data)
    assert answer.status_code == 302
    assert SuperiorChange.objects.get().new_superior == target


BAD_CHANGES = {
    "nothing": ({}, "请选择机构类型"),
    "no kind": ({"new_superior": "交通", "reason": "x"}, "请选择机构类型"),
    "a kind that is none": (
        {"kind": "operator", "new_superior": "平台", "reason": "x"},
        "请从列出的选项中选择机构类型",
    ),
    "wrong kind": ({"kind": "bureau", "new_superior": "交通局", "reason": "x"}, "但在主管部门中有"),
    "unknown": (
        {"kind": "authority", "new_superior": "没有的局", "reason": "x"},
        "没有找到名称含“没有的局”的主管部门",
    ),
    "the present one": ({"kind": "authority", "new_superior": "测试住建局", "reason": "x"}, "就是现在的上级"),
    "itself": (
        {"kind": "employer", "new_superior": "测试房产中心", "reason": "x"},
        "本单位自己或本单位的下级",
    ),
    "own sub-unit": (
        {"kind": "employer", "new_superior": "测试下属所", "reason": "x"},
        "本单位自己或本单位的下级",
    ),
    "long reason": ({"kind": "authority", "new_superior": "交通", "reason": "长" * 201}, "200 字以内"),
}


@pytest.mark.parametrize("case", BAD_CHANGES)
def test_bad_input_of_a_change(town, units, case):
    data, sentence = BAD_CHANGES[case]
    town.employer(under=units[0], name="测试下属所")
    answer = town.login(units[0]).post("/moves/superior/", {**data, "do": "submit"})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert sentence in page
    assert data.get("reason", "") in page
    assert not SuperiorChange.objects.exists()


def test_a_sub_unit_slipped_in_is_refused(town, units):
    """F-70: also deep below, and also when the engine is asked directly."""
    deep = town.employer(under=town.employer(under=units[0]))
    data = {"kind": "employer", "new_superior": "x", "reason": "x", "chosen": deep.pk, "do": "submit"}
    page = town.login(units[0]).post("/moves/superior/", data).content.decode()
    assert "本单位自己或本单位的下级" in page
    with pytest.raises(engine.Refused, match="不能是本单位自己或本单位的下级"):
        engine.submit(
            "superior-change",
            SuperiorChange(organization=units[0], old_superior=units[0].superior, new_superior=deep),
            by=town.actor(units[0]),
        )
    assert not SuperiorChange.objects.exists()


def test_own_sub_units_are_not_offered(town, units):
    for number in range(3):
        town.employer(under=units[0], name=f"测试同名{number}")
        town.employer(under=units[1], name=f"测试同名外{number}")
    data = {"kind": "employer", "new_superior": "同名", "reason": "x", "do": "check"}
    page = town.login(units[0]).post("/moves/superior/", data).content.decode()
    assert page.count('name="chosen"') == 3
    assert "测试同名外0" in page


def test_only_the_super_admin_changes_the_superior_and_others_read_who_can(town, units):
    """F-66."""
    colleague = town.admin(units[0], duties=list(Duty.values))
    client = town.login(colleague)
    for answer in (client.get("/moves/superior/"), client.post("/moves/superior/", {"do": "submit"})):
        assert answer.status_code == 403
        assert "只能由本单位的超级管理员" in answer.content.decode()
    bureau = town.login(town.bureau).get("/moves/superior/")
    assert bureau.status_code == 403
    assert "由平台设定" in bureau.content.decode()


def test_an_authority_changes_among_bureaus_alone(town, units):
    authority = units[0].superior
    county = town.bureau_under(town.bureau, name="测试县人社局")
    visitor = Visitor(town.login(authority), "/moves/superior/")
    visitor.type("new_superior", "县人社局")
    visitor.type("reason", "x")
    visitor.click("查找上级并核对")
    visitor.click("提交更换申请")
    assert SuperiorChange.objects.get().new_superior == county


# --- who may open what ----------------------------------------------------------------------------------

PAGES = ["unit/", "release/", "incoming/", "records/", "superior/"]


@pytest.mark.parametrize("page", PAGES)
def test_nobody_without_the_right_opens_a_page(town, units, person, page):
    hours_only = town.admin(units[0], duties=[Duty.HOURS])
    transfers_only = town.admin(units[0], duties=[Duty.TRANSFERS])
    expected = {
        None: 302,
        person: 200 if page == "unit/" else 403,
        hours_only: 403,
        transfers_only: 200 if page in ("release/", "incoming/", "records/") else 403,
        units[0]: 403 if page == "unit/" else 200,
        units[0].superior: 200 if page == "superior/" else 403,
        town.bureau: 403,
    }
    for who, status in expected.items():
        client = town.login(who) if who else Client()
        assert client.get(f"/moves/{page}").status_code == status, who
    assert Client().put(f"/moves/{page}").status_code in (302, 405)
    assert town.login(units[0]).delete(f"/moves/{page}").status_code == 405


def test_an_admin_without_the_duty_cannot_file_for_anybody(town, units, person):
    """The engine's own check, behind the door of the page."""
    with pytest.raises(PermissionDenied):
        file_transfer(town, person, units[1], by=town.admin(units[0], duties=[Duty.HOURS]))


def test_foreign_objects_are_missing_objects(town, units, person):
    application = file_transfer(town, person, units[1], by=units[0])
    town.login(units[0]).post(
        "/moves/release/",
        {"picked": person.pk, "new_unit": "公路", "reason": "x", "do": "submit", "token": "c" * 32},
    )
    release = Release.objects.get()
    stranger, other = town.login(town.employer()), town.login(town.practitioner(at=units[0]))
    new = town.login(units[1])
    for client, url in [
        (stranger, f"/moves/release/{release.pk}/"),
        (new, f"/moves/release/{release.pk}/"),
        (stranger, f"/moves/again/{application.pk}/"),
        (new, f"/moves/again/{application.pk}/"),
        (other, f"/moves/again/{application.pk}/"),
        (other, f"/moves/unit/?again={application.pk}"),
        (stranger, "/moves/release/999999/"),
        (stranger, "/moves/again/999999/"),
    ]:
        assert client.get(url).status_code == 404, url
    assert stranger.post(f"/moves/release/{release.pk}/").status_code == 404


# --- cost -----------------------------------------------------------------------------------------------


def test_a_check_page_of_many_costs_as_much_as_of_one(town, units):
    people = [town.practitioner(at=units[0]) for _ in range(30)]
    client = town.login(units[0])
    counts = []
    for some in (people[:1], people):
        data = {
            "picked": ",".join(str(one.pk) for one in some),
            "new_unit": "公路",
            "reason": "x",
            "do": "check",
        }
        with CaptureQueriesContext(connection) as queries:
            assert "核对并提交" in client.post("/moves/release/", data).content.decode()
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_unit_that_signed_earlier_is_not_told_where_the_person_works_now(town, units, person):
    call_command("load_hours", verbosity=0)
    old, new = units
    hours = declare(town, person)
    sign(town, hours)
    complete(town, file_transfer(town, person, new))
    page = f"/applications/{hours.pk}/"
    assert new.name not in town.login(old).get(page).content.decode()
    assert new.name in town.login(person).get(page).content.decode()
    assert new.name in town.login(town.bureau).get(page).content.decode()
