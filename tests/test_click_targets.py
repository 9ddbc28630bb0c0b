"""Journeys from the role's home page, counted: no more clicks than screens.md promises (§2.2, goal G1).

One click is one link, button or box; typing, picking from a list and choosing a file are free. `plus` are boxes of
the journey's own form that the promise leaves out or steps it stops before, with the reason.
"""

import re
from dataclasses import dataclass

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client

from accounts.models import AccountStatus, Message, OneUseSecret, Role
from credits import certificates
from credits.models import Certificate
from credits.paper.content import grouped
from credits.paper.sealing import examine
from credits.paper.signing import public_keys
from credits.years import current_year
from orgs import granting, succession, uscc
from orgs.models import AdminRole, Division, Duty, Organization, SuperSwap
from registration.models import IdentityCorrection
from tests import registering
from tests.clicks import Visitor
from tests.declaring import proved
from tests.registering import a_certificate, an_id_number, register
from tests.test_credits_pages import answers, proof
from tests.test_inbox import declare, first_step
from tests.test_paper_signing import KEY
from tests.test_passwords import Phone
from tests.test_transfers import file_transfer
from tests.town import PASSWORD, Town
from transfers.models import Release, SuperiorChange, UnitTransfer
from workflow import engine
from workflow.models import Application

NEW_PASSWORD = "hill-and-river-7"
JOURNEYS = {}


@dataclass
class Scene:
    """The usual town: a person at a unit under an authority under a bureau; `commits` lets mail go out."""

    town: Town
    commits: object
    visit: object = Visitor  # visit(client, url): tests/test_keyboard_journeys.py comes with another browser

    def __post_init__(self):
        self.authority = self.town.authority(name="测试住建局")
        self.unit = self.town.employer(under=self.authority, name="测试房产中心", contact_name="人事科")
        self.new = self.town.employer(under=self.town.authority(name="测试交通局"), name="测试公路中心")
        self.person = self.town.practitioner(at=self.unit, user=self.town.user("测试甲乙"))

    def at_home(self, who) -> Visitor:
        return self.visit(self.town.login(who), "/")

    def bureau_issues(self) -> None:
        """Certificates carry the code of the bureau's division."""
        self.town.bureau.division = Division.objects.create(code="370900", name="泰安市")
        self.town.bureau.save()

    def stranger(self, url: str = "/") -> Visitor:
        return self.visit(Client(), url)


def journey(name: str, most: int, plus: int = 0, why: str = ""):
    assert bool(plus) == bool(why)

    def register_it(walk):
        JOURNEYS[name] = (most + plus, walk)
        return walk

    return register_it


@pytest.fixture
def scene(town, settings, django_capture_on_commit_callbacks):
    settings.SMS_SENDER = "tests.test_passwords.Phone"
    settings.SIGNING_KEY, settings.VERIFYING_KEYS = KEY, []
    Phone.sent.clear()
    call_command("load_hours", verbosity=0)
    granting.load_ready_made()
    return Scene(town, lambda: django_capture_on_commit_callbacks(execute=True))


# --- the practitioner ---------------------------------------------------------------------------------------


@journey("J1", 0)
def see_my_annual_hours(scene):
    scene.town.stands(scene.person, public=30, professional=38)
    visitor = scene.at_home(scene.person)
    assert "还差 22 学时" in visitor.text
    return visitor


@journey("J2", 3, plus=1, why="the subject is a box of the form")
def declare_hours_with_a_file(scene):
    visitor = scene.at_home(scene.person)
    visitor.click("参加学术论坛")
    return fill_in_and_submit(scene, visitor)


@journey("J2, from the cards", 3, plus=2, why="the kind is a card, the subject a box of the form")
def declare_hours_choosing_a_card(scene):
    visitor = scene.at_home(scene.person)
    visitor.click("申报学时")
    visitor.click("参加学术论坛")
    return fill_in_and_submit(scene, visitor)


def fill_in_and_submit(scene, visitor):
    filled = answers()
    visitor.tick("subject", filled["subject"])
    for name in ("title", "organiser", "started_on", "year", "stated_hours"):
        visitor.type(name, str(filled[name]))
    visitor.attach("files", proof())
    visitor.click("下一步：核对")
    visitor.click("同意声明并提交申报")
    assert Application.objects.about(scene.person).pending().get().attachments.count() == 1
    return visitor


@journey("J3", 0)
def where_is_my_matter_and_whom_to_phone(scene):
    file_transfer(scene.town, scene.person, scene.new)
    visitor = scene.at_home(scene.person)
    assert "待原单位审核" in visitor.text
    assert f'href="tel:{scene.unit.phone}"' in visitor.html
    return visitor


@journey("J4", 4)
def start_a_transfer_with_several_units_to_choose_from(scene):
    scene.town.employer(under=scene.new.superior, name="测试公路中心养护所")
    visitor = scene.at_home(scene.person)
    visitor.click("单位调转")
    visitor.type("new_unit", "公路 中心")
    visitor.type("reason", "家庭原因")
    visitor.click("查找单位并核对")
    visitor.click("选择", among="测试公路中心（")
    for unit in (scene.unit, scene.new):
        assert unit.phone in visitor.text
    visitor.click("提交调转申请")
    transfer = UnitTransfer.objects.get()
    assert (transfer.new_employer, transfer.reason) == (scene.new, "家庭原因")
    assert visitor.url == f"/applications/{transfer.pk}/"
    return visitor


@journey("J4, one unit that fits", 3)
def start_a_transfer_with_one_unit_that_fits(scene):
    visitor = scene.at_home(scene.person)
    visitor.click("单位调转")
    visitor.type("new_unit", "测试公路中心")
    visitor.type("reason", "家庭原因")
    visitor.click("查找单位并核对")
    visitor.click("提交调转申请")
    assert UnitTransfer.objects.get().new_employer == scene.new
    return visitor


@journey("J5", 2)
def withdraw_a_transfer(scene):
    application = file_transfer(scene.town, scene.person, scene.new)
    visitor = scene.at_home(scene.person)
    visitor.click("单位调转")
    assert "新单位审核" in visitor.text
    visitor.click("撤回")
    application.refresh_from_db()
    assert application.state == "withdrawn"
    return visitor


@journey("J17", 3)
def correct_name_or_number(scene):
    scene.town.operator()
    visitor = scene.at_home(scene.person)
    visitor.click("用户资料管理")
    visitor.click("更正姓名或身份证号")
    visitor.type("name", "测试甲己")
    visitor.type("reason", "注册时写错")
    visitor.attach("files", a_certificate())
    visitor.click("提交更正申请")
    correction = IdentityCorrection.objects.get()
    assert visitor.url == f"/applications/{correction.pk}/"
    assert (correction.practitioner, correction.new_name) == (scene.person, "测试甲己")
    assert correction.application.steps.get().approver == scene.town.platform
    return visitor


@journey("J24", 3)
def close_the_account(scene):
    visitor = scene.at_home(scene.person)
    visitor.click("用户资料管理")
    visitor.click("账户注销")
    for sentence in ("学时、证书和您审核过的记录保留", "证件号码不再占用", "注销不能撤回"):
        assert sentence in visitor.text
    visitor.type("current_password", PASSWORD)
    visitor.click("注销账户")
    scene.person.account.refresh_from_db()
    assert scene.person.account.status == AccountStatus.CLOSED
    assert "您的账户已注销" in visitor.text
    return visitor


# --- before the login -----------------------------------------------------------------------------------------


def registered(scene) -> tuple[str, Application]:
    registering.load_lists()
    number = an_id_number()
    return number, register("practitioner", "staff", scene.unit, id_number=number)


@journey("J6", 2)
def progress_of_a_registration(scene):
    number, _ = registered(scene)
    visitor = scene.stranger()
    visitor.click("注册审核进度查询")
    visitor.type("id_number", number)
    visitor.type("password", registering.PASSWORD)
    visitor.click("查询")
    assert scene.unit.phone in visitor.text
    assert "待审核" in visitor.text
    return visitor


@journey("J6, from a refused login", 1)
def progress_from_a_refused_login(scene):
    number, application = registered(scene)
    visitor = scene.stranger("/login/")
    visitor.type("id_number", number)
    visitor.type("password", registering.PASSWORD)
    visitor.press("登录")
    assert scene.unit.name in visitor.text
    visitor.clicks = 0
    visitor.open("/register/progress/")
    assert application.receipt in visitor.text
    return visitor


@journey("J7", 4)
def withdraw_a_registration(scene):
    number, application = registered(scene)
    visitor = scene.stranger()
    visitor.click("注册审核进度查询")
    visitor.type("id_number", number)
    visitor.type("password", registering.PASSWORD)
    visitor.click("查询")
    visitor.click("撤回申请")
    visitor.type("password", registering.PASSWORD)
    visitor.press("撤回申请")
    application.refresh_from_db()
    assert application.state == "withdrawn"
    return visitor


def new_password(visitor) -> None:
    visitor.type("new_password", NEW_PASSWORD)
    visitor.type("new_password_again", NEW_PASSWORD)
    visitor.press("设置新密码并登录")


@journey("J8, by mobile", 4)
def forgot_the_password_by_mobile(scene):
    visitor = scene.stranger("/login/")
    visitor.click("忘记登录密码？")
    visitor.type("id_number", scene.person.user.id_number.reveal())
    with scene.commits():
        visitor.click("发送短信验证码")
    code = re.search(r"验证码 (\d{6})", Phone.sent[-1][1])[1]
    visitor.type("code", code)
    new_password(visitor)
    assert "本年度还没有学时" in visitor.text, "logged in"
    return visitor


@journey("J8, by mail", 4)
def forgot_the_password_by_mail(scene):
    visitor = scene.stranger("/login/")
    visitor.click("忘记登录密码？")
    visitor.type("id_number", scene.person.user.id_number.reveal())
    with scene.commits():
        visitor.click("发送邮件链接")
    link = re.search(r"http://[^/]+(/reset/\S+)", mail.outbox[-1].body)[1]
    clicks, visitor = visitor.clicks, scene.visit(visitor.client, link)
    visitor.clicks = clicks + 1
    new_password(visitor)
    assert "本年度还没有学时" in visitor.text, "logged in"
    return visitor


# --- the unit -------------------------------------------------------------------------------------------------


@journey("J9", 3)
def reset_a_password(scene):
    visitor = scene.at_home(scene.unit)
    visitor.type("q", "测试甲乙")
    visitor.click("查询")
    visitor.open(f"/people/{scene.person.pk}/reset-password/")
    visitor.press("重置密码")
    assert OneUseSecret.objects.filter(user=scene.person.user).exists()
    return visitor


@journey("J10", 2)
def approve_one_matter(scene):
    first, second = (
        declare(scene.town, scene.town.practitioner(at=scene.unit), days_ago=days) for days in (9, 3)
    )
    visitor = scene.at_home(scene.unit)
    visitor.open(f"/applications/{first.pk}/")
    visitor.press("通过并看下一件")
    assert first_step(first).state == "approved"
    assert visitor.url == f"/applications/{second.pk}/"
    return visitor


@journey("J11", 3)
def approve_twenty_five_matters(scene):
    filed = [proved(declare(scene.town, scene.town.practitioner(at=scene.unit))) for _ in range(25)]
    visitor = scene.at_home(scene.unit)
    visitor.click("全选，批量审核")
    visitor.press("核对所选")
    visitor.press("通过勾选的事项")
    assert "已通过 25 件" in visitor.text
    assert {first_step(one).state for one in filed} == {"approved"}
    return visitor


@journey("J12", 3)
def reject_with_a_usual_reason(scene):
    filed = declare(scene.town, scene.person)
    visitor = scene.at_home(scene.unit)
    visitor.open(f"/applications/{filed.pk}/")
    visitor.tick("reason", "不符合学时认定标准")
    visitor.type("comment", "请看通知第三条", last=True)
    visitor.press("驳回")
    filed.refresh_from_db()
    assert filed.state == "rejected"
    assert "不符合学时认定标准" in first_step(filed).comment
    assert "请看通知第三条" in first_step(filed).comment
    return visitor


def released(scene, visitor) -> Visitor:
    visitor.type("new_unit", "公路")
    visitor.type("reason", "机构调整")
    visitor.click("查找单位并核对")
    visitor.click("提交调出 1 人")
    assert visitor.url == f"/moves/release/{Release.objects.get().pk}/"
    transfer = UnitTransfer.objects.get()
    assert transfer.practitioner == scene.person
    assert list(transfer.application.steps.values_list("title", "state")) == [
        ("原单位审核", "approved"),
        ("新单位审核", "open"),
    ]
    return visitor


@journey("J13", 4)
def release_somebody(scene):
    visitor = scene.at_home(scene.unit)
    visitor.click("人员调出")
    visitor.tick("person", scene.person.pk)
    return released(scene, visitor)


@journey("J13, by an admin of transfers", 4)
def release_somebody_as_an_admin_of_transfers(scene):
    visitor = scene.at_home(scene.town.admin(scene.unit, duties=[Duty.TRANSFERS]))
    visitor.click("人员调出")
    visitor.tick("person", scene.person.pk)
    return released(scene, visitor)


@journey("J14", 4)
def change_the_superior(scene):
    scene.town.practitioner(at=scene.town.employer(under=scene.unit))
    new = scene.new.superior
    visitor = scene.at_home(scene.unit)
    visitor.click("更换上级部门")
    visitor.tick("kind", "authority")
    visitor.type("new_superior", "交通局")
    visitor.type("reason", "机构改革")
    visitor.click("查找上级并核对")
    assert "2 个单位（含本单位）、2 名专业技术人员" in visitor.text
    for superior in (scene.authority, new):
        assert superior.phone in visitor.text
    visitor.click("提交更换申请")
    change = SuperiorChange.objects.get()
    assert (change.new_superior, change.application.steps.filter(state="open").count()) == (new, 2)
    return visitor


@journey("J15, a new person", 4)
def add_an_admin_who_is_new_here(scene):
    visitor = scene.at_home(scene.unit)
    visitor.click("新增管理员")
    visitor.type("id_number", an_id_number())
    visitor.click("下一步")
    role = AdminRole.objects.ready_made().first()
    visitor.type("name", "测试丙")
    visitor.type("email", "new@example.org")
    visitor.tick("role", role.pk)
    visitor.click("添加管理员")
    admin = scene.unit.admins.get(user__name="测试丙")
    assert (admin.role, admin.duties) == (role, role.duties)
    return visitor


@journey("J15, one of the own people", 4)
def add_an_admin_from_the_own_people(scene):
    visitor = scene.at_home(scene.unit)
    visitor.click("新增管理员")
    visitor.click(f"选为管理员：测**乙 {scene.person.user.id_masked}")
    visitor.tick("role", AdminRole.objects.ready_made().first().pk)
    visitor.click("添加管理员")
    assert scene.unit.admins.filter(user=scene.person.user).exists()
    return visitor


@journey("J16", 4)
def change_the_super_admin(scene):
    heir = scene.town.admin(scene.unit, duties=[Duty.HOURS]).org_admin
    visitor = scene.at_home(scene.unit)
    visitor.click("更换超级管理员")
    assert "原超管账号不保留" in visitor.text
    visitor.tick("successor", heir.pk)
    visitor.type("password", PASSWORD)
    visitor.click("提出更换")
    assert SuperSwap.objects.get().successor == heir.user
    return visitor


@journey("J16, the successor's answer", 2)
def accept_to_be_super_admin(scene):
    heir = scene.town.admin(scene.unit, duties=[Duty.HOURS])
    swap = succession.offer(heir.org_admin.pk, by=scene.town.actor(scene.unit))
    visitor = scene.at_home(heir)
    visitor.open(f"/organization/succession/{swap.pk}/")
    visitor.press("接受并成为超级管理员")
    assert scene.unit.admins.get(is_super=True).user == heir.user
    return visitor


@journey(
    "J19", 0, plus=1, why="the box “no credit code” itself, instead of typing the code and choosing its paper"
)
def a_unit_without_a_credit_code(scene):
    """What it costs beyond the registration of a unit that has one."""
    registering.load_lists()
    scene.town.operator()
    county = scene.town.bureau_under(scene.town.bureau, name="测试区人社局")
    usual, visitor = register_a_village(scene, with_code=True), register_a_village(scene, with_code=False)
    first, second = Application.objects.order_by("pk")
    assert list(first.steps.values_list("approver", flat=True)) == [county.pk]
    assert list(second.steps.values_list("approver", flat=True)) == [scene.town.platform.pk, county.pk]
    engine.approve(second.steps.get(state="open").pk, by=scene.town.actor(scene.town.platform))
    assert uscc.is_temporary(Organization.objects.get(pk=second.organization_id).uscc)
    visitor.clicks -= usual.clicks
    return visitor


# fmt: off
TYPED_BY_A_UNIT = (
    "unit_name", "uscc", "division", "contact_name", "phone", "office_hours",
    "id_number", "name", "password", "password2", "mobile",
)
# fmt: on


def register_a_village(scene, *, with_code: bool):
    visitor = scene.stranger()
    visitor.click("注册")
    visitor.click("用人单位")
    visitor.click("⑤ 街道社区、村委会")
    visitor.type("q", "测试区人社局")
    visitor.click("查找")
    visitor.click("测试区人社局")
    filled = registering.organization("employer", "community", Organization.objects.get(name="测试区人社局"))
    filled |= {"unit_name": f"测试{'一' if with_code else '二'}村村民委员会"}
    if not with_code:
        visitor.tick("no_code", "on")
        del filled["uscc"], filled["files"]
    for name in TYPED_BY_A_UNIT:
        if name in filled:
            visitor.type(name, filled[name])
    if with_code:
        visitor.attach("files", filled["files"])
    visitor.click("下一步：核对")
    visitor.click("提交注册")
    assert "受理号" in visitor.text
    return visitor


# --- certificates -----------------------------------------------------------------------------------------------


@journey("J21", 2)
def print_the_certificate(scene):
    scene.bureau_issues()
    scene.town.stands(scene.person, public=30, professional=62)
    visitor = scene.at_home(scene.person)
    visitor.click("签发证书")
    one = Certificate.objects.get(practitioner=scene.person)
    assert one.number in visitor.text
    assert examine(visitor.download("打印证书（PDF）"), public_keys()).intact
    return visitor


@journey("J22", 2)
def verify_somebodys_certificate(scene):
    scene.bureau_issues()
    scene.town.stands(scene.person, public=30, professional=62)
    one = certificates.issue(scene.person, current_year(), by=scene.town.actor(scene.town.bureau))
    visitor = scene.stranger()
    visitor.click("电子证书查验")
    visitor.type("number", one.number)
    visitor.type("code", grouped(one.code))
    visitor.click("查验")
    assert "测**乙" in visitor.text
    assert scene.person.user.name not in visitor.text
    return visitor


# --- several roles ----------------------------------------------------------------------------------------------


@journey("J18", 2)
def a_second_role(scene):
    registering.load_lists()
    boss = scene.town.super_admin(scene.unit).user
    visitor = scene.at_home(scene.unit)
    visitor.click("添加身份")
    assert boss.name in visitor.text
    assert "id_number" not in visitor.html
    filled = registering.practitioner()
    for name in ("education", "field_of_study", "title_series"):
        visitor.type(name, filled[name])
    visitor.type("title_series", "none")
    visitor.press("提交注册")
    account = boss.accounts.get(role=Role.PRACTITIONER)
    assert (account.status, account.practitioner.employer) == (AccountStatus.PENDING, scene.unit)
    return visitor


@journey("J20", 2)
def remind_who_has_not_met_the_year(scene):
    call_command("load_hours", verbosity=0)
    others = [scene.town.practitioner(at=scene.unit) for _ in range(3)]
    scene.town.stands(others[0], 30, 60)
    visitor = scene.at_home(scene.unit)
    visitor.click("3 未达标")
    visitor.press("提醒所选")
    assert "已提醒 3 人" in visitor.text
    reminded = {one.user_id for one in (scene.person, *others[1:])}
    assert set(Message.objects.filter(key__startswith="unmet:").values_list("user", flat=True)) == reminded
    return visitor


@journey("J23", 1)
def switch_the_role(scene):
    admin = scene.town.admin(scene.new, user=scene.person.user, duties=[Duty.HOURS])
    visitor = scene.at_home(admin)
    assert "测试公路中心" in visitor.text
    visitor.click("切换为专业技术人员")
    assert "本年度还没有学时" in visitor.text
    return visitor


# --- the promises ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", JOURNEYS)
def test_a_journey_takes_no_more_clicks_than_promised(scene, name):
    most, walk = JOURNEYS[name]
    assert walk(scene).clicks <= most


@pytest.mark.parametrize(
    ("of_unit", "of_people"),
    [
        ("with_authority", "staff"),
        ("private", "private_staff"),
        ("bureau_section", "bureau_staff"),
        ("", "staff"),
    ],
)
def test_the_short_way_to_a_second_role_says_the_right_situation(scene, of_unit, of_people):
    """J18: the questions are answered from the unit's own registration."""
    if of_unit:
        registering.load_lists()
        superior = (
            scene.authority if of_unit == "with_authority" else scene.town.bureau_under(scene.town.bureau)
        )
        name = {"unit_name": "测试人社局人事科"} if of_unit == "bureau_section" else {}
        filed = register("employer", of_unit, superior, **name)
        engine.approve(filed.steps.get().pk, by=scene.town.actor(superior))
        Application.objects.filter(pk=filed.pk).update(organization=scene.unit)
    page = scene.town.login(scene.unit).get("/register/").content.decode()
    assert f"situation={of_people}&amp;employer={scene.unit.pk}" in page
    assert "本单位的专业技术人员" not in scene.town.login(scene.person).get("/register/").content.decode()


def test_no_journey_is_missing():
    """screens.md §2.2: all of J1 … J24."""
    assert {int(re.match(r"J(\d+)", name)[1]) for name in JOURNEYS} == set(range(1, 25))
