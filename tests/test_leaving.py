"""Leaving (F-87, F-88, decision 13): 账户注销 by the person, 离职 by the unit, what stays and what is hidden."""

from decimal import Decimal

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AccountStatus, Authenticator, User
from orgs.models import Duty, OrgAdmin, Practitioner, Status
from orgs.succession import offer
from registration import leaving
from registration.models import Departure
from tests.clicks import Visitor
from tests.registering import a_certificate, load_lists, register
from tests.test_credits import declare, hours_of, sign
from tests.test_login import MESSAGE_1, words
from tests.test_transfers import complete, file_transfer
from tests.town import PASSWORD
from workflow import engine
from workflow.models import Application, Event, RemovedDecision

PAGE = "/my/leaving/"


def close(client, password=PASSWORD):
    return client.post(PAGE, {"current_password": password})


def errors(answer) -> dict:
    return {name: list(texts) for name, texts in answer.context["form"].errors.items()}


def login(user, role):
    return Client().post(
        "/login/", {"role": role, "id_number": user.id_number.reveal(), "password": PASSWORD}
    )


# --- 账户注销 ------------------------------------------------------------------------------------------------


def test_every_role_ends_the_person_stays(town, unit, person, django_capture_on_commit_callbacks):
    admin = town.admin(unit, user=person.user, duties=[Duty.HOURS])
    address = person.user.email
    client = town.login(person)
    Authenticator.objects.create(user=person.user, key_sealed=b"x")
    with django_capture_on_commit_callbacks(execute=True):
        assert close(client).status_code == 302
    user = User.objects.get(pk=person.user_id)
    assert (user.email, str(user.mobile), user.has_usable_password()) == ("", "", False)
    assert not Authenticator.objects.exists()
    assert set(user.accounts.values_list("status", flat=True)) == {AccountStatus.CLOSED}
    assert not OrgAdmin.objects.filter(account=admin).exists()
    assert Practitioner.objects.get(pk=person.pk).status == Status.CLOSED
    assert Departure.objects.get().employer == unit
    assert [letter.to for letter in mail.outbox if "已按您的申请注销" in letter.body] == [[address]]
    assert MESSAGE_1 in words(login(user, "practitioner"))
    assert person.user.id_number == user.id_number


@pytest.mark.parametrize("password", ["", "wrong-password-1"])
def test_without_the_right_password_nothing_happens(town, person, password):
    answer = close(town.login(person), password)
    assert "current_password" in errors(answer)
    assert Practitioner.objects.get(pk=person.pk).status == Status.ACTIVE


def test_what_is_under_review_is_listed_with_its_link_and_stops_it(town, person):
    call_command("load_hours", verbosity=0)
    application = declare(town, person)
    visitor = Visitor(town.login(person), PAGE)
    assert "现在还不能注销" in visitor.text
    assert f'href="/applications/{application.pk}/"' in visitor.html
    assert "current_password" not in visitor.html
    answer = close(visitor.client)
    assert answer.status_code == 409
    assert "在审核中" in answer.content.decode()
    engine.withdraw(application.pk, by=town.actor(person))
    assert close(town.login(person)).status_code == 302


def test_an_own_correction_filed_as_admin_stops_it_too(town, unit):
    town.operator()
    admin = town.admin(unit, user=town.user(name="测试丙丁"), duties=[Duty.HOURS])
    client = town.login(admin)
    client.post(
        "/my/correction/",
        {"name": "测试丙己", "id_kind": "resident", "reason": "写错", "files": a_certificate()},
    )
    assert Application.objects.get().kind == "identity-correction"
    assert close(client).status_code == 409


def test_a_super_admin_hands_over_first(town, unit):
    client = town.login(unit)
    text = client.get(PAGE).content.decode()
    assert "请先" in text
    assert 'href="/organization/succession/"' in text
    answer = close(client)
    assert answer.status_code == 409
    assert "超级管理员" in errors(answer)["__all__"][0]
    assert OrgAdmin.objects.filter(organization=unit, is_super=True).exists()


def test_an_offer_to_take_over_is_void_with_the_account(town, unit):
    successor = town.admin(unit, duties=[Duty.HOURS])
    swap = offer(OrgAdmin.objects.get(account=successor).pk, by=town.actor(unit))
    assert close(town.login(successor)).status_code == 302
    swap.refresh_from_db()
    assert swap.state == "cancelled"


def test_registering_again_finds_the_same_learning_record(town, unit, person):
    """The ID number is free again; the row of the person goes on."""
    load_lists()
    call_command("load_hours", verbosity=0)
    sign(town, declare(town, person, hours=Decimal("12")))
    assert close(town.login(person)).status_code == 302
    number = person.user.id_number.reveal()
    application = register("practitioner", "staff", unit, id_number=number, name="测试甲乙")
    assert application.practitioner_id == person.pk
    engine.approve(application.steps.get().pk, by=town.actor(unit))
    again = Practitioner.objects.get(pk=person.pk)
    assert (again.status, again.account.status) == (Status.ACTIVE, AccountStatus.ACTIVE)
    assert hours_of(again) == ((Decimal("0"), Decimal("12")),)
    assert Practitioner.objects.filter(user=person.user).count() == 1


def test_reference_data_rights_do_not_outlive_the_account(town, unit):
    user = town.user(is_staff=True, is_superuser=True)
    admin = town.admin(unit, user=user, duties=[Duty.HOURS])
    close(town.login(admin))
    user.refresh_from_db()
    assert (user.is_staff, user.is_superuser) == (False, False)


# --- 离职 by the unit -----------------------------------------------------------------------------------------


def dismissal(client, person, reason="合同到期"):
    return client.post(f"/people/{person.pk}/leaving/", {"reason": reason})


def test_the_unit_ends_the_professional_role_and_tells_the_person(
    town, unit, person, django_capture_on_commit_callbacks
):
    visitor = Visitor(town.login(unit), f"/people/{person.pk}/leaving/")
    assert "本人用同一证件号码重新注册" in visitor.text
    visitor.type("reason", "合同到期")
    with django_capture_on_commit_callbacks(execute=True):
        visitor.click("办理离职")
    assert "已为测试甲乙办理离职" in visitor.text
    person.refresh_from_db()
    assert (person.status, person.account.status) == (Status.CLOSED, AccountStatus.CLOSED)
    record = Departure.objects.get()
    assert (record.way, record.reason, record.employer) == ("unit", "合同到期", unit)
    assert person.history.latest().history_user == town.super_admin(unit).user
    said = person.user.messages.latest("pk")
    assert "合同到期" in said.text
    assert unit.name in said.text
    assert any("办理离职" in letter.body for letter in mail.outbox)


def test_other_roles_of_the_person_stay(town, unit, person):
    admin = town.admin(town.employer(), user=person.user, duties=[Duty.HOURS])
    dismissal(town.login(unit), person)
    admin.refresh_from_db()
    assert admin.status == AccountStatus.ACTIVE
    person.user.refresh_from_db()
    assert person.user.has_usable_password()
    assert login(person.user, "employer").status_code == 302


@pytest.mark.parametrize("way", ["get", "post", "form"])
def test_the_persons_open_session_ends(town, unit, person, way):
    client = town.login(person)
    dismissal(town.login(unit), person)
    answer = (
        client.get("/moves/unit/") if way == "get" else client.post("/moves/unit/", {"reason": "写到一半"})
    )
    assert answer.status_code == 302
    assert answer.url == "/login/?next=/moves/unit/"
    if way == "form":
        assert "写到一半" not in client.get(answer.url).content.decode()
    assert not Application.objects.exists()


def test_what_is_under_review_stops_it(town, unit, person):
    file_transfer(town, person, town.employer())
    text = town.login(unit).get(f"/people/{person.pk}/leaving/").content.decode()
    assert "现在还不能办理" in text
    answer = dismissal(town.login(unit), person)
    assert answer.status_code == 409
    assert "在审核中" in errors(answer)["__all__"][0]


@pytest.mark.parametrize("reason", ["", "   ", "因" * 101])
def test_a_reason_is_needed(town, unit, person, reason):
    answer = dismissal(town.login(unit), person, reason)
    assert "reason" in errors(answer)
    assert not Departure.objects.exists()


def test_whose_people_and_with_which_duty(town, unit, person):
    url = f"/people/{person.pk}/leaving/"
    for who, status in (
        (town.employer(), 404),
        (unit.superior, 404),
        (town.admin(unit, duties=[Duty.PEOPLE]), 403),
        (person, 403),
        (town.admin(unit, duties=[Duty.TRANSFERS]), 200),
    ):
        assert town.login(who).get(url).status_code == status
    own = town.practitioner(at=unit, user=town.super_admin(unit).user)
    assert town.login(unit).get(f"/people/{own.pk}/leaving/").status_code == 404
    assert town.login(unit).get("/people/99999999/leaving/").status_code == 404


def test_twice_is_a_missing_page(town, unit, person):
    client = town.login(unit)
    dismissal(client, person)
    assert dismissal(client, person).status_code == 404
    assert Departure.objects.count() == 1


# --- whom the unit ever had (F-88) ------------------------------------------------------------------------------


def test_everybody_whom_the_unit_ever_approved_is_found(town, unit):
    here, gone, moved = (town.practitioner(at=unit) for _ in range(3))
    new = town.employer()
    leaving.dismiss(gone, "合同到期", by=town.actor(unit))
    complete(town, file_transfer(town, moved, new))
    town.practitioner(at=unit, status=Status.PENDING)
    town.practitioner(at=unit, status=Status.VOID)
    assert set(Practitioner.objects.ever_at(unit)) == {here, gone, moved}
    assert set(Practitioner.objects.ever_at(new)) == {moved}
    assert set(Practitioner.objects.ever_at(town.employer())) == set()


# --- 从已办列表中移除 (F-88) --------------------------------------------------------------------------------------


def test_a_record_is_taken_out_of_the_list_and_comes_back_nothing_is_deleted(town, unit, person):
    application = file_transfer(town, person, town.employer())
    engine.approve(application.steps.get(order=1).pk, by=town.actor(unit))
    events = Event.objects.count()
    visitor = Visitor(town.login(unit), "/inbox/done/")
    assert "单位调转" in visitor.text
    visitor.click(
        next(button["text"] for button in visitor.page.buttons if button["text"].startswith("移除"))
    )
    assert "已从已办列表中移除" in visitor.text
    assert not visitor.answer.context["rows"]
    assert RemovedDecision.objects.count() == 1
    assert Event.objects.count() == events
    assert visitor.client.get(f"/applications/{application.pk}/").status_code == 200
    visitor.click("已移除的记录")
    assert len(visitor.answer.context["rows"]) == 1
    visitor.click(
        next(button["text"] for button in visitor.page.buttons if button["text"].startswith("恢复"))
    )
    assert "已恢复到已办列表" in visitor.text
    assert len(visitor.client.get("/inbox/done/").context["rows"]) == 1


def test_it_is_the_own_list_alone(town, unit, person):
    new = town.employer()
    application = file_transfer(town, person, new)
    complete(town, application)
    first = application.steps.get(order=1)
    assert town.login(new).post("/inbox/done/remove/", {"step": first.pk}).status_code == 404
    for nonsense in ("", "x", "9" * 30, "99999999"):
        assert town.login(unit).post("/inbox/done/remove/", {"step": nonsense}).status_code == 404
    clerk = town.admin(unit, duties=[Duty.HOURS])
    assert town.login(clerk).post("/inbox/done/remove/", {"step": first.pk}).status_code == 404
    town.login(unit).post("/inbox/done/remove/", {"step": first.pk})
    assert len(town.login(new).get("/inbox/done/").context["rows"]) == 1
    assert not town.login(unit).get("/inbox/done/").context["rows"]


# --- 单位资料管理 → 基本信息 (A15) ----------------------------------------------------------------------------------


PROFILE = "/organization/profile/"


def contact(**changes) -> dict:
    return {"contact_name": "人事科", "phone": "0538-1234567", "office_hours": "工作日 9:00–17:00", **changes}


def test_the_public_contact_is_saved_at_once_by_who_holds_the_duty(town, unit, person):
    clerk = town.admin(unit, duties=[Duty.PROFILE])
    answer = town.login(clerk).post(PROFILE, contact(), follow=True)
    assert "已保存，立即生效" in answer.content.decode()
    unit.refresh_from_db()
    assert (unit.contact_name, unit.phone, unit.office_hours) == (
        "人事科",
        "0538-1234567",
        "工作日 9:00–17:00",
    )
    assert unit.history.latest().history_user == clerk.user
    answer = town.login(clerk).post(PROFILE, contact(), follow=True)
    assert "没有改动" in answer.content.decode()
    application = file_transfer(town, person, town.employer())
    assert "0538-1234567" in town.login(person).get(f"/applications/{application.pk}/").content.decode()


def test_name_and_code_are_not_asked(town, unit):
    town.login(unit).post(PROFILE, contact(name="改名单位", uscc="1237090049500001X2", kind="bureau"))
    unit.refresh_from_db()
    assert (unit.name, unit.uscc, unit.kind) == ("测试房产中心", "", "employer")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"contact_name": ""}, "contact_name"),
        ({"contact_name": "长" * 51}, "contact_name"),
        ({"phone": ""}, "phone"),
        ({"phone": "打电话给我"}, "phone"),
        ({"phone": "1" * 41}, "phone"),
        ({"office_hours": "长" * 61}, "office_hours"),
    ],
)
def test_a_wrong_contact_is_said_beside_its_field(town, unit, changes, field):
    answer = town.login(unit).post(PROFILE, contact(**changes))
    assert field in errors(answer)
    unit.refresh_from_db()
    assert unit.contact_name != "人事科"


def test_without_the_duty_the_page_is_shut(town, unit, person):
    assert town.login(town.admin(unit, duties=[Duty.HOURS])).get(PROFILE).status_code == 403
    assert town.login(person).get(PROFILE).status_code == 403


def test_the_pages_cost_few_queries(town, unit, person):
    client = town.login(unit)
    for url, most in ((PROFILE, 14), (f"/people/{person.pk}/leaving/", 16), (PAGE, 16)):
        client.get(url)
        with CaptureQueriesContext(connection) as queries:
            client.get(url)
        assert len(queries) <= most, (url, [query["sql"][:90] for query in queries])
