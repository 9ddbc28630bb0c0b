"""我的数据, the log of who saw whose whole number, and the budget of people that one admin may open."""

import datetime
import json
import logging
import re

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import ForeignKey, OneToOneField
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.id_number import IdNumber
from accounts.models import Message, Tally, User
from credits.certificates import issue
from orgs import access
from orgs.access import AccessEntry
from orgs.models import AdminRole, Duty, Practitioner
from registration.models import IdentityCorrection
from tests.clicks import Visitor
from tests.test_certificates import YEAR, reported
from tests.test_credits import declare, sign
from tests.town import PASSWORD, synthetic_id
from workflow import engine

pytestmark = pytest.mark.django_db
MINE, COPY, SEEN = "/my/held/", "/my/held/copy/", "/my/held/seen/"
REASON = "核对社保缴费记录"


def number_page(person) -> str:
    return f"/people/{person.pk}/number/"


# --- 查看完整号码 -------------------------------------------------------------------------------------------


def test_with_a_reason_the_number_is_shown_and_its_owner_reads_who_and_why(town, unit, person):
    role = AdminRole.objects.create(organization=unit, name="人事专员", duties=[Duty.PEOPLE])
    admin = town.admin(unit, duties=[Duty.PEOPLE])
    admin.org_admin.role = role
    admin.org_admin.save()
    visitor = Visitor(town.login(admin), f"/people/{person.pk}/")
    number = person.user.id_number.reveal()
    assert number not in visitor.html
    visitor.click("查看完整号码")
    assert number not in visitor.html
    visitor.type("reason", REASON)
    visitor.click("查看完整号码")
    assert number in visitor.text
    assert number not in visitor.url
    assert "no-store" in visitor.answer.headers["Cache-Control"]
    entry = AccessEntry.objects.get()
    assert (entry.subject, entry.by, entry.place, entry.post, entry.what, entry.reason) == (
        person.user, admin.user, unit.name, "人事专员", "number", REASON,
    )  # fmt: skip
    shown = town.login(person).get(MINE).content.decode()
    assert "测试房产中心 人事专员" in shown
    assert REASON in shown
    assert admin.user.name not in shown  # masked, like everybody's


@pytest.mark.parametrize("reason", ["", "   ", "看看", "长" * 101])
def test_without_a_reason_nothing_is_shown_and_nothing_written(town, unit, person, reason):
    answer = town.login(unit).post(number_page(person), {"reason": reason})
    assert person.user.id_number.reveal() not in answer.content.decode()
    assert not AccessEntry.objects.exists()


def test_an_opening_of_the_page_shows_nothing(town, unit, person):
    assert person.user.id_number.reveal() not in town.login(unit).get(number_page(person)).content.decode()
    assert not AccessEntry.objects.exists()


def test_a_number_in_the_reason_is_not_kept(town, unit, person):
    town.login(unit).post(number_page(person), {"reason": f"核对 {person.user.id_number.reveal()} 的档案"})
    assert person.user.id_number.reveal() not in AccessEntry.objects.get().reason


def test_what_cannot_be_written_down_is_not_shown(town, unit, person, monkeypatch):
    client = town.login(unit)
    client.raise_request_exception = False

    def broken(*args, **kwargs):
        raise RuntimeError("no log")

    monkeypatch.setattr(access, "note", broken)
    answer = client.post(number_page(person), {"reason": REASON})
    assert answer.status_code == 500
    assert person.user.id_number.reveal() not in answer.content.decode()


# --- what else is written down --------------------------------------------------------------------------------


def test_an_unmasked_export_is_a_row_for_everybody_in_it(town, unit, person):
    other = town.practitioner(at=unit)
    town.practitioner(at=town.employer())
    wish = {"format": "csv", "detail": "whole", "reason": "核对年度名单"}
    file = b"".join(town.login(unit).post("/exports/new/people/", wish).streaming_content).decode()
    assert person.user.id_number.reveal() in file
    assert set(AccessEntry.objects.values_list("subject", "what", "about", "reason")) == {
        (one.user.pk, "export", "专技人员", "核对年度名单") for one in (person, other)
    }
    AccessEntry.objects.none()
    town.login(unit).post("/exports/new/people/", {"format": "csv", "detail": "masked"})
    town.login(unit).post("/exports/new/statistics/", wish)
    assert AccessEntry.objects.count() == 2


def test_a_correction_and_a_certificate_that_others_open_are_rows_too(town, unit, person):
    correction = IdentityCorrection(user=person.user, practitioner=person, new_name="测试甲丙", reason="写错")
    correction.take_old(person.user)
    correction.set_new_number(IdNumber.parse(synthetic_id(700)))
    application = engine.submit("identity-correction", correction, by=town.actor(person))
    town.login(town.operator()).post(f"/corrections/{application.pk}/numbers/")
    assert AccessEntry.objects.get().what == "correction"
    town.rules(total=90)
    reported([person])
    certificate = issue(person, YEAR, by=town.actor(person))
    path = f"/certificates/{certificate.pk}/file/"
    from django.urls import reverse

    path = reverse("credits:certificate_pdf", args=[certificate.pk])
    assert town.login(person).get(path)["Content-Type"] == "application/pdf"
    assert AccessEntry.objects.count() == 1  # oneself is nobody else
    assert town.login(town.bureau).get(path)["Content-Type"] == "application/pdf"
    assert AccessEntry.objects.latest("pk").about == certificate.number


@pytest.mark.parametrize("days", [0, 182])
def test_the_log_cannot_be_changed_and_what_is_young_cannot_be_deleted(town, unit, person, days):
    at = timezone.now() - datetime.timedelta(days=days)
    AccessEntry.objects.create(
        subject=person.user, by=town.user(), place="甲", post="乙", what="number", reason="丙丙", at=at
    )
    for change in (
        lambda: AccessEntry.objects.update(reason="改"),
        lambda: AccessEntry.objects.all().delete(),
    ):
        with pytest.raises(Exception, match="append only"), transaction.atomic():
            change()
    assert access.forget_before(timezone.now()) == 0


def test_what_is_old_is_forgotten(town, unit, person):
    for days in (100, 400, 2000):
        at = timezone.now() - datetime.timedelta(days=days)
        AccessEntry.objects.create(
            subject=person.user, by=town.user(), place="甲", post="乙", what="number", reason="丙", at=at
        )
    assert access.forget_before(timezone.now() - datetime.timedelta(days=1095)) == 1
    assert AccessEntry.objects.count() == 2
    assert access.forget_before(timezone.now()) == 1


# --- the page -------------------------------------------------------------------------------------------------


def test_every_role_has_the_page_and_it_costs_little(town, unit, person):
    for who in (person, unit, town.bureau, town.operator()):
        client = town.login(who)
        text = client.get(MINE).content.decode()
        assert "谁看过我的信息" in text
        assert ("学时台账" in text) == (who is person)
        assert MINE in client.get("/security/").content.decode()
    entries = [
        AccessEntry(subject=person.user, by=town.user(), place="甲", post="乙", what="number", reason="丙")
        for _ in range(60)
    ]
    AccessEntry.objects.bulk_create(entries[:1])
    client, costs = town.login(person), []
    for path in (MINE, SEEN):
        client.get(path)
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        costs.append(len(queries))
    AccessEntry.objects.bulk_create(entries[1:])
    for path, cost in zip((MINE, SEEN), costs, strict=True):
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        assert len(queries) == cost <= 12
    visitor = Visitor(client, SEEN)
    assert visitor.html.count("甲 乙") == 50
    visitor.click("下一页")
    assert visitor.html.count("甲 乙") == 10


def test_nobody_reads_who_looked_at_somebody_else(town, unit, person):
    AccessEntry.objects.create(
        subject=person.user, by=town.user(), place="别处", post="乙", what="number", reason="丙"
    )
    other = town.practitioner(at=unit)
    for path in (MINE, SEEN):
        assert "别处" not in town.login(other).get(path).content.decode()


def test_the_copy_holds_everything_and_is_told_about(town, unit, person):
    reported([person])
    correction = IdentityCorrection(
        user=person.user, practitioner=person, new_name="测试甲丙", reason="写错一位"
    )
    correction.take_old(person.user)
    correction.set_new_number(IdNumber.parse(synthetic_id(700)))
    engine.submit("identity-correction", correction, by=town.actor(person))
    town.login(unit).post(number_page(person), {"reason": REASON})
    client = town.login(person)
    answer = client.post(COPY, {"current_password": PASSWORD})
    assert answer.streaming
    copy = json.loads(b"".join(answer.streaming_content))
    assert "attachment" in answer["Content-Disposition"]
    assert copy["account"]["数据"][0]["证件号码"] == person.user.id_number.reveal()
    assert copy["account"]["数据"][0]["手机号"] == str(person.user.mobile)
    assert copy["matters"]["数据"][0]["内容"]["正确证件号码"] == synthetic_id(700)
    assert {row.get("学时") for row in copy["hours"]["数据"]} >= {"30.0", "62.0"}
    assert copy["seen"]["数据"][0]["原因"] == REASON
    assert Message.objects.filter(user=person.user, text__contains="个人数据").exists()
    printed = client.post(COPY, {"current_password": PASSWORD, "do": "print"}).content.decode()
    for words in (person.user.id_number.reveal(), synthetic_id(700), REASON, person.user.email):
        assert words in printed


@pytest.mark.parametrize("typed", ["", "wrong-password-1"])
def test_without_the_password_there_is_no_copy(town, person, typed):
    answer = town.login(person).post(COPY, {"current_password": typed})
    assert answer.status_code == 200
    assert person.user.id_number.reveal() not in answer.content.decode()


def test_a_copy_names_nobody_elses_number(town, unit, person):
    other = town.practitioner(at=unit)
    town.login(unit).post(number_page(person), {"reason": REASON})
    file = b"".join(town.login(unit).post(COPY, {"current_password": PASSWORD}).streaming_content).decode()
    assert person.user.id_number.reveal() not in file
    assert other.user.id_number.reveal() not in file


# Tables that point at people and are not in the copy, and why.
NOT_MINE = {
    "accounts.passwordreset": "thirty minutes, no content",
    "accounts.recoverycode": "secrets",
    "accounts.user_groups": "rights on reference data",
    "accounts.user_user_permissions": "rights on reference data",
    "admin.logentry": "work on reference data",
    "config": "", "orgs.personkey": "parts of the name, to be found by",
    "orgs.historicalorganization": "the unit's", "orgs.historicaladminrole": "the unit's",
    "orgs.historicalorgadmin": "the unit's: who gave whom which right",
    "registration.numbershown": "in the access log as well",
    "registration.temporarycode": "the unit's", "registration.codereplacement": "the unit's",
    "workflow.step": "the events say it", "workflow.removeddecision": "work as an admin",
    "desk.exportaccess": "the exports say it",
    "transfers.release": "work as an admin",
    "credits.intakebatch": "work as an admin", "credits.providerkey": "work as an admin",
    "credits.certificatebatch": "work as an admin", "credits.rulepack": "work as an admin",
    "credits.certificatecheck": "work as an admin",
    "credits.window": "work as an admin", "credits.sampledraw": "work as an admin", "credits.packtrial": "work as an admin",
    "credits.sampleitem": "work as an admin", "credits.verificationpolicy": "work as an admin",
    "credits.unitdeclaration": "work as an admin",
    "credits.ruletrial": "work as an admin", "credits.overturnrate": "work as an admin",
    "credits.recheck": "what is to be reckoned again", "transfers.releaserow": "its application is in the copy",
}  # fmt: skip
IN_COPY = {
    "accounts.roleaccount", "accounts.message", "accounts.session", "accounts.authenticator", "accounts.oneusesecret",
    "accounts.secondfactorreset", "orgs.practitioner", "orgs.historicalpractitioner", "orgs.orgadmin", "orgs.superswap",
    "orgs.accessentry", "workflow.application", "workflow.event", "workflow.reminder", "registration.departure",
    "desk.export", "credits.intakerecord", "credits.ledgerentry", "credits.standing", "credits.certificate",
    "credits.certificateevent", "credits.lowering", "credits.unitdeclarationperson",
}  # fmt: skip


def test_every_table_that_points_at_people_is_in_the_copy_or_somebody_elses():
    found = set()
    for model in apps.get_models():
        if model._meta.app_label in ("procrastinate",) or not model._meta.managed:
            continue
        payload = hasattr(model, "application") and model._meta.pk.name == "application"
        points = [
            field for field in model._meta.fields
            if isinstance(field, ForeignKey | OneToOneField) and field.related_model in (User, Practitioner)
        ]  # fmt: skip
        if points and not payload:
            found.add(model._meta.label_lower)
    assert found - IN_COPY - NOT_MINE.keys() == set(), "put it into desk/own/kinds.py, or say here why not"


# --- the budget -------------------------------------------------------------------------------------------------


@pytest.fixture
def small(settings):
    settings.PERSONS_PER_HOUR, settings.PERSONS_PER_HOUR_OFFICE, settings.PERSONS_ALERT = 3, 4, 2


def test_over_the_budget_a_sentence_says_when_it_goes_on(town, unit, small, caplog):
    people = [town.practitioner(at=unit) for _ in range(5)]
    client = town.login(unit)

    def opened(one) -> int:
        return client.get(f"/people/{one.pk}/").status_code

    with caplog.at_level(logging.WARNING):
        assert [opened(one) for one in people] == [200, 200, 200, 429, 429]
    said = [record for record in caplog.records if "different people" in record.getMessage()]
    assert len(said) == 1
    assert (said[0].people, said[0].user) == (2, town.super_admin(unit).user.pk)
    assert people[0].user.name not in caplog.text
    text = client.get(f"/people/{people[3].pk}/").content.decode()
    assert "一小时内最多查看 3 人" in text
    assert re.search(r"(1 小时|\d+ 分).*后可以继续", text)
    assert opened(people[0]) == 200  # who was opened before costs nothing
    assert client.get(f"/people/{people[3].pk}/history/").status_code == 429
    answer = client.post(number_page(people[3]), {"reason": REASON})
    assert answer.status_code == 429
    assert people[3].user.id_number.reveal() not in answer.content.decode()
    assert client.get("/people/").status_code == 200
    # Bureaus have their own, and everybody has one of their own.
    office = town.login(town.bureau)
    assert [office.get(f"/people/{one.pk}/").status_code for one in people] == [200] * 4 + [429]
    Tally.objects.update(until=timezone.now() - datetime.timedelta(seconds=1))
    assert opened(people[4]) == 200


def test_matters_and_certificates_of_others_count_and_ones_own_work_does_not(town, unit, small):
    """Their numbers follow each other: who could open them all would have read the whole branch."""
    call_command("load_hours", verbosity=0)
    people = [town.practitioner(at=unit) for _ in range(6)]
    filed = [declare(town, one) for one in people]
    client, office = town.login(unit), town.login(town.bureau)
    pages = [f"/applications/{one.pk}/" for one in filed]
    assert [client.get(page).status_code for page in pages] == [200] * 6  # they wait for this unit
    assert [office.get(page).status_code for page in pages] == [200] * 4 + [429] * 2
    assert office.get(f"{pages[5]}receipt/").status_code == 429
    assert office.get(f"/people/{people[5].pk}/").status_code == 429
    for one in filed:
        sign(town, one)
    assert [client.get(page).status_code for page in pages] == [200] * 6  # signed by oneself
    assert town.login(people[5]).get(pages[5]).status_code == 200
