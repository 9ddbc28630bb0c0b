"""基本信息修改 (F-79 … F-81): what takes effect at once, what the unit has to agree to, and the contacts."""

import datetime

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import password as passwords
from accounts.models import Message, PasswordReset
from orgs.models import Duty, FieldOfStudy, TitleSeries
from registration.models import TitleChange
from tests.clicks import Visitor
from tests.registering import load_lists
from tests.test_passwords import Phone
from tests.test_transfers import file_transfer
from tests.town import PASSWORD
from workflow import engine
from workflow.models import Application

PAGE = "/my/data/"
OLD_TITLE = {
    "title_level": "assistant",
    "title": "助理工程师",
    "title_mode": "evaluation",
    "title_awarded_on": datetime.date(2018, 5, 4),
}
NEW_TITLE = {
    "title_series": "05",
    "title_level": "middle",
    "title": "工程师",
    "title_mode": "examination",
    "title_awarded_on": "2023-06-30",
}


@pytest.fixture
def unit(town):
    load_lists()
    return town.employer(name="测试房产中心")


@pytest.fixture
def person(town, unit):
    return town.practitioner(
        at=unit,
        user=town.user(name="测试甲乙"),
        education="college",
        field_of_study=FieldOfStudy.objects.get(pk="0810"),
        title_series=TitleSeries.objects.get(pk="05"),
        **OLD_TITLE,
    )


def answers(**changes) -> dict:
    """The form as it stands for `person`, with changes."""
    as_it_is = {
        "education": "college",
        "field_of_study": "0810",
        "title_series": "05",
        **OLD_TITLE,
        "title_awarded_on": "2018-05-04",
    }
    return {**as_it_is, **changes}


def errors(answer) -> dict:
    return {name: list(texts) for name, texts in answer.context["form"].errors.items()}


def file_change(town, person, **changes) -> Application:
    series = TitleSeries.objects.get(pk="05")
    new = {**NEW_TITLE, "title_series": series, "title_awarded_on": datetime.date(2023, 6, 30), **changes}
    return engine.submit("title-change", TitleChange.of(person, new), by=town.actor(person))


# --- at once (F-79) -------------------------------------------------------------------------------------


def test_education_and_field_of_study_are_saved_at_once(town, person):
    answer = town.login(person).post(PAGE, answers(education="bachelor", field_of_study="08"), follow=True)
    text = answer.content.decode()
    assert "已保存，立即生效：最高学历改为“大学本科”；所学专业改为“工学”" in text
    person.refresh_from_db()
    assert (person.education, person.field_of_study_id, person.title) == ("bachelor", "08", "助理工程师")
    assert not Application.objects.exists()
    last = person.history.latest()
    assert (last.history_user, last.history_change_reason) == (person.user, "本人修改")


def test_with_nothing_changed_nothing_is_written(town, person):
    before = person.history.count()
    answer = town.login(person).post(PAGE, answers(), follow=True)
    assert "没有改动，不用保存" in answer.content.decode()
    assert person.history.count() == before


def test_name_and_number_are_shown_and_not_asked(town, person):
    """F-82."""
    answer = town.login(person).get(PAGE)
    text = answer.content.decode()
    assert "测试甲乙" in text
    assert person.user.id_masked in text
    assert person.user.id_number.reveal() not in text
    assert 'href="/my/correction/"' in text
    assert not {"name", "id_number"} & answer.context["form"].fields.keys()
    town.login(person).post(PAGE, answers(name="改名", id_number="370902190001011234"))
    person.user.refresh_from_db()
    assert person.user.name == "测试甲乙"


# --- the title (F-80, F-81) ------------------------------------------------------------------------------


def test_a_title_change_from_home_with_its_clicks(town, unit, person):
    visitor = Visitor(town.login(person))
    visitor.click("用户资料管理")
    if visitor.url != PAGE:
        visitor.click("基本信息修改")
    for name, value in NEW_TITLE.items():
        if name != "title_mode":
            visitor.type(name, value)
    visitor.tick("title_mode", "examination")
    visitor.clicks -= 1  # what is filled in is not counted
    visitor.click("保存修改")
    for words in ("助理工程师", "2023-06-30（考试最后一天）", "单位审核后", unit.name):
        assert words in visitor.text
    person.refresh_from_db()
    assert person.title == "助理工程师"
    visitor.click("提交职称变更")
    assert visitor.clicks <= 4
    application = Application.objects.get()
    assert visitor.url == f"/applications/{application.pk}/"
    assert application.summary == "职称变更：助理工程师 → 工程师"
    person.refresh_from_db()
    assert person.title == "助理工程师"  # valid until the unit agrees

    reviewer = Visitor(town.login(unit), f"/applications/{application.pk}/")
    assert "助理工程师" in reviewer.text
    reviewer.click("通过")
    person.refresh_from_db()
    assert (person.title, person.title_level, person.title_mode) == ("工程师", "middle", "examination")
    assert person.history.latest().history_change_reason == application.receipt


def test_a_rejection_keeps_the_old_title_and_one_starts_anew_from_it(town, unit, person):
    application = file_change(town, person)
    engine.reject(application.steps.get().pk, by=town.actor(unit), comment="证书号查不到")
    person.refresh_from_db()
    assert person.title == "助理工程师"
    visitor = Visitor(town.login(person), f"/applications/{application.pk}/")
    assert "证书号查不到" in visitor.text
    visitor.click("重新申请")
    assert 'value="工程师"' in visitor.html
    assert 'value="2023-06-30"' in visitor.html
    visitor.click("保存修改")
    visitor.click("提交职称变更")
    assert Application.objects.pending().get().again_of == application


def test_while_it_is_under_review_only_the_title_is_locked(town, person):
    application = file_change(town, person)
    client = town.login(person)
    visitor = Visitor(client, PAGE)
    assert "职称变更正在审核" in visitor.text
    assert "现在在这里" in visitor.text
    assert "title_series" not in visitor.answer.context["form"].fields
    client.post(PAGE, answers(education="master", title="教授"))
    person.refresh_from_db()
    assert person.education == "master"
    assert Application.objects.get() == application
    visitor.click("撤回")
    visitor.click("撤回申请")
    application.refresh_from_db()
    assert application.state == "withdrawn"
    assert "title_series" in client.get(PAGE).context["form"].fields


def test_title_and_education_together_are_filed_and_saved_in_one_go(town, person):
    client = town.login(person)
    check = client.post(PAGE, answers(education="bachelor", **NEW_TITLE))
    assert "提交后立即" in check.content.decode()
    person.refresh_from_db()
    assert person.education == "college"  # nothing before the check page was answered
    client.post(PAGE, answers(education="bachelor", **NEW_TITLE, do="submit"))
    person.refresh_from_db()
    assert person.education == "bachelor"
    assert Application.objects.get().kind == "title-change"


def test_back_from_the_check_page_everything_is_there(town, person):
    visitor = Visitor(town.login(person), PAGE)
    visitor.type("title", "建筑师")
    visitor.click("保存修改")
    visitor.click("返回修改")
    assert 'value="建筑师"' in visitor.html
    assert "错误" not in visitor.text


def test_to_no_title_and_back(town, unit, person):
    application = engine.submit(
        "title-change",
        TitleChange.of(person, {"title_series": None, "title_level": "", "title": "", "title_mode": "", "title_awarded_on": None}),
        by=town.actor(person),
    )  # fmt: skip
    assert application.summary == "职称变更：助理工程师 → 无"
    engine.approve(application.steps.get().pk, by=town.actor(unit))
    person.refresh_from_db()
    assert (person.title_series, person.title, person.title_awarded_on) == (None, "", None)
    answer = town.login(person).get(PAGE)
    assert answer.context["form"]["title_series"].value() == "none"


def test_while_a_transfer_is_open_the_title_is_locked_and_the_other_way_round(town, person):
    """Decision 2."""
    file_transfer(town, person, town.employer())
    client = town.login(person)
    text = client.get(PAGE).content.decode()
    assert "办结或撤回后才能变更职称" in text
    client.post(PAGE, answers(**NEW_TITLE, do="submit"))
    assert Application.objects.count() == 1


def test_a_title_change_under_review_blocks_the_transfer(town, person):
    """F-54: 信息变更待审核."""
    file_change(town, person)
    text = town.login(person).get("/moves/unit/").content.decode()
    assert "还有 1 件事项在审核中" in text


def test_who_lacks_the_duty_does_not_sign_it(town, unit, person):
    application = file_change(town, person)
    step = application.steps.get()
    assert (
        town.login(town.admin(unit, duties=[Duty.HOURS])).post(f"/steps/{step.pk}/approve/").status_code
        == 404
    )
    town.login(town.admin(unit, duties=[Duty.CHANGES])).post(f"/steps/{step.pk}/approve/")
    application.refresh_from_db()
    assert application.state == "approved"


def test_an_admin_does_not_change_a_title_for_somebody(town, unit, person):
    change = TitleChange.of(person, {**NEW_TITLE, "title_series": None, "title_awarded_on": None})
    with pytest.raises(PermissionDenied):
        engine.submit("title-change", change, by=town.actor(unit))


BAD = [
    ({"education": ""}, "education"),
    ({"education": "genius"}, "education"),
    ({"field_of_study": ""}, "field_of_study"),
    ({"field_of_study": "9999"}, "field_of_study"),
    ({"title_series": ""}, "title_series"),
    ({"title_series": "77"}, "title_series"),
    ({"title_level": ""}, "title_level"),
    ({"title_level": "boss"}, "title_level"),
    ({"title_level": "senior"}, "title_level"),  # contradicts 助理工程师
    ({"title": ""}, "title"),
    ({"title": "长" * 61}, "title"),
    ({"title_mode": ""}, "title_mode"),
    ({"title_mode": "gift"}, "title_mode"),
    ({"title_awarded_on": ""}, "title_awarded_on"),
    ({"title_awarded_on": "2023-02-30"}, "title_awarded_on"),
    ({"title_awarded_on": "2999-01-01"}, "title_awarded_on"),
    ({"title_awarded_on": "1948-01-01"}, "title_awarded_on"),
    ({"title_awarded_on": "1950-01-01"}, "title_awarded_on"),  # before birth
]


@pytest.mark.parametrize(("changes", "field"), BAD)
@pytest.mark.parametrize("do", ["", "submit"])
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_saved(town, person, changes, field, do):
    answer = town.login(person).post(PAGE, {**answers(**changes), "do": do})
    assert answer.status_code == 200
    assert field in errors(answer)
    assert f'id="id_{field}' in answer.content.decode()
    person.refresh_from_db()
    assert (person.education, person.title) == ("college", "助理工程师")
    assert not Application.objects.exists()


@pytest.mark.parametrize("asked", ["abc", "0", "99999999", "9" * 30, "１"])
def test_an_address_that_names_no_own_earlier_change_is_missing(town, person, asked):
    assert town.login(person).get(f"{PAGE}?again={asked}").status_code == 404


def test_somebody_elses_change_is_missing(town, unit, person):
    application = file_change(town, person)
    engine.reject(application.steps.get().pk, by=town.actor(unit), comment="缺材料")
    other = town.practitioner(at=unit)
    assert town.login(other).get(f"{PAGE}?again={application.pk}").status_code == 404
    assert town.login(other).get(f"/applications/{application.pk}/").status_code == 404


def test_the_page_costs_few_queries(town, person):
    file_change(town, person)
    client = town.login(person)
    client.get(PAGE)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        client.get(PAGE)
    assert len(queries) <= 20, [query["sql"][:90] for query in queries]


def test_text_typed_before_the_session_ended_comes_back(town, person):
    client = town.login(person)
    person.account.end_sessions()
    answer = client.post(PAGE, answers(education="doctor"))
    assert answer.status_code == 302
    assert answer.url.startswith("/login/")
    back = client.post(
        answer.url,
        {"role": "practitioner", "id_number": person.user.id_number.reveal(), "password": PASSWORD},
        follow=True,
    )
    assert back.context["form"]["education"].value() == "doctor"
    person.refresh_from_db()
    assert person.education == "college"


# --- 手机号和邮箱 ------------------------------------------------------------------------------------------


CONTACTS = "/my/contacts/"


def contacts(**changes) -> dict:
    return {"mobile": "13900000001", "email": "new@example.org", "current_password": PASSWORD, **changes}


def test_contacts_need_the_password_and_both_ends_are_told(
    town, person, django_capture_on_commit_callbacks, settings
):
    settings.SMS_SENDER = "tests.test_passwords.Phone"
    Phone.sent.clear()
    old_mail, old_mobile = person.user.email, person.user.mobile.as_e164
    token, _ = passwords.start_reset(person.user, with_code=False)
    client = town.login(person)
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(CONTACTS, contacts())
    assert (answer.status_code, answer.url) == (302, PAGE)
    person.user.refresh_from_db()
    assert (person.user.email, person.user.mobile.as_e164) == ("new@example.org", "+8613900000001")
    assert [letter.to for letter in mail.outbox if "不再用于您的账号" in letter.body] == [[old_mail]]
    assert {address for letter in mail.outbox for address in letter.to} == {old_mail, "new@example.org"}
    assert old_mobile in [mobile for mobile, _ in Phone.sent]
    assert "13900000001" not in "".join(one.text for one in Message.objects.all())
    assert passwords.open_reset(token) is None  # a reset under way through the old address is void
    assert PasswordReset.objects.get().used_at


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"current_password": ""}, "current_password"),
        ({"current_password": "wrong-password-1"}, "current_password"),
        ({"mobile": "12345"}, "mobile"),
        ({"mobile": "021-55555555"}, "mobile"),
        ({"email": "no-at-sign"}, "email"),
        ({"email": "a" * 250 + "@example.org"}, "email"),
        ({"mobile": "", "email": ""}, "mobile"),
    ],
)
def test_wrong_contacts_change_nothing(town, person, changes, field):
    before = (person.user.email, person.user.mobile)
    answer = town.login(person).post(CONTACTS, contacts(**changes))
    assert answer.status_code == 200
    assert field in errors(answer)
    person.user.refresh_from_db()
    assert (person.user.email, person.user.mobile) == before


def test_guessing_the_password_there_is_slow(town, person):
    client = town.login(person)
    answers_ = [
        client.post(CONTACTS, contacts(current_password=f"guess-{n}-xyz")).status_code for n in range(30)
    ]
    assert 429 in answers_


@pytest.mark.parametrize("changes", [{"mobile": ""}, {"email": ""}])
def test_one_way_back_is_enough(town, person, changes):
    assert town.login(person).post(CONTACTS, contacts(**changes)).status_code == 302


def test_admins_change_theirs_too(town, unit):
    visitor = Visitor(town.login(unit), "/security/")
    for page in (CONTACTS, "/my/correction/", "/my/leaving/"):
        assert f'href="{page}"' in visitor.html
    answer = visitor.client.post(CONTACTS, contacts())
    assert (answer.status_code, answer.url) == (302, "/security/")


def test_nobody_comes_in_without_a_login(db):
    for url in (PAGE, CONTACTS):
        assert Client().get(url).url == f"/login/?next={url}"
        assert Client().post(url).url == f"/login/?next={url}"
