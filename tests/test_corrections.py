"""更正姓名或身份证号 (F-82 … F-86): by the person, verified by the platform; the account follows, the history keeps both."""

import datetime

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.id_number import IdNumber
from accounts.models import Message, RoleAccount, User
from orgs.models import Duty
from registration import working_days
from registration.models import IdentityCorrection, NumberShown
from tests.clicks import Visitor
from tests.registering import a_certificate, an_id_number
from tests.town import PASSWORD
from workflow import engine
from workflow.models import Application, Attachment, Step
from workflow.wording import letter_date

PAGE = "/my/correction/"


@pytest.fixture
def operator(town):
    return town.operator()


def answers(user, **changes) -> dict:
    return {
        "name": user.name,
        "id_kind": user.id_kind,
        "id_number": "",
        "reason": "注册时写错",
        "files": a_certificate(),
        **changes,
    }


def errors(answer) -> dict:
    return {name: list(texts) for name, texts in answer.context["form"].errors.items()}


def file_correction(town, who, number: str = "", **changes) -> Application:
    """Filed through the page; `who` as town.login takes it."""
    user = who.user if hasattr(who, "user") else town.super_admin(who).user
    answer = town.login(who).post(PAGE, answers(user, id_number=number or an_id_number(), **changes))
    assert answer.status_code == 302, errors(answer)
    return Application.objects.get(pk=int(answer.url.strip("/").split("/")[1]))


def sign(town, operator, application) -> None:
    engine.approve(application.steps.get(state="open").pk, by=town.actor(operator))


# --- filing ----------------------------------------------------------------------------------------------


def test_what_it_shows_and_what_is_nowhere(town, person, operator, caplog):
    """The new number stands sealed in the payload, masked on pages, and in no address, log, list or message."""
    number = an_id_number()
    application = file_correction(town, person, number)
    correction = IdentityCorrection.objects.get()
    assert correction.new_number.reveal() == number
    assert correction.old_number == person.user.id_number
    pages = [
        town.login(person).get(f"/applications/{application.pk}/"),
        town.login(person).get(PAGE),
        town.login(operator).get(f"/applications/{application.pk}/"),
        town.login(operator).get("/corrections/"),
        town.login(operator).get("/inbox/"),
    ]
    for page in pages:
        assert page.status_code == 200
        assert number not in page.content.decode()
    assert IdNumber.parse(number).masked in pages[0].content.decode()
    with connection.cursor() as cursor:
        cursor.execute("SELECT r::text FROM registration_identitycorrection r")
        assert number not in cursor.fetchone()[0]
    assert number not in caplog.text
    assert number not in application.summary


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, "name"),  # nothing differs
        ({"name": ""}, "name"),
        ({"name": "甲1"}, "name"),
        ({"name": "长" * 51}, "name"),
        ({"id_number": "370902190001011235"}, "id_number"),
        ({"id_number": "370902190002291231"}, "id_number"),
        ({"id_number": "12345"}, "id_number"),
        ({"id_kind": "passport", "id_number": "370902190001011234"}, "id_number"),
        ({"id_kind": "library-card", "name": "测试丙"}, "id_kind"),
        ({"name": "测试丙", "reason": ""}, "reason"),
        ({"name": "测试丙", "reason": "因" * 201}, "reason"),
        ({"name": "测试丙", "files": ""}, "files"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(town, person, changes, field):
    answer = town.login(person).post(PAGE, answers(person.user, **changes))
    assert answer.status_code == 200
    assert field in errors(answer), errors(answer)
    assert not Application.objects.exists()


def test_the_own_number_typed_again_is_no_change_of_it(town, person, operator):
    own = person.user.id_number.reveal()
    answer = town.login(person).post(PAGE, answers(person.user, id_number=own))
    assert "都与现在登记的一样" in errors(answer)["name"][0]
    town.login(person).post(PAGE, answers(person.user, name="测试丙", id_number=own.lower()))
    assert IdentityCorrection.objects.get().new_id_index == ""


def test_a_number_that_somebody_has_is_refused_with_a_sentence(town, person):
    other = town.user()
    answer = town.login(person).post(PAGE, answers(person.user, id_number=other.id_number.reveal()))
    assert "已有账号" in errors(answer)["id_number"][0]


def test_numbers_cannot_be_tried_one_after_the_other(town, person):
    client = town.login(person)
    said = [
        errors(client.post(PAGE, answers(person.user, name="", id_number=an_id_number()))).get("id_number")
        for _ in range(12)
    ]
    assert said[:10] == [None] * 10
    assert "次数太多" in said[10][0]


def test_one_at_a_time_whatever_the_role(town, unit, person, operator):
    """The same human as practitioner and as admin."""
    admin = town.admin(unit, user=person.user, duties=[Duty.HOURS])
    application = file_correction(town, person)
    client = town.login(admin)
    assert "正在核实" in client.get(PAGE).content.decode()
    answer = client.post(PAGE, answers(person.user, name="测试丙"))
    assert answer.status_code == 409
    assert Application.objects.get() == application


def test_two_admins_of_one_unit_each_file_their_own(town, unit, operator):
    other = town.admin(unit, duties=[Duty.HOURS])
    file_correction(town, unit)
    file_correction(town, other)
    assert Application.objects.filter(organization=unit).count() == 2


# --- who sees it -----------------------------------------------------------------------------------------


def test_the_unit_and_those_above_do_not_see_it(town, unit, person, operator):
    """The proof of a name is not the unit's business."""
    application = file_correction(town, person)
    file = Attachment.objects.get(application=application)
    for who in (unit, town.bureau, town.practitioner(at=unit)):
        client = town.login(who)
        assert client.get(f"/applications/{application.pk}/").status_code == 404
        assert client.get(f"/attachments/{file.pk}/").status_code == 404
    for who in (person, operator):
        client = town.login(who)
        assert client.get(f"/applications/{application.pk}/").status_code == 200
        assert client.get(f"/attachments/{file.pk}/").status_code == 200
    assert application.summary not in town.login(unit).get(f"/people/{person.pk}/").content.decode()


def test_an_admins_own_correction_is_not_its_colleagues(town, unit, operator):
    colleague = town.admin(unit, duties=list(Duty))
    application = file_correction(town, unit)
    assert town.login(unit).get(f"/applications/{application.pk}/").status_code == 200
    assert town.login(colleague).get(f"/applications/{application.pk}/").status_code == 404
    assert town.login(colleague).post(f"/applications/{application.pk}/withdraw/").status_code == 404


def test_full_numbers_are_shown_to_the_platform_and_who_looked_is_written_down(town, unit, person, operator):
    number = an_id_number()
    application = file_correction(town, person, number)
    url = f"/corrections/{application.pk}/numbers/"
    visitor = Visitor(town.login(operator), f"/applications/{application.pk}/")
    assert f'formaction="{url}"' in visitor.html
    answer = town.login(operator).post(url)
    assert number in answer.content.decode()
    assert person.user.id_number.reveal() in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert NumberShown.objects.get().user == operator.user
    assert "谁查看过完整号码" in town.login(person).get(f"/applications/{application.pk}/").content.decode()
    assert town.login(operator).get(url).status_code == 405
    assert town.login(unit).post(url).status_code == 403
    assert town.login(person).post(url).status_code == 403
    sign(town, operator, application)
    assert town.login(operator).post(url).status_code == 404  # decided: nothing left to compare
    assert NumberShown.objects.count() == 1


def test_an_operator_without_the_duty_sees_neither_list_nor_numbers(town, person, operator):
    application = file_correction(town, person)
    clerk = town.login(town.admin(town.platform, duties=[Duty.REGISTRATIONS]))
    assert application.receipt not in clerk.get("/corrections/").content.decode()
    assert "没有等待核实的更正申请" in clerk.get("/corrections/").content.decode()
    assert clerk.post(f"/corrections/{application.pk}/numbers/").status_code == 404


# --- the promise (F-85) -----------------------------------------------------------------------------------


def test_the_last_day_stands_on_the_slip_and_in_the_platforms_list(town, person, operator):
    application = file_correction(town, person)
    due = working_days.due(timezone.localdate())
    for page in (
        town.login(person).get(PAGE),
        town.login(person).get(f"/applications/{application.pk}/"),
        town.login(operator).get(f"/applications/{application.pk}/"),
        town.login(operator).get("/corrections/"),
    ):
        text = page.content.decode()
        assert str(due.day) in text or letter_date(due.day) in text


def test_what_is_overdue_comes_first_and_says_so(town, unit, operator):
    people = [town.practitioner(at=unit, user=town.user(name=f"测试{n}丁")) for n in "甲乙丙"]
    found = [file_correction(town, person) for person in people]
    for application, days in zip(found, (1, 30, 0), strict=True):
        opened = timezone.now() - datetime.timedelta(days=days)
        Step.objects.filter(application=application).update(opened_at=opened)
    answer = town.login(operator).get("/corrections/")
    assert [row["url"] for row in answer.context["rows"]] == [
        f"/applications/{found[n].pk}/" for n in (1, 0, 2)
    ]
    assert [row["late"] for row in answer.context["rows"]] == [True, False, False]
    assert "本页有 1 件已超期" in answer.content.decode()


# --- the effect (F-86) -------------------------------------------------------------------------------------


def test_the_account_follows_and_the_history_keeps_both(
    town, unit, person, operator, django_capture_on_commit_callbacks
):
    old, number = person.user.id_number, an_id_number()
    town.admin(unit, user=person.user, duties=[Duty.HOURS])
    application = file_correction(town, person, number, name="测试甲己")
    with django_capture_on_commit_callbacks(execute=True):
        sign(town, operator, application)
    user = User.objects.get(pk=person.user_id)
    assert (user.name, user.id_number.reveal()) == ("测试甲己", number)
    assert (user.id_masked, user.id_last4) == (IdNumber.parse(number).masked, number[-4:])

    def login(text):
        return Client().post("/login/", {"role": "practitioner", "id_number": text, "password": PASSWORD})

    assert login(number).status_code == 302
    assert "您的账号不存在" in login(old.reveal()).content.decode()
    correction = IdentityCorrection.objects.get()
    assert (correction.old_name, correction.old_number) == ("测试甲乙", old)
    letter = next(letter for letter in mail.outbox if "证件号码已更正" in letter.body)
    assert letter.to == [person.user.email]
    text = " ".join(one.text for one in Message.objects.filter(user=user))
    assert "证件号码已更正" in text
    assert number not in text
    # The old number is free: whoever it belongs to may register.
    assert not User.objects.by_id_number(old).exists()


@pytest.mark.parametrize("way", ["get", "post", "form"])
def test_every_session_of_every_role_ends(town, unit, person, operator, way):
    """trust.md §3.8: the next GET, the next POST, and the text of an open form."""
    admin = town.admin(unit, user=person.user, duties=[Duty.PROFILE])
    clients = [town.login(person), town.login(admin)]
    application = file_correction(town, person)
    sign(town, operator, application)
    pages = ["/moves/unit/", "/organization/profile/"]
    for client, url in zip(clients, pages, strict=True):
        if way == "get":
            answer = client.get(url)
        else:
            answer = client.post(url, {"reason": "写到一半", "contact_name": "写到一半", "do": "edit"})
        assert answer.status_code == 302
        assert answer.url == f"/login/?next={url}"
        if way == "form":
            number = User.objects.get(pk=person.user_id).id_number.reveal()
            role = "practitioner" if client is clients[0] else "employer"
            back = client.post(
                answer.url, {"role": role, "id_number": number, "password": PASSWORD}, follow=True
            )
            assert "写到一半" in back.content.decode()


def test_a_name_alone_leaves_the_number(town, person, operator):
    before = person.user.id_index
    answer = town.login(person).post(PAGE, answers(person.user, name="测试·甲己"))
    application = Application.objects.get()
    assert answer.url == f"/applications/{application.pk}/"
    assert "查看完整号码" not in town.login(operator).get(f"/applications/{application.pk}/").content.decode()
    sign(town, operator, application)
    person.user.refresh_from_db()
    assert (person.user.name, person.user.id_index) == ("测试·甲己", before)


def test_another_kind_of_document(town, person, operator):
    file_correction(town, person, "H12345678", id_kind="hk-macau-travel")
    sign(town, operator, Application.objects.get())
    person.user.refresh_from_db()
    assert (person.user.id_kind, person.user.id_number.reveal()) == ("hk-macau-travel", "H12345678")


def test_an_admins_number_is_corrected_too(town, unit, operator):
    """Without a practitioner role: filed for oneself in the name of the organisation."""
    number = an_id_number()
    application = file_correction(town, unit, number)
    assert application.organization == unit
    sign(town, operator, application)
    assert town.super_admin(unit).user.id_number.reveal() == number


def test_taken_meanwhile_nothing_happens_and_the_platform_reads_why(town, person, operator):
    number = an_id_number()
    application = file_correction(town, person, number)
    User.objects.create_user(IdNumber.parse(number), PASSWORD, name="测试别人")
    step = application.steps.get()
    client = town.login(operator)
    assert "这个号码现在已有另一个账号" in client.get(f"/applications/{application.pk}/").content.decode()
    answer = client.post(f"/steps/{step.pk}/approve/")
    assert answer.status_code == 409
    assert "已有账号" in answer.content.decode()
    application.refresh_from_db()
    person.user.refresh_from_db()
    assert (application.state, person.user.name) == ("pending", "测试甲乙")


def test_two_claims_to_one_number_are_pointed_out(town, unit, person, operator):
    number = an_id_number()
    file_correction(town, person, number)
    second = file_correction(town, town.practitioner(at=unit), number)
    text = town.login(operator).get(f"/applications/{second.pk}/").content.decode()
    assert "另有人也在申请更正为这个号码" in text


def test_a_rejection_changes_nothing_and_one_starts_anew_with_everything(
    town, person, operator, django_capture_on_commit_callbacks
):
    number = an_id_number()
    application = file_correction(town, person, number, name="测试甲己")
    engine.reject(application.steps.get().pk, by=town.actor(operator), comment="材料看不清")
    person.user.refresh_from_db()
    assert person.user.name == "测试甲乙"
    visitor = Visitor(town.login(person), f"/applications/{application.pk}/")
    assert "材料看不清" in visitor.text
    visitor.click("重新申请")
    assert 'value="测试甲己"' in visitor.html
    assert number in visitor.html  # one's own number, to its owner, in a page that no cache keeps
    assert "no-store" in visitor.answer["Cache-Control"]
    assert "certificate.png" in visitor.html
    visitor.click("提交更正申请")
    assert Application.objects.pending().count() == 1


def test_withdrawn_by_the_person_alone(town, unit, person, operator):
    application = file_correction(town, person)
    assert town.login(unit).post(f"/applications/{application.pk}/withdraw/").status_code == 404
    visitor = Visitor(town.login(person), PAGE)
    visitor.click("撤回")
    visitor.click("撤回申请")
    application.refresh_from_db()
    assert application.state == "withdrawn"
    assert "提交更正申请" in town.login(person).get(PAGE).content.decode()


def test_no_operator_signs_their_own(town, operator):
    application = file_correction(town, operator)
    assert town.login(operator).post(f"/steps/{application.steps.get().pk}/approve/").status_code in (
        404,
        409,
    )
    other = town.admin(town.platform, duties=[Duty.CHANGES])
    sign(town, other, application)
    application.refresh_from_db()
    assert application.state == "approved"


@pytest.mark.parametrize("asked", ["abc", "0", "99999999", "9" * 30, "１"])
def test_an_address_that_names_no_own_earlier_one_is_missing(town, person, asked):
    assert town.login(person).get(f"{PAGE}?again={asked}").status_code == 404


def test_an_approval_stays_cheap(town, person, operator):
    application = file_correction(town, person)
    step, by = application.steps.get(), town.actor(operator)
    with CaptureQueriesContext(connection) as queries:
        engine.approve(step.pk, by=by)
    assert len(queries) <= 22, [query["sql"][:80] for query in queries]


def test_the_roles_keep_their_rights(town, unit, person, operator):
    before = set(RoleAccount.objects.filter(user=person.user).values_list("pk", "status"))
    sign(town, operator, file_correction(town, person))
    assert set(RoleAccount.objects.filter(user=person.user).values_list("pk", "status")) == before


def test_it_stands_on_the_home_of_who_filed_it_alone(town, unit, operator):
    colleague = town.admin(unit, duties=list(Duty))
    application = file_correction(town, unit)
    assert application.summary in town.login(unit).get("/").content.decode()
    assert application.summary not in town.login(colleague).get("/").content.decode()
