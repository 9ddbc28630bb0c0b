"""Corners of life after registration where two rules meet: leaving and registering anew, codes, what others may see."""

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Authenticator
from accounts.password import issue_one_use_secret
from credits import ledger
from orgs.models import Duty, Practitioner, Status
from registration import leaving, temporary_code
from registration.models import TemporaryCode
from tests import registering
from tests.registering import load_lists, register
from tests.test_corrections import file_correction
from tests.test_credits import declare
from tests.test_leaving import close
from tests.test_temporary_code import asked, sign
from workflow import engine
from workflow.flow import Refused
from workflow.models import Application


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


def decide(town, application, by, *, reason=""):
    step = application.steps.get(state="open")
    if reason:
        engine.reject(step.pk, by=town.actor(by), comment=reason)
    else:
        engine.approve(step.pk, by=town.actor(by))
    application.refresh_from_db()


# --- leaving ------------------------------------------------------------------------------------------------


def test_who_once_filed_a_unit_in_vain_can_still_close_the_account(town, unit, person):
    load_lists()
    client = town.login(person)
    filed = register("employer", "backstop", town.bureau, client=client, unit_name="测试未成单位")
    decide(town, filed, town.bureau, reason="重复注册")
    assert not client.get("/my/leaving/").context["headed"]
    assert close(client).status_code == 302
    assert Practitioner.objects.get(pk=person.pk).status == Status.CLOSED


def test_nothing_that_opened_the_earlier_account_opens_the_one_registered_anew(town, unit, person):
    """Unit reset, second factor: all of it belonged to whoever held the number before."""
    load_lists()
    user = person.user
    Authenticator.objects.create(user=user, key_sealed=b"x")
    issue_one_use_secret(user, by=town.super_admin(unit).user, organization=unit.name)
    leaving.dismiss(person, "合同到期", by=town.actor(unit))
    number = user.id_number.reveal()
    filed = register("practitioner", "staff", unit, id_number=number, name="测试甲乙")
    decide(town, filed, unit)
    secret = Client().post(
        "/login/", {"role": "practitioner", "id_number": number, "password": user.id_number.last_six}
    )
    assert secret.status_code == 200, "the unit's old reset opens the account that was registered anew"
    answer = Client().post(
        "/login/", {"role": "practitioner", "id_number": number, "password": registering.PASSWORD}
    )
    assert (answer.status_code, answer.url) == (302, "/")


# --- what others may see --------------------------------------------------------------------------------------


def test_a_unit_that_refused_a_registration_reads_nothing_else_of_the_person(town, unit, person):
    load_lists()
    earlier = declare(town, person)
    for _ in range(2):
        decide(town, earlier, earlier.steps.get(state="open").approver)
    leaving.dismiss(person, "合同到期", by=town.actor(unit))
    other = town.employer(name="测试别的单位")
    filed = register("practitioner", "staff", other, id_number=person.user.id_number.reveal())
    seen = Application.objects.visible_to(town.actor(other))
    assert set(seen) == {filed}, "not before it agreed"
    decide(town, filed, other, reason="不是本单位人员")
    assert set(Application.objects.visible_to(town.actor(other))) == {filed}, "nor after it refused"
    assert earlier in Application.objects.visible_to(town.actor(unit))


def test_identity_papers_are_for_those_who_check_them(town, person):
    town.operator()
    filed = file_correction(town, person)
    clerk = town.admin(town.platform, duties=[Duty.REGISTRATIONS])
    checker = town.admin(town.platform, duties=[Duty.CHANGES])
    assert town.login(checker).get(f"/applications/{filed.pk}/").status_code == 200
    assert town.login(clerk).get(f"/applications/{filed.pk}/").status_code == 404


def test_a_colleague_does_not_take_back_somebodys_own_correction(town, unit):
    town.operator()
    filed = file_correction(town, unit)
    colleague = town.admin(unit, duties=list(Duty))
    with pytest.raises(PermissionDenied):
        engine.withdraw(filed.pk, by=town.actor(colleague))


def test_a_correction_is_found_in_every_role_of_the_person(town, unit, person):
    """One correction at a time per person: who filed it as an admin finds it as a practitioner, too."""
    town.operator()
    own = town.practitioner(at=unit, user=town.super_admin(unit).user)
    filed = file_correction(town, unit)
    client = town.login(own)
    assert client.get("/my/correction/").context["pending"].pk == filed.pk
    assert client.get(f"/applications/{filed.pk}/").status_code == 200
    client.post(f"/applications/{filed.pk}/withdraw/")
    filed.refresh_from_db()
    assert filed.state == "withdrawn"


# --- temporary codes -------------------------------------------------------------------------------------------


def test_a_code_revoked_under_review_admits_nobody(town):
    load_lists()
    county = town.bureau_under(town.bureau, name="测试区人社局")
    operator = town.operator()
    filed = sign(town, asked(county), operator)
    temporary_code.revoke(TemporaryCode.objects.get().pk, "重复领取", by=town.actor(operator))
    with pytest.raises(Refused, match="临时代码"):
        sign(town, filed, county)
    filed.refresh_from_db()
    assert (filed.state, filed.organization.status) == ("pending", Status.PENDING)


# --- hours -----------------------------------------------------------------------------------------------------


def test_who_just_lost_the_right_revokes_no_hours(town, unit, person):
    filed = declare(town, person)
    for _ in range(2):
        decide(town, filed, filed.steps.get(state="open").approver)
    actor = town.actor(town.bureau)
    type(actor.account).objects.filter(pk=actor.account.pk).end_sessions()
    with pytest.raises(Refused, match="权限刚刚变更"):
        ledger.revoke(filed.declaration, by=actor, reason="证书系伪造")


def test_the_route_shown_before_declaring_is_the_route_that_is_laid(town, unit):
    """The unit's only admin cannot sign their own hours: the page says who does before anything is filed."""
    own = town.practitioner(at=unit, user=town.super_admin(unit).user)
    client = town.login(own)
    text = client.get("/hours/declare/?kind=academic-forum").content.decode()
    filed = declare(town, own)
    first = filed.steps.order_by("order").first()
    assert first.on_behalf_of == unit
    assert f"{unit.name}没有其他管理员可以审核，由上级代为审核" in text


# --- the progress page -------------------------------------------------------------------------------------------


def test_the_progress_page_costs_the_same_after_many_registrations(town, unit):
    load_lists()
    client, number = Client(), registering.an_id_number()

    def withdraw(pk):
        client.post("/register/progress/withdraw/", {"application": pk, "password": registering.PASSWORD})

    def cost():
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/register/progress/").status_code == 200
        return len(queries)

    withdraw(register("practitioner", "staff", unit, client=client, id_number=number).pk)
    once = cost()
    for _ in range(3):
        again = client.post("/register/progress/again/", {"application": Application.objects.latest("pk").pk})
        form = client.get(again.url).context["form"]
        data = {name: form[name].value() or "" for name in form.fields}
        answer = client.post(again.url, data)
        filed = client.post(answer.url)
        withdraw(int(filed.url.strip("/").rsplit("/", 1)[1]))
    assert Application.objects.count() == 4
    assert cost() <= once
