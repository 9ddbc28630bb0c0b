"""FAQ 1, 4 to 10, 15, 17 and 20: registering, through the pages."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.id_number import IdNumber
from accounts.models import AccountStatus, Role, RoleAccount, User
from orgs import uscc
from orgs.models import OrgAdmin, Organization, Practitioner, Status
from registration.models import EmployerRegistration, PractitionerRegistration
from tests import registering
from tests import town as makers
from tests.registering import PASSWORD, address, an_id_number, errors, fill_in, register
from workflow import engine
from workflow.models import Application, Attachment


@pytest.fixture(autouse=True)
def _lists(db):
    registering.load_lists()


@pytest.fixture
def employer(town):
    return town.employer(name="测试中心")


def user_of(number: str) -> User:
    return User.objects.by_id_number(IdNumber.parse(number)).get()


def approve(town, application: Application) -> None:
    step = application.steps.get()
    engine.approve(step.pk, by=town.actor(step.approver))


# --- FAQ 1: who registers, in which order ----------------------------------------------------------


def test_a_practitioner_registers_is_approved_and_logs_in(town, employer):
    number = an_id_number()
    application = register("practitioner", "staff", employer, id_number=number)
    user = user_of(number)
    account = user.accounts.get()
    assert (account.role, account.status, account.place) == ("practitioner", "pending", "测试中心")
    assert (account.reviewer, account.reviewer_phone) == ("测试中心", employer.phone)
    assert account.waiting_since == application.submitted_at
    assert user.practitioner.status == Status.PENDING
    assert user.practitioner.path == employer.path

    approve(town, application)

    account.refresh_from_db()
    assert account.status == AccountStatus.ACTIVE
    assert user.practitioner.__class__.objects.get(user=user).status == Status.ACTIVE
    browser = Client()
    login = {"role": "practitioner", "id_number": number, "password": PASSWORD}
    assert browser.post("/login/", login).status_code == 302


def test_an_employer_registers_with_its_certificate_and_its_first_admin(town):
    authority = town.authority(name="测试局")
    number = an_id_number()
    application = register(
        "employer", "with_authority", authority, id_number=number, unit_name="测试 学校(本部)"
    )
    unit = application.organization
    assert (unit.name, unit.kind, unit.status) == ("测试学校（本部）", "employer", "pending")
    assert unit.path == f"{authority.path}{unit.pk}/"
    admin = OrgAdmin.objects.get(organization=unit)
    assert admin.is_super
    assert admin.user == user_of(number)
    assert [one.extension for one in application.attachments.all()] == ["png"]
    said = EmployerRegistration.objects.get(pk=application.pk)
    assert [(row.label, row.value) for row in said.question_rows] == [
        ("注册情况", "有主管部门的单位"),
        ("主管部门", "测试局"),
    ]
    approve(town, application)
    assert Organization.objects.get(pk=unit.pk).status == Status.ACTIVE
    assert RoleAccount.objects.get(pk=admin.account_id).status == AccountStatus.ACTIVE


def test_an_old_application_still_shows_what_it_said(town, employer):
    application = register("practitioner", "staff", employer)
    approve(town, application)
    Practitioner.objects.update(education="doctor")
    Organization.objects.filter(pk=employer.pk).update(name="改名后的中心")
    User.objects.update(mobile="+8613911111111")
    rows = {row.label: row.value for row in PractitionerRegistration.objects.get(pk=application.pk).rows}
    assert rows["最高学历"] == "大学本科"
    assert rows["用人单位"] == "测试中心"
    assert rows["手机号"] == "13800000000"
    assert rows["职称评审通过时间"] == "2022-06-30（评审通过之日）"


def test_the_order_of_registration_is_enforced(town, client):
    """F-04, F-120: only approved superiors and units may be chosen, by search and by address."""
    authority = town.authority(name="待选测试局")
    application = register("employer", "with_authority", authority, unit_name="未批准中心")
    pending = application.organization
    page = client.get("/register/practitioner/unit/?situation=staff&q=未批准").content.decode()
    assert "已提交注册，正在审核中" in page
    assert f"employer={pending.pk}" not in page
    answer = client.get(address("form", "practitioner", "staff", pending), follow=True)
    assert "“未批准中心”的注册还没有通过审核，通过后才能选择。" in answer.content.decode()
    approve(town, application)
    page = client.get("/register/practitioner/unit/?situation=staff&q=未批准").content.decode()
    assert f"employer={pending.pk}" in page
    assert client.get(address("form", "practitioner", "staff", pending)).status_code == 200


def test_a_unit_closed_after_the_form_was_sent_is_refused_at_the_check_page(town, employer):
    browser = Client()
    answer = fill_in("practitioner", "staff", employer, browser)
    Organization.objects.filter(pk=employer.pk).update(status=Status.CLOSED)
    answer = browser.post(answer.url, follow=True)
    assert "现在不能选择" in answer.content.decode()
    assert not Application.objects.exists()


@pytest.mark.parametrize("chosen", ["0", "999999", "x", "-1", "", "1" * 40])
def test_a_unit_that_does_not_exist_is_a_sentence(town, client, chosen):
    answer = client.get(f"/register/practitioner/form/?situation=staff&employer={chosen}", follow=True)
    assert answer.status_code == 200
    if chosen:
        assert "没有找到所选的单位，请重新选择。" in answer.content.decode()


# --- FAQ 4: another role for a known person ---------------------------------------------------------


def test_a_unit_admin_registers_as_practitioner_with_the_box_ticked(town, employer):
    account = town.super_admin(employer)
    number = account.user.id_number.reveal()
    application = register(
        "practitioner",
        "staff",
        employer,
        known="on",
        id_number=number,
        password=makers.PASSWORD,
        password2="",
        name="",
        mobile="",
    )
    assert application.person == account.user
    assert {one.role for one in account.user.accounts.all()} == {"employer", "practitioner"}
    said = PractitionerRegistration.objects.get(pk=application.pk)
    assert (said.person_name, said.wrote_person) == (account.user.name, False)
    assert User.objects.get(pk=account.user.pk).check_password(makers.PASSWORD)


def test_nobody_reviews_their_own_registration_and_the_form_says_who_does(town, employer):
    """Decision 8: the unit's only admin is the person concerned, so the superior signs; a second admin may."""
    browser = town.login(employer)
    page = browser.get(address("form", "practitioner", "staff", employer)).content.decode()
    assert "测试中心没有其他管理员可以审核，由上级代为审核。" in page
    assert town.bureau.phone in page
    town.admin(employer, duties=["registrations"])
    page = browser.get(address("form", "practitioner", "staff", employer)).content.decode()
    assert "代为审核" not in page


def test_what_the_ticked_box_does_not_ask_for_does_not_count(town, employer):
    number = town.super_admin(employer).user.id_number.reveal()
    answer = fill_in(
        "practitioner",
        "staff",
        town.employer(),
        known="on",
        id_number=number,
        password=makers.PASSWORD,
        name="12",
        mobile="not a number",
        email="x",
        password2="y",
    )
    assert answer.status_code == 302, errors(answer)


def test_a_practitioner_who_is_logged_in_is_told_at_once(town, employer):
    browser = town.login(town.practitioner(employer))
    page = browser.get(address("form", "practitioner", "staff", employer)).content.decode()
    assert "您已注册专业技术人员，无需重新注册，请直接登录。" in page


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("hmt-residence", "810000190307150021"),
        ("foreign-2023", "937840190107150025"),
        ("passport", "usa/123456789"),
        ("taiwan-travel", "12345678"),
        ("resident", "37092119011111003x"),
    ],
)
def test_other_documents_are_accounts_too(town, employer, kind, number):
    application = register("practitioner", "staff", employer, id_kind=kind, id_number=number)
    approve(town, application)
    login = {"role": "practitioner", "id_number": number, "password": PASSWORD}
    assert Client().post("/login/", login).status_code == 302


def test_the_reviewer_sees_what_was_said_and_what_is_doubtful(town):
    town.employer(name="测试医院", uscc=registering.a_code())
    code = registering.a_code()
    odd = code[:16] + ("1" if code[16] != "1" else "2")
    odd += uscc.outer_check(odd)
    application = register("employer", "backstop", town.bureau, unit_name="测试医院", uscc=odd)
    page = town.login(town.bureau).get(f"/applications/{application.pk}/").content.decode()
    assert "平台上已有同名的机构，请核对是否重复注册。" in page
    assert "组织机构代码）的校验码不符" in page
    assert "同级人社部门名称" in page
    assert "certificate.png" in page


def test_without_the_tick_a_known_person_is_told_to_tick(town, employer):
    number = town.super_admin(employer).user.id_number.reveal()
    answer = fill_in("practitioner", "staff", employer, id_number=number)
    assert answer.status_code == 200
    assert "请勾选“如果已是本系统用户，请勾选复选框”" in errors(answer)["id_number"][0]


def test_a_ticked_box_with_a_wrong_password_or_an_unknown_number_says_the_same(town, employer):
    known = town.super_admin(employer).user.id_number.reveal()
    said = []
    for number in (known, an_id_number()):
        answer = fill_in(
            "practitioner", "staff", employer, known="on", id_number=number, password="wrong-one-1"
        )
        said.append(errors(answer))
    assert said[0] == said[1]
    assert said[0]["password"] == ["没有找到这个账号，或密码不对。首次注册的，请取消上面的勾选。"]


def test_wrong_passwords_of_the_ticked_box_are_throttled(town, employer):
    number = town.super_admin(employer).user.id_number.reveal()
    browser = Client()
    for _ in range(7):
        answer = fill_in(
            "practitioner", "staff", employer, browser, known="on", id_number=number, password="wrong-one-1"
        )
    assert "提交次数太多" in str(errors(answer))
    # Even the right password waits now.
    answer = fill_in(
        "practitioner", "staff", employer, browser, known="on", id_number=number, password=makers.PASSWORD
    )
    assert answer.status_code == 200


def test_somebody_logged_in_adds_a_role_without_typing_anything_personal(town, employer):
    """J18: 添加身份."""
    other = town.employer(name="学习单位")
    browser = town.login(employer)
    page = browser.get(address("form", "practitioner", "staff", other)).content.decode()
    assert 'name="id_number"' not in page
    assert 'name="password"' not in page
    data = {
        name: value
        for name, value in registering.practitioner().items()
        if name not in ("id_kind", "id_number", "name", "password", "password2", "mobile", "email")
    }
    answer = browser.post(address("form", "practitioner", "staff", other), data)
    assert answer.status_code == 302, errors(answer)
    application = Application.objects.get()
    assert answer.url == f"/register/done/{application.pk}/"
    assert application.person == town.super_admin(employer).user
    assert browser.get(answer.url).status_code == 200


def test_the_same_person_may_register_two_units(town):
    """Decision 5: one person may administer several organisations."""
    number = an_id_number()
    register("employer", "backstop", town.bureau, id_number=number, unit_name="测试一院")
    register("employer", "backstop", town.bureau, id_number=number, known="on", unit_name="测试二院", name="")
    assert user_of(number).accounts.filter(role=Role.EMPLOYER, status="pending").count() == 2


# --- FAQ 5, 6, 7: field of study, title, date -------------------------------------------------------


@pytest.mark.parametrize("code", ["08", "0810", "44", "99"])
def test_a_category_a_class_or_other_is_a_field_of_study(town, employer, code):
    application = register("practitioner", "staff", employer, field_of_study=code)
    assert application.practitioner.field_of_study_id == code


def test_without_a_title_nothing_about_it_is_asked(town, employer):
    application = register(
        "practitioner",
        "staff",
        employer,
        title_series="none",
        title_level="",
        title="随便写的",
        title_mode="",
        title_awarded_on="不记得",
    )
    practitioner = application.practitioner
    assert practitioner.title_series is None
    assert (practitioner.title, practitioner.title_level, practitioner.title_awarded_on) == ("", "", None)


@pytest.mark.parametrize(
    ("mode", "day", "means"),
    [
        ("evaluation", "2021-04-30", "公布之日"),
        ("evaluation", "2021-05-01", "评审通过之日"),
        ("evaluation", "2021-05-02", "评审通过之日"),
        ("examination", "2019-10-27", "考试最后一天"),
        ("appointment", "2020-08-01", "审批之日"),
    ],
)
def test_what_the_date_means_is_said_on_the_check_page(town, employer, mode, day, means):
    browser = Client()
    answer = fill_in("practitioner", "staff", employer, browser, title_mode=mode, title_awarded_on=day)
    assert f"{day}（{means}）" in browser.get(answer.url).content.decode()


@pytest.mark.parametrize(
    "text", ["2021年6月30日", "20210630", "2021/6/30", "２０２１－０６－３０", " 2021-06-30 ", "2021.6.30"]
)
def test_a_date_may_be_written_in_many_ways(town, employer, text):
    application = register("practitioner", "staff", employer, title_awarded_on=text)
    assert str(application.practitioner.title_awarded_on) == "2021-06-30"


# --- FAQ 8 and bad input: a sentence beside the field, nothing lost, never a 500 --------------------

PERSON_TABLE = [
    ({"id_number": ""}, "id_number", "请填写身份证号。"),
    ({"id_number": "370902190001011235"}, "id_number", "校验码不符"),
    ({"id_number": "370902190002291231"}, "id_number", "不是真实的出生日期"),
    ({"id_number": "000902190101011238"}, "id_number", "前两位不是任何省份"),
    ({"id_number": "123"}, "id_number", "应为 18 位"),
    ({"id_kind": "passport", "id_number": "370902190001011234"}, "id_number", "护照号码请写成"),
    ({"id_kind": "nonsense"}, "id_kind", "请选择列表中的证件类型"),
    ({"name": ""}, "name", "请填写姓名"),
    ({"name": "甲1"}, "name", "姓名请与证件一致"),
    ({"name": "甲" * 51}, "name", "姓名最多 50 个字"),
    ({"password": ""}, "password", "请设置登录密码"),
    ({"password": "short1", "password2": "short1"}, "password", "8"),
    ({"password": "12345678", "password2": "12345678"}, "password", ""),
    ({"password2": "another-one-9"}, "password2", "两次输入的密码不一致"),
    ({"password2": ""}, "password2", "请再输入一次登录密码"),
    ({"mobile": "", "email": ""}, "mobile", "请至少填一项"),
    ({"mobile": "12800000000"}, "mobile", "11 位的中国大陆手机号"),
    ({"email": "not-an-address"}, "email", "完整的邮箱地址"),
    ({"name": "甲\x00乙"}, "name", ""),
]
PRACTITIONER_TABLE = [
    *PERSON_TABLE,
    ({"education": ""}, "education", "请选择最高学历"),
    ({"education": "x"}, "education", "请选择列表中的学历"),
    ({"field_of_study": ""}, "field_of_study", "请选择所学专业"),
    ({"field_of_study": "9999"}, "field_of_study", "请选择列表中的专业"),
    ({"title_series": ""}, "title_series", "没有职称证书的选“无”"),
    ({"title_series": "77"}, "title_series", "请选择列表中的职称系列"),
    ({"title_level": ""}, "title_level", "请选择职称级别"),
    ({"title_level": "senior"}, "title_level", "“工程师”是中级职称，请核对职称级别。"),
    ({"title": ""}, "title", "请填写职称名称"),
    ({"title_mode": ""}, "title_mode", "请选择职称的取得方式"),
    ({"title_awarded_on": ""}, "title_awarded_on", "以后（含当日）的，填评审通过之日"),
    ({"title_awarded_on": "", "title_mode": "examination"}, "title_awarded_on", "填考试最后一天"),
    ({"title_awarded_on": "2021-02-30"}, "title_awarded_on", "不是真实的日期"),
    ({"title_awarded_on": "2999-01-01"}, "title_awarded_on", "不能晚于今天"),
    ({"title_awarded_on": "1900-01-01"}, "title_awarded_on", "太早"),
]
ORGANIZATION_TABLE = [
    *PERSON_TABLE,
    ({"unit_name": ""}, "unit_name", "请填写单位名称"),
    ({"unit_name": "12"}, "unit_name", "请填写单位全称"),
    ({"unit_name": "甲" * 121}, "unit_name", "最多 120 个字"),
    ({"uscc": ""}, "uscc", "请填写统一社会信用代码"),
    ({"uscc": "1237090049500001X3"}, "uscc", "校验码不符"),
    ({"uscc": "1237090049O00001X2"}, "uscc", "不使用字母"),
    ({"uscc": "1237090049500001X"}, "uscc", "应为 18 位"),
    ({"uscc": "LS3709020000000010"}, "uscc", "临时代码有误"),
    ({"division": ""}, "division", "请选择所在区划"),
    ({"division": "999999"}, "division", "请选择列表中的区划"),
    ({"contact_name": ""}, "contact_name", "请填写联系人"),
    ({"phone": ""}, "phone", "请填写联系电话"),
    ({"phone": "call me"}, "phone", "能打通的办公电话"),
    ({"files": ""}, "files", "请上传单位证书"),
]


def assert_refused(answer, field: str, words: str, data: dict) -> None:
    assert answer.status_code == 200, getattr(answer, "url", "")
    found = errors(answer)
    assert set(found) == {field}, found
    assert words in " ".join(found[field])
    page = answer.content.decode()
    assert "<title>错误：" in page
    assert f'id="id_{field}_error"' in page, "the sentence stands beside its field"
    bound = answer.context["form"]
    for name, value in data.items():
        if name in bound.fields and isinstance(value, str) and name != "files" and "password" not in name:
            assert bound[name].value() == value, f"{name} was lost"
    assert not Application.objects.exists()


@pytest.mark.parametrize(("changes", "field", "words"), PRACTITIONER_TABLE)
def test_bad_input_of_a_practitioner(town, employer, changes, field, words):
    data = registering.practitioner(**changes)
    answer = Client().post(address("form", "practitioner", "staff", employer), data)
    assert_refused(answer, field, words, data)


@pytest.mark.parametrize(("changes", "field", "words"), ORGANIZATION_TABLE)
def test_bad_input_of_an_employer(town, changes, field, words):
    data = registering.organization("employer", "backstop", town.bureau, **changes)
    answer = Client().post(address("form", "employer", "backstop", town.bureau), data)
    assert_refused(answer, field, words, data)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"unit_name": ""}, "unit_name"),
        ({"uscc": ""}, "uscc"),
        ({"phone": ""}, "phone"),
        ({"name": ""}, "name"),
        ({"id_number": "370902190001011235"}, "id_number"),
    ],
)
def test_bad_input_of_an_authority(town, changes, field):
    data = registering.organization("authority", "authority", town.bureau, **changes)
    answer = Client().post(address("form", "authority", "authority", town.bureau), data)
    assert_refused(answer, field, "", data)


def test_an_empty_form_names_every_starred_field(town, employer):
    answer = Client().post(address("form", "practitioner", "staff", employer), {})
    assert set(errors(answer)) == {
        "id_kind",
        "id_number",
        "name",
        "password",
        "password2",
        "mobile",
        "education",
        "field_of_study",
        "title_series",
    }


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (SimpleUploadedFile("x.png", b"<html></html>", "image/png"), "x.png"),
        (SimpleUploadedFile("empty.pdf", b"", "application/pdf"), "empty.pdf"),
        (SimpleUploadedFile("virus.exe", b"MZ\x90\x00", "application/octet-stream"), "virus.exe"),
    ],
)
def test_a_file_of_the_wrong_kind_gets_its_sentence(town, file, words):
    answer = fill_in("employer", "backstop", town.bureau, files=file)
    assert words in " ".join(errors(answer)["files"])


def test_a_file_too_large_gets_its_sentence(town, settings):
    settings.ATTACHMENT_MAX_BYTES = 10
    answer = fill_in("employer", "backstop", town.bureau, files=registering.a_certificate())
    assert set(errors(answer)) == {"files"}


def test_files_and_password_survive_an_error(town):
    browser = Client()
    data = registering.organization("employer", "backstop", town.bureau, phone="")
    form = browser.post(address("form", "employer", "backstop", town.bureau), data).context["form"]
    assert [one.name for one in form.fields["files"].kept_files] == ["certificate.png"]
    page = form.data
    again = {
        **data,
        "phone": "0538-8000000",
        "files": "",
        "password": "",
        "password2": "",
        "draft": page["draft"],
        "files_shown": page["files_shown"],
        "files_keep": page.getlist("files_keep"),
    }
    answer = browser.post(address("form", "employer", "backstop", town.bureau), again)
    assert answer.status_code == 302, errors(answer)
    answer = browser.post(answer.url)
    application = Application.objects.get()
    assert application.attachments.count() == 1
    assert application.submitted_by.check_password(PASSWORD)


def test_changing_the_unit_from_the_form_loses_nothing(town, employer):
    other = town.employer(name="另一个中心")
    browser = Client()
    data = registering.practitioner(name="", change_unit="1")
    answer = browser.post(address("form", "practitioner", "staff", employer), data)
    assert answer.url == "/register/practitioner/unit/?situation=staff"
    page = browser.get(answer.url + "&q=另一个").content.decode()
    assert "您填写的内容都还在" in page
    form = browser.get(address("form", "practitioner", "staff", other)).context["form"]
    assert form["mobile"].value() == data["mobile"]
    assert form["title"].value() == "工程师"
    data = {**data, "name": "测试甲", "password": "", "password2": ""}
    del data["change_unit"]
    answer = browser.post(address("form", "practitioner", "staff", other), data)
    assert answer.status_code == 302, errors(answer)
    browser.post(answer.url)
    assert Application.objects.get().practitioner.employer == other


def test_every_line_of_the_check_page_leads_back(town, employer):
    browser = Client()
    answer = fill_in("practitioner", "staff", employer, browser)
    page = browser.get(answer.url).content.decode()
    links = re.findall(r'href="([^"]+)">更改', page)
    assert len(links) >= 11
    for link in links:
        assert browser.get(link.split("#")[0].replace("&amp;", "&")).status_code == 200
    form = browser.get(address("form", "practitioner", "staff", employer)).context["form"]
    assert form["name"].value() == "测试甲"


def test_the_form_can_be_cleared(town, employer):
    browser = Client()
    fill_in("practitioner", "staff", employer, browser)
    browser.post(address("form", "practitioner", "staff", employer), {"clear": "1"})
    form = browser.get(address("form", "practitioner", "staff", employer)).context["form"]
    assert not form["name"].value()


def test_submitting_twice_leads_to_the_same_receipt(town, employer):
    browser = Client()
    answer = fill_in("practitioner", "staff", employer, browser)
    first, second = browser.post(answer.url), browser.post(answer.url)
    assert first.url == second.url
    assert Application.objects.count() == 1


def test_the_check_page_without_a_form_says_so(town, employer):
    answer = Client().get(address("check", "practitioner", "staff", employer), follow=True)
    assert "填写的内容已过期" in answer.content.decode()


# --- registered already (F-03) ----------------------------------------------------------------------


def test_the_same_practitioner_does_not_register_twice(town, employer):
    number = an_id_number()
    register("practitioner", "staff", employer, id_number=number)
    answer = fill_in("practitioner", "staff", employer, id_number=number)
    assert "请勾选" in errors(answer)["id_number"][0]
    answer = fill_in("practitioner", "staff", employer, id_number=number, known="on")
    assert errors(answer)["id_number"] == ["您的专业技术人员注册正在由测试中心审核，无需重复注册。"]


def test_the_same_code_does_not_register_twice_and_names_the_state(town):
    code = registering.a_code()
    application = register(
        "employer", "backstop", town.bureau, uscc=code, unit_name="测试医院", name="登记人"
    )
    answer = fill_in("employer", "backstop", town.bureau, uscc=code)
    assert errors(answer)["uscc"] == [
        "该代码已注册为用人单位“测试医院”，正在由泰安市人力资源和社会保障局审核，无需重复注册。"
    ]
    approve(town, application)
    answer = fill_in("employer", "backstop", town.bureau, uscc=code)
    assert "请联系该单位的管理员增加" in errors(answer)["uscc"][0]
    assert "登记人" not in answer.content.decode()
    # F-116: the same code as another kind of organisation is allowed
    register("authority", "authority", town.bureau, uscc=code, unit_name="测试卫健委")


# --- FAQ 20: exactly one superior (F-156) -----------------------------------------------------------


def test_the_form_shows_the_three_questions_and_who_will_review(town):
    authority = town.authority(name="市测试局", phone="0538-1234567")
    page = Client().get(address("form", "employer", "with_authority", authority)).content.decode()
    for words in ("主管部门", "市测试局", "0538-1234567", "主管部门审核", f"{town.bureau.name} › 市测试局"):
        assert words in page
    page = Client().get(address("form", "employer", "backstop", town.bureau)).content.decode()
    assert "是否有上级单位" in page
    assert "同级人社部门名称" in page


@pytest.mark.parametrize(
    "tampered",
    [
        {"authority": "1"},
        {"has_superior": "是"},
        {"superior_unit": "1"},
        {"bureau": ""},
        {"bureau": "999999"},
        {"authority": ""},
    ],
)
def test_tampered_answers_are_refused_with_a_sentence(town, tampered):
    answer = fill_in("employer", "backstop", town.bureau, **tampered)
    assert "只能确定一个上级" in errors(answer)["__all__"][0]
    assert not Organization.objects.filter(status="pending").exists()


def test_a_superior_of_the_wrong_kind_is_refused(town, employer):
    for situation, chosen, words in (
        ("with_authority", employer, "不是主管部门"),
        ("sub_unit", town.authority(), "不是用人单位"),
        ("backstop", employer, "不是人社部门"),
    ):
        answer = Client().get(address("form", "employer", situation, chosen), follow=True)
        assert words in answer.content.decode()
    answer = Client().get(address("form", "practitioner", "staff", town.bureau), follow=True)
    assert "不是用人单位" in answer.content.decode()


def test_a_township_office_chooses_its_county_not_the_city(town, client):
    county = town.bureau_under(town.bureau, "测试县人社局")
    Organization.objects.filter(pk=town.bureau.pk).update(division="370900")
    Organization.objects.filter(pk=county.pk).update(division="370921")
    answer = client.get(address("form", "employer", "township", town.bureau), follow=True)
    assert "不是县（市、区）、功能区的人社部门" in answer.content.decode()
    page = client.get("/register/employer/unit/?situation=township").content.decode()
    assert "测试县人社局" in page
    assert f"superior={town.bureau.pk}" not in page


def test_a_bureaus_section_must_follow_the_naming_pattern(town):
    answer = fill_in("employer", "bureau_section", town.bureau, unit_name="人事处")
    assert "例如 泰山区人社局人事科" in errors(answer)["unit_name"][0]


# --- the unit chooser ------------------------------------------------------------------------------


def test_the_chooser_finds_by_name_code_and_division_and_shows_path_and_phone(town, client):
    authority = town.authority(name="市住建局")
    unit = town.employer(authority, name="市房产中心", uscc=registering.a_code(), phone="0538-7654321")
    Organization.objects.filter(pk=unit.pk).update(division="370902")
    for query in ("q=房产", f"q={unit.uscc.lower()}", "division=370900", "division=370902&q=房产"):
        page = client.get(f"/register/practitioner/unit/?situation=staff&{query}").content.decode()
        assert f"employer={unit.pk}" in page, query
        assert f"隶属 {town.bureau.name} › 市住建局</span>" in page
        assert "0538-7654321" in page
    page = client.get("/register/practitioner/unit/?situation=staff&division=370921").content.decode()
    assert "没有找到" in page
    for query in ("q=" + "长" * 200, "division=nonsense", "q=%25"):
        assert client.get(f"/register/practitioner/unit/?situation=staff&{query}").status_code == 200
    assert client.get("/register/practitioner/unit/?situation=staff&q=%00").status_code == 400


def test_the_chooser_is_capped_and_costs_the_same_at_one_row_and_at_fifty(
    town, client, django_assert_max_num_queries
):
    town.employer(name="单位甲")
    with django_assert_max_num_queries(12):
        client.get("/register/practitioner/unit/?situation=staff&q=单位")
    for number in range(51):
        town._organization("employer", f"测试单位{number:02d}", town.bureau, with_admin=False)
    with django_assert_max_num_queries(12):
        page = client.get("/register/practitioner/unit/?situation=staff&q=单位").content.decode()
    assert "请输入更完整的名称" in page
    assert page.count("employer=") == 50


# --- pages, privacy, leaks ---------------------------------------------------------------------------


def test_the_first_pages(town, client):
    for path in ("/register/", "/register/practitioner/", "/register/employer/", "/register/privacy/"):
        assert client.get(path).status_code == 200
    assert client.get("/register/authority/").status_code == 302
    page = client.get("/register/employer/").content.decode()
    for sign in "①②③④⑤⑥":
        assert sign in page


def test_a_person_without_live_roles_registers_anew_and_is_written_anew(town, employer):
    number = an_id_number()
    first = register("practitioner", "staff", employer, id_number=number)
    engine.withdraw(first.pk, by=town.actor(first.practitioner))
    second = register(
        "practitioner",
        "staff",
        employer,
        id_number=number,
        name="测试乙",
        password="Other-field-28",
        password2="Other-field-28",
    )
    user = user_of(number)
    assert second.practitioner == first.practitioner
    assert (user.name, user.check_password("Other-field-28")) == ("测试乙", True)
    assert Practitioner.objects.filter(user=user).count() == 1


def test_drafts_leave_no_attachment_without_home(town):
    register("employer", "backstop", town.bureau)
    assert not Attachment.objects.exclude(draft="").exists()
